"""What became of a job: values that a processor returns, exceptions for its convenience, and the way between.

Reasons end up in dead letters, status records and logs, so they never hold a recipient or a content. An
exception's text may hold both: of exceptions that are not ours only the class is told.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

import msgspec

from postroom.kit.clock import Clock


class Done(msgspec.Struct, frozen=True):
    """The work is done.

    `detail` is a short remark for the job's record, without health data; `provider` did the work, where one was
    asked, and knows it as `provider_id`.
    """

    detail: str | None = None
    provider: str | None = None
    provider_id: str | None = None


class RetryAfter(msgspec.Struct, frozen=True):
    """The work failed for now.

    `seconds` is what the provider asked for (its Retry-After), None to leave the wait to the retry policy.
    `code` is the provider's own, for example "421" or "4.7.1".
    """

    seconds: float | None
    reason: str
    code: str | None = None
    provider: str | None = None


class Failed(msgspec.Struct, frozen=True):
    """The work failed for good: another try would fail the same way."""

    reason: str
    code: str | None = None
    provider: str | None = None


class Uncertain(msgspec.Struct, frozen=True):
    """Nobody knows whether the work was done, and doing it twice is worse than not: a person has to look."""

    reason: str
    code: str | None = None
    provider: str | None = None


Outcome: TypeAlias = Done | RetryAfter | Failed | Uncertain


class TemporaryError(Exception):
    """Raise it to have the job tried again; the text is kept, so it must not hold a recipient or a content.

    `retry_after_seconds` is what the provider asked for; None leaves the wait to the retry policy.
    """

    def __init__(
        self, reason: str, retry_after_seconds: float | None = None, *, code: str | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds
        self.code = code


class PermanentError(Exception):
    """Raise it to fail the job for good; the text is kept, so it must not hold a recipient or a content."""

    def __init__(self, reason: str, *, code: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


def outcome_of(exception: Exception) -> Outcome:
    """What an exception out of a processor means.

    Ours mean what they say, with their text. Any other is temporary, because a bug or a lost connection may
    be gone at the next try; its reason is the name of its class and never its text. A group of one (a task
    group's) counts as the one.
    """
    while isinstance(exception, ExceptionGroup) and len(exception.exceptions) == 1:
        exception = exception.exceptions[0]
    match exception:
        case TemporaryError():
            return RetryAfter(exception.retry_after_seconds, exception.reason, exception.code)
        case PermanentError():
            return Failed(exception.reason, exception.code)
        case _:
            return RetryAfter(None, type(exception).__name__)


def outcome_of_result(result: object) -> Outcome:
    """What a processor's returned value means: None is `Done`, an outcome is itself.

    Anything else is failed for good: the processor is wrong, and its work may have been done, so trying again
    could do it twice.
    """
    if result is None:
        return Done()
    if isinstance(result, Done | RetryAfter | Failed | Uncertain):
        return result
    kind = type(result).__name__
    return Failed(f"the processor returned {kind} instead of an Outcome or None", "processor_result")


def _unheard(_progress: float) -> None:
    """Stand in for a listener where nobody wants to hear of progress."""


class JobContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a processor may know about the job in its hands besides the job itself."""

    job_id: str
    type: str
    attempt: int
    """This try, counted from 1."""
    max_attempts: int
    enqueued_at: datetime
    """Aware, UTC."""
    queue: str
    """The queue's name."""
    clock: Clock
    """Time as a collaborator: what waits or stamps asks it."""
    report: Callable[[float], None] = _unheard
    """Tell how far the work is, from 0 to 1; may always be called, also when nobody listens."""
    number: int | None = None
    """The ledger's number of this try, which goes on where a redrive begins anew with `attempt`; None: nobody counts."""

    @property
    def try_number(self) -> int:
        """What tells this try of the job from every other."""
        return self.number or self.attempt

    @property
    def last_attempt(self) -> bool:
        """Whether a temporary failure of this try would be the last."""
        return self.attempt >= self.max_attempts
