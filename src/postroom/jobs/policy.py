"""When to try again and when to give up: pure decisions over outcomes.

The figures are the reference document's: at most 3 attempts, 2^attempt minutes between them; high priority at
once, normal after 1 s, low after 5 s. The queue's own `max_retries` remains the outer bound.
"""

import random as _random
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias, assert_never

import msgspec

from postroom.jobs.models import Priority
from postroom.jobs.outcome import Done, Failed, Outcome, RetryAfter, Uncertain
from postroom.kit.backoff import exponential
from postroom.queues.errors import ConfigurationError

ATTEMPTS_MAX: Final = 101
"""Cloudflare's `max_retries` ends at 100, so a queue delivers a message at most 101 times."""
WAIT_SECONDS_MAX: Final = 1_209_600
"""No wait outlives the longest retention of a queue (14 days)."""
DELAY_SECONDS_MAX: Final = 86_400
"""Cloudflare's longest delay: 24 hours. The default ceiling, so that a policy works on every broker."""

PRIORITY_DELAY_SECONDS: Final[Mapping[Priority, int]] = MappingProxyType({"high": 0, "normal": 1, "low": 5})
"""Seconds before a new job becomes available, by priority (the reference document's)."""


class Settle(msgspec.Struct, frozen=True):
    """The job is over: acknowledge it."""


class Retry(msgspec.Struct, frozen=True):
    """Try again after so many seconds."""

    delay_seconds: float


class DeadLetter(msgspec.Struct, frozen=True):
    """Give up: to the dead-letter queue at once, with the reason."""

    reason: str


Decision: TypeAlias = Settle | Retry | DeadLetter


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often a job is tried and how long to wait in between.

    Raises ConfigurationError for a value out of its range, when it is built.
    """

    max_attempts: int = 3
    """Tries in all, 1..101; 1 means no second try."""
    base_seconds: float = 60
    """What is doubled: the wait after attempt n is `base_seconds * 2**n`; 0 (no wait) to the ceiling."""
    jitter: float = 0.1
    """Share by which a wait is spread to both sides, 0..1, so that many failures do not return together."""
    ceiling_seconds: float = DELAY_SECONDS_MAX
    """No wait is longer, jitter and Retry-After included, 1..1,209,600 s; above 86,400 s the broker has to be
    able to wait that long (`Capabilities.delay_seconds_max`)."""

    def __post_init__(self) -> None:
        where = "RetryPolicy"
        _check("max_attempts", self.max_attempts, 1, ATTEMPTS_MAX, "attempts", where, whole=True)
        _check("ceiling_seconds", self.ceiling_seconds, 1, WAIT_SECONDS_MAX, "seconds", where)
        _check("base_seconds", self.base_seconds, 0, self.ceiling_seconds, "seconds", where)
        _check("jitter", self.jitter, 0, 1, "as a share", where)

    def delay_seconds(
        self, attempt: int, retry_after: float | None = None, *, random: Callable[[], float] = _random.random
    ) -> float:
        """Seconds to wait after the failure of that attempt (counted from 1), from 0 to the ceiling.

        A provider's Retry-After above 0 is obeyed exactly, up to the ceiling. Otherwise 2^attempt minutes (by
        default) with jitter; waits near the ceiling are spread below it rather than heaped upon it.
        `random` gives a number from 0 to 1. Raises ValueError for an attempt below 1.
        """
        if attempt < 1:
            raise ValueError(f"attempt is {attempt}; attempts are counted from 1")
        if retry_after is not None and retry_after > 0:
            return min(retry_after, self.ceiling_seconds)
        ceiling = self.ceiling_seconds / (1 + self.jitter)
        nominal = exponential(attempt, base_seconds=self.base_seconds, ceiling_seconds=ceiling)
        return min(nominal * (1 - self.jitter + 2 * self.jitter * random()), self.ceiling_seconds)

    def decide(
        self, outcome: Outcome, attempt: int, *, random: Callable[[], float] = _random.random
    ) -> Decision:
        """What to do with a job whose attempt (counted from 1) had that outcome."""
        match outcome:
            case Done():
                return Settle()
            case Failed() | Uncertain():
                return DeadLetter(outcome.reason)
            case RetryAfter():
                if attempt >= self.max_attempts:
                    tries = "attempt" if attempt == 1 else "attempts"
                    return DeadLetter(f"gave up after {attempt} {tries}; last: {outcome.reason}")
                return Retry(self.delay_seconds(attempt, outcome.seconds, random=random))
            case _:
                assert_never(outcome)


class PriorityDelays(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds before a new job becomes available, by its priority, each 0..86,400.

    Raises ConfigurationError for a value out of its range, when it is built.
    """

    high: float = PRIORITY_DELAY_SECONDS["high"]
    normal: float = PRIORITY_DELAY_SECONDS["normal"]
    low: float = PRIORITY_DELAY_SECONDS["low"]

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            _check(name, getattr(self, name), 0, DELAY_SECONDS_MAX, "seconds", "PriorityDelays")

    def seconds(self, priority: Priority) -> float:
        """The delay of that priority."""
        match priority:
            case "high":
                return self.high
            case "normal":
                return self.normal
            case "low":
                return self.low
            case _:
                assert_never(priority)


def _check(
    key: str, value: object, low: float, high: float, unit: str, where: str, *, whole: bool = False
) -> None:
    kinds = (int,) if whole else (int, float)
    if isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high:
        return
    kind = "a whole number" if whole else "a number"
    raise ConfigurationError.out_of_range(key, value, f"{kind} from {low:,} to {high:,} {unit}", where)
