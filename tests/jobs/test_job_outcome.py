"""Outcomes are values, and an exception says no more than it may. Promised in `postroom.jobs.outcome`."""

from datetime import UTC, datetime

import pytest

from postroom.jobs.outcome import (
    Done,
    Failed,
    JobContext,
    PermanentError,
    RetryAfter,
    TemporaryError,
    outcome_of,
    outcome_of_result,
)
from postroom.kit.clock import SystemClock

CANARY = "jane.doe@clinic.example"


class Greylisted(TemporaryError):
    """A user's own kind of temporary error."""


@pytest.mark.parametrize(
    ("exception", "expected"),
    [
        pytest.param(TemporaryError("server is busy"), RetryAfter(None, "server is busy"), id="temporary"),
        pytest.param(
            TemporaryError("slow down", 90), RetryAfter(90, "slow down"), id="temporary-with-retry-after"
        ),
        pytest.param(
            TemporaryError("busy", code="421"), RetryAfter(None, "busy", "421"), id="temporary-with-code"
        ),
        pytest.param(Greylisted("greylisted"), RetryAfter(None, "greylisted"), id="subclass"),
        pytest.param(PermanentError("no such mailbox"), Failed("no such mailbox"), id="permanent"),
        pytest.param(PermanentError("gone", code="5.1.1"), Failed("gone", "5.1.1"), id="permanent-with-code"),
        pytest.param(ConnectionResetError(CANARY), RetryAfter(None, "ConnectionResetError"), id="unknown"),
        pytest.param(KeyError(CANARY), RetryAfter(None, "KeyError"), id="a-bug"),
        pytest.param(
            ExceptionGroup("tasks", [PermanentError("gone")]),
            Failed("gone"),
            id="a-task-group-with-one-error",
        ),
        pytest.param(
            ExceptionGroup("tasks", [PermanentError("gone"), OSError(CANARY)]),
            RetryAfter(None, "ExceptionGroup"),
            id="a-task-group-with-two-errors",
        ),
    ],
)
def test_outcome_of_an_exception(exception, expected):
    """Our errors keep their text, any other is temporary and known by its class only."""
    assert outcome_of(exception) == expected


def test_outcome_of_never_repeats_a_foreign_text():
    """The text of an exception that is not ours may hold a recipient."""
    assert CANARY not in repr(outcome_of(RuntimeError(f"550 <{CANARY}>: unknown user")))


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        pytest.param(None, Done(), id="nothing"),
        pytest.param(Done("42 rows"), Done("42 rows"), id="done"),
        pytest.param(RetryAfter(5, "later"), RetryAfter(5, "later"), id="retry-after"),
        pytest.param(Failed("no"), Failed("no"), id="failed"),
        pytest.param(
            {"to": CANARY},
            Failed("the processor returned dict instead of an Outcome or None", "processor_result"),
            id="anything-else",
        ),
    ],
)
def test_outcome_of_a_result(result, expected):
    """None is done; what is no outcome fails for good, because the work may have been done."""
    assert outcome_of_result(result) == expected


@pytest.mark.parametrize(
    "value", [Done(), RetryAfter(1, "later"), Failed("no")], ids=lambda v: type(v).__name__
)
def test_outcomes_are_frozen(value):
    """An outcome is a value."""
    with pytest.raises(AttributeError):
        value.reason = "other"


def a_context(**changes) -> JobContext:
    """A context with some fields changed."""
    fields = {
        "job_id": "j1",
        "type": "email_send",
        "attempt": 1,
        "max_attempts": 3,
        "enqueued_at": datetime(2026, 1, 1, tzinfo=UTC),
        "queue": "message-delivery",
        "clock": SystemClock(),
    }
    return JobContext(**fields | changes)


@pytest.mark.parametrize(("attempt", "last"), [(1, False), (2, False), (3, True), (4, True)])
def test_context_knows_the_last_attempt(attempt, last):
    """A processor can tell that nothing will be tried after this."""
    assert last is a_context(attempt=attempt).last_attempt


def test_context_reports_to_whoever_listens():
    """`report` may always be called; progress reaches the listener where there is one."""
    heard = []

    a_context().report(0.25)
    a_context(report=heard.append).report(0.5)

    assert heard == [0.5]
