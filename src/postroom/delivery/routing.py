"""Which provider gets a message: by preference, by health, by budget, and by what it may carry.

Owns the routes and what all workers know of them together: a circuit breaker and a token bucket a route, kept in the
store and read and written in the caller's transaction, so that they cost no disk sync of their own. What a verdict
says of failover stands with the outcome. An empty bucket delays and does not fail.
"""

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

from postroom.delivery.outcome import Failover, Outcome, Verdict
from postroom.delivery.provider import Channel, Provider
from postroom.kit.clock import MICROSECOND
from postroom.store import StoreTransaction

FAILURES_MAX: Final = 5
"""Failures in a row that open a circuit; a configuration error opens it at once."""
COOLDOWN_SECONDS: Final = 30.0
"""How long a circuit stays open the first time; it doubles with each trial that fails."""
COOLDOWN_SECONDS_MAX: Final = 600.0
TRIAL_SECONDS: Final = 60.0
"""How long the trial call of a half-open circuit may take before another one is let through."""
WAIT_SECONDS_MAX: Final = 60.0
"""A budget that lets nothing through for longer counts as throttled too long: the next provider is tried."""
PAUSE_SECONDS: Final = 1.0
"""How long a provider rests that throttles without saying for how long."""
NOTE_SECONDS: Final = 1.0
"""Successes are noted at most this often."""


class Circuit(StrEnum):
    """Whether calls are let through."""

    CLOSED = "closed"
    """Yes."""
    OPEN = "open"
    """No, until it has cooled down."""
    HALF_OPEN = "half_open"
    """One, to see."""


class Override(NamedTuple):
    """What an answer of one provider means here, where that is not what the tables say."""

    code: str
    """The whole code of an outcome (`550 5.7.1`), or one word of it (`5.7.1`, `21612`)."""
    verdict: Verdict
    suppress: bool = False
    """Whether it says that the address is bad."""

    def fits(self, outcome: Outcome) -> bool:
        """Whether the answer is of that code."""
        return self.code == outcome.code or self.code in outcome.code.split()


class Route(NamedTuple):
    """A provider and what is agreed about it."""

    provider: Provider
    health_data: bool = False
    """Whether it may carry health data (a contract with its operator exists)."""
    rate: float | None = None
    """Calls a second that it gets in the long run; None: as many as there are."""
    burst: int = 1
    """Calls that may be made at once after a rest."""
    wait_seconds: float = 0.0
    """How long to wait for a callback or a lookup before an unknown outcome is decided by policy."""
    overrides: tuple[Override, ...] = ()
    """The first that fits decides."""

    @property
    def name(self) -> str:
        """What operators call it."""
        return self.provider.name

    @property
    def channel(self) -> Channel:
        """What it can send."""
        return self.provider.channel

    def revised(self, outcome: Outcome) -> Outcome:
        """The outcome as it counts here. What was accepted, or may have been, stays as it is."""
        if outcome.verdict in (Verdict.ACCEPTED, Verdict.UNKNOWN):
            return outcome
        found = next((one for one in self.overrides if one.fits(outcome)), None)
        if found is None:
            return outcome
        return msgspec.structs.replace(
            outcome, verdict=found.verdict, suppress=found.suppress, elsewhere=None
        )

    @property
    def key(self) -> str:
        """What the store knows it by."""
        return f"{self.provider.channel}/{self.provider.name}"


class Chosen(NamedTuple):
    """This one."""

    route: Route


class Later(NamedTuple):
    """None just now."""

    seconds: float
    reason: str
    code: str


class Nobody(NamedTuple):
    """None at all: a person has to change the configuration."""

    reason: str
    code: str


class CircuitMoved(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's circuit opened or closed; an open one wants a person's eye when its code is ours to mend."""

    provider: str
    circuit: str
    code: str | None


class Health(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is known of a route."""

    provider: str
    channel: str
    health_data: bool
    circuit: str
    failures: int
    """In a row."""
    code: str | None
    """Of the last failure."""
    tokens: float | None
    """Calls that could be made at once; None without a budget."""
    succeeded_us: int | None
    failed_us: int | None


class Router:
    """Chooses among routes, in their order of preference."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)
        self._by_name = {(route.channel, route.name): route for route in routes}
        if len(self._by_name) < len(routes):
            raise ValueError("two providers of a channel have the same name; give each its own with name=")

    def route(self, channel: Channel, name: str) -> Route | None:
        """The channel's route of that name, if it is still configured."""
        return self._by_name.get((channel, name))

    def choose(
        self,
        transaction: StoreTransaction,
        channel: Channel,
        *,
        health_data: bool,
        tried: Collection[str],
        now_us: int,
    ) -> Chosen | Later | Nobody:
        """The first route that may have the message now; takes a token of its budget."""
        routes = [route for route in self.routes if route.channel == channel]
        if not routes:
            return Nobody(f"no provider is configured for {channel}", "no_provider")
        allowed = [route for route in routes if route.health_data or not health_data]
        if not allowed:
            return Nobody(f"no provider of {channel} may carry health data", "health_data")
        waits: list[Later] = []
        for route in allowed:
            if route.name in tried:
                continue
            wait = _admit(transaction, route, now_us)
            if wait is None:
                return Chosen(route)
            waits.append(wait)
            if wait.code == "throttled" and wait.seconds <= WAIT_SECONDS_MAX:
                # Its budget fills soon: the preference is worth the wait.
                return wait
        if not waits:
            return Nobody("every provider that may have it has been tried", "exhausted")
        return min(waits, key=lambda one: one.seconds)

    def report(
        self, transaction: StoreTransaction, route: Route, outcome: Outcome, now_us: int
    ) -> CircuitMoved | None:
        """Learn from an outcome; returns the circuit's move, to be announced when the transaction has committed."""
        name = route.key
        fine = outcome.verdict is not Verdict.THROTTLED and not _is_failure(outcome)
        if fine and not _to_be_noted(transaction.one("find_provider_health", provider=name), now_us):
            return None
        row = _held(transaction, name)
        if outcome.verdict is Verdict.THROTTLED:
            pause = outcome.retry_after_seconds or PAUSE_SECONDS
            until_us = now_us + round(pause * MICROSECOND)
            _write(
                transaction,
                name,
                row,
                now_us,
                tokens=0.0,
                filled_us=until_us,
                code=outcome.code or "throttled",
            )
            return None
        if fine:
            return self._succeeded(transaction, name, row, now_us)
        failures = 1 + (row["failures"] if row else 0)
        trial = row is not None and row["circuit"] == Circuit.HALF_OPEN
        opens = trial or failures >= FAILURES_MAX or outcome.verdict is Verdict.CONFIG_ERROR
        code = outcome.code or outcome.verdict
        if not opens:
            _write(transaction, name, row, now_us, failures=failures, code=code, failed_us=now_us)
            return None
        times = (row["opens"] if row else 0) + 1
        _write(
            transaction, name, row, now_us, circuit=Circuit.OPEN, failures=failures, opens=times, opened_us=now_us,
            trial_us=None, code=code, failed_us=now_us,
        )  # fmt: skip
        already = row is not None and row["circuit"] == Circuit.OPEN
        return None if already else CircuitMoved(provider=name, circuit=Circuit.OPEN, code=code)

    def _succeeded(
        self, transaction: StoreTransaction, name: str, row: dict[str, Any] | None, now_us: int
    ) -> CircuitMoved | None:
        if not _to_be_noted(row, now_us):
            return None
        was_closed = row is None or row["circuit"] == Circuit.CLOSED
        _write(
            transaction,
            name,
            row,
            now_us,
            circuit=Circuit.CLOSED,
            failures=0,
            opens=0,
            trial_us=None,
            succeeded_us=now_us,
        )
        return None if was_closed else CircuitMoved(provider=name, circuit=Circuit.CLOSED, code=None)

    def health(self, transaction: StoreTransaction, now_us: int) -> list[Health]:
        """What is known of each route, in their order."""
        found = []
        for route in self.routes:
            row = transaction.one("find_provider_health", provider=route.key) or _fresh(route.key, now_us)
            found.append(
                Health(
                    provider=route.name, channel=route.channel, health_data=route.health_data, circuit=row["circuit"],
                    failures=row["failures"], code=row["code"], succeeded_us=row["succeeded_us"],
                    failed_us=row["failed_us"],
                    tokens=None if route.rate is None else round(_tokens(route, row, now_us), 2),
                )
            )  # fmt: skip
        return found


def _is_failure(outcome: Outcome) -> bool:
    """Whether the provider itself is at fault, rather than the message or the person."""
    if outcome.verdict in (Verdict.CONFIG_ERROR, Verdict.UNKNOWN):
        return True
    return outcome.verdict is Verdict.REJECTED_TEMPORARY and outcome.failover is Failover.NOW


def _admit(transaction: StoreTransaction, route: Route, now_us: int) -> Later | None:
    """None when it may have the call, which is then accounted for."""
    row = transaction.one("find_provider_health", provider=route.key)
    if route.rate is not None or (row is not None and row["circuit"] != Circuit.CLOSED):
        row = _held(transaction, route.key)
    if row is None:
        if route.rate is not None:
            _write(transaction, route.key, None, now_us, tokens=route.burst - 1.0, filled_us=now_us)
        return None
    trial = False
    if row["circuit"] != Circuit.CLOSED:
        ends_us = _ends_us(row)
        if now_us < ends_us:
            return Later(
                (ends_us - now_us) / MICROSECOND, f"{route.name} is not available for now", "unavailable"
            )
        trial = True
    if row["filled_us"] > now_us:
        return Later(
            (row["filled_us"] - now_us) / MICROSECOND, f"{route.name} asked for a pause", "throttled"
        )
    left: dict[str, Any] = {}
    if route.rate is not None:
        tokens = _tokens(route, row, now_us)
        if tokens < 1:
            return Later(
                (1 - tokens) / route.rate, f"the budget of {route.name} is used up for now", "throttled"
            )
        left = {"tokens": tokens - 1, "filled_us": now_us}
    if trial:
        left |= {"circuit": Circuit.HALF_OPEN, "trial_us": now_us}
    if left:
        _write(transaction, route.key, row, now_us, **left)
    return None


def _held(transaction: StoreTransaction, name: str) -> dict[str, Any] | None:
    """The row, to be written: all workers write it, so nobody else may until the transaction ends."""
    transaction.lock(f"provider/{name}")
    return transaction.one("find_provider_health", provider=name)


def _to_be_noted(row: dict[str, Any] | None, now_us: int) -> bool:
    """Whether a success says something new: of a provider that answers it is noted now and then."""
    if row is None or row["circuit"] != Circuit.CLOSED or row["failures"]:
        return True
    return bool(now_us - (row["succeeded_us"] or 0) >= NOTE_SECONDS * MICROSECOND)


def _ends_us(row: dict[str, Any]) -> int:
    """When the next call may go through a circuit that is not closed."""
    if row["circuit"] == Circuit.HALF_OPEN:
        return int(row["trial_us"] + TRIAL_SECONDS * MICROSECOND)
    cooldown = min(COOLDOWN_SECONDS * 2 ** (row["opens"] - 1), COOLDOWN_SECONDS_MAX)
    return int(row["opened_us"] + cooldown * MICROSECOND)


def _tokens(route: Route, row: dict[str, Any], now_us: int) -> float:
    rest_seconds = max(0, now_us - row["filled_us"]) / MICROSECOND
    return float(min(route.burst, row["tokens"] + rest_seconds * (route.rate or 0.0)))


def _fresh(name: str, now_us: int) -> dict[str, Any]:
    return {
        "provider": name, "circuit": Circuit.CLOSED, "failures": 0, "opened_us": None, "opens": 0, "trial_us": None,
        "tokens": 0.0, "filled_us": now_us, "code": None, "succeeded_us": None, "failed_us": None,
    }  # fmt: skip


def _write(
    transaction: StoreTransaction, name: str, row: dict[str, Any] | None, now_us: int, **changed: Any
) -> None:
    transaction.run("write_provider_health", **{**(row or _fresh(name, now_us)), **changed})
