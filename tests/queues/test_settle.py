"""What becomes of a batch, decided purely: fates, endings, delays and reasons."""

from collections.abc import Callable
from typing import Any

import pytest

from postroom.queues import ConsumerOptions, MessageBatch
from postroom.queues.broker import Leased
from postroom.queues.events import CallIgnored, MessageDeadLettered, MessageDropped
from postroom.queues.message import read_metadata
from postroom.queues.settle import FAILURES_KEPT, Ending, Verdict, decide, overdue

NOW_US = 1_000_000_000
OPTIONS = ConsumerOptions(queue="work", max_retries=2, retry_delay=5, dead_letter_queue="dead")
WITHOUT_GRAVE = ConsumerOptions(queue="work", max_retries=2)


def leased(number: int, attempts: int = 1, meta: bytes | None = None) -> Leased:
    return Leased(number, 7, f"{number:032x}", b"{}", "json", 1, 0, attempts, meta)


def decided(
    calls: Callable[[MessageBatch], object],
    ending: Ending = Ending.RETURNED,
    options: ConsumerOptions = OPTIONS,
    *,
    attempts: int = 1,
    **more: Any,
) -> Verdict:
    batch = MessageBatch("work", [leased(number, attempts) for number in (1, 2)])
    calls(batch)
    return decide(batch, ending, options, now_us=NOW_US, **more)


def fates(verdict: Verdict) -> dict[int, str]:
    settlement = verdict.settlement
    return {
        **{one.key: "ack" for one in settlement.acks},
        **{one.key: f"retry {delay_us / 1e6:g}" for one, delay_us in settlement.retries},
        **{one.leased.key: f"dead in {one.queue}" for one in settlement.dead},
        **{one.key: "released" for one in settlement.released},
    }


def nothing(batch: MessageBatch) -> None:
    """A handler that decides nothing."""


@pytest.mark.parametrize(
    ("calls", "ending", "first", "second"),
    [
        pytest.param(nothing, Ending.RETURNED, "ack", "ack", id="nothing, returned"),
        pytest.param(nothing, Ending.RAISED, "retry 5", "retry 5", id="nothing, raised"),
        pytest.param(nothing, Ending.INTERRUPTED, "released", "released", id="nothing, interrupted"),
        pytest.param(lambda b: b.messages[0].ack(), Ending.RAISED, "ack", "retry 5", id="ack, raised"),
        pytest.param(lambda b: b.messages[0].ack(), Ending.INTERRUPTED, "ack", "released", id="ack, interrupted"),
        pytest.param(lambda b: b.messages[0].retry(), Ending.INTERRUPTED, "retry 5", "released", id="retry, interrupted"),
        pytest.param(lambda b: b.messages[0].retry(delay_seconds=0), Ending.RAISED, "retry 0", "retry 5", id="retry 0, raised"),
        pytest.param(lambda b: b.ack_all(), Ending.RAISED, "ack", "ack", id="ack_all, raised"),
        pytest.param(lambda b: b.ack_all(), Ending.INTERRUPTED, "ack", "ack", id="ack_all, interrupted"),
        pytest.param(lambda b: b.retry_all(delay_seconds=0), Ending.RAISED, "retry 0", "retry 0", id="retry_all 0, raised"),
        pytest.param(lambda b: b.retry_all(), Ending.INTERRUPTED, "retry 5", "retry 5", id="retry_all, interrupted"),
        pytest.param(lambda b: b.messages[0].dead_letter("bad"), Ending.RETURNED, "dead in dead", "ack", id="dead_letter, returned"),
        pytest.param(lambda b: b.messages[0].dead_letter("bad"), Ending.INTERRUPTED, "dead in dead", "released", id="dead_letter, interrupted"),
    ],
)  # fmt: skip
def test_fate(calls: Callable[[MessageBatch], object], ending: Ending, first: str, second: str) -> None:
    """By its own call, else the batch's, else how the handler ended."""
    assert fates(decided(calls, ending)) == {1: first, 2: second}


@pytest.mark.parametrize(("attempts", "fate"), [(1, "retry 5"), (2, "retry 5"), (3, "dead in dead")])
def test_last_attempt_is_the_one_after_the_retries(attempts: int, fate: str) -> None:
    """Two retries are three deliveries."""
    assert set(fates(decided(nothing, Ending.RAISED, attempts=attempts)).values()) == {fate}


@pytest.mark.parametrize(
    ("attempts", "max_retries", "error", "reason"),
    [
        (1, 0, None, "gave up after 1 delivery"),
        (3, 2, None, "gave up after 3 deliveries"),
        (3, 2, "TimeoutError", "gave up after 3 deliveries; last: TimeoutError"),
    ],
)
def test_reason_tells_how_often_and_why(
    attempts: int, max_retries: int, error: str | None, reason: str
) -> None:
    """The class of what was raised, never its text."""
    options = OPTIONS.merged({"max_retries": max_retries})
    verdict = decided(nothing, Ending.RAISED, options, attempts=attempts, error=error)

    dead = read_metadata(verdict.settlement.dead[0].meta).dead
    assert dead is not None
    assert (dead.reason, dead.queue, dead.attempts, dead.at_us) == (reason, "work", attempts, NOW_US)
    assert [type(event) for event in verdict.events] == [MessageDeadLettered] * 2


def test_exhausted_message_without_a_grave_is_dropped() -> None:
    """It is deleted like an acknowledged one, but counted and announced."""
    verdict = decided(nothing, Ending.RAISED, WITHOUT_GRAVE, attempts=3)

    assert fates(verdict) == {1: "ack", 2: "ack"}
    assert verdict.dropped == 2
    assert [type(event) for event in verdict.events] == [MessageDropped] * 2


def test_long_reason_is_cut() -> None:
    """So that it fits every store."""
    verdict = decided(lambda batch: batch.messages[0].dead_letter("x" * 5_000))

    dead = read_metadata(verdict.settlement.dead[0].meta).dead
    assert dead is not None
    assert dead.reason == "x" * 2_000


def test_former_failures_are_kept_up_to_a_bound() -> None:
    """The oldest are forgotten first."""
    meta: bytes | None = None
    for number in range(FAILURES_KEPT + 3):
        batch = MessageBatch("work", [leased(1, meta=meta)])
        batch.messages[0].dead_letter(f"failure {number}")
        meta = decide(batch, Ending.RETURNED, OPTIONS, now_us=NOW_US).settlement.dead[0].meta

    dead = read_metadata(meta).dead
    assert dead is not None
    assert dead.reason == f"failure {FAILURES_KEPT + 2}"
    assert [one.reason for one in dead.earlier] == [f"failure {n}" for n in range(2, FAILURES_KEPT + 2)]


@pytest.mark.parametrize(
    ("reason", "details"),
    [("bad", {"what": object()}), ("bad", {1j: 1}), (None, None), ("\ud800", None)],
    ids=["details that are no JSON", "key that is no JSON", "no reason", "lone surrogate"],
)
def test_dead_letter_that_cannot_be_stored_is_refused_in_the_handler(reason: Any, details: Any) -> None:
    """While it can still be told: the batch's settlement is not hurt, and the message stays undecided."""
    batch = MessageBatch("work", [leased(1), leased(2)])

    with pytest.raises(TypeError):
        batch.messages[0].dead_letter(reason, details=details)

    assert fates(decide(batch, Ending.RAISED, OPTIONS, now_us=NOW_US)) == {1: "retry 5", 2: "retry 5"}


def test_overdue_messages_are_those_leased_once_too_often() -> None:
    """Their handlers never settled; the delivery that finds them does not count."""
    verdict = overdue([leased(1, 3), leased(2, 4)], "work", OPTIONS, now_us=NOW_US)

    assert verdict is not None
    assert fates(verdict) == {2: "dead in dead"}
    dead = read_metadata(verdict.settlement.dead[0].meta).dead
    assert dead is not None
    assert (dead.attempts, dead.reason) == (3, "gave up after 3 deliveries; last: LeaseLost")


def test_nothing_is_overdue_within_the_attempts() -> None:
    """The last delivery is still one."""
    assert overdue([leased(1, 1), leased(2, 3)], "work", OPTIONS, now_us=NOW_US) is None


def test_calls_without_effect_are_reported() -> None:
    """With what had decided before."""
    heard: list[CallIgnored] = []
    batch = MessageBatch("work", [leased(1)], report=heard.append)
    batch.messages[0].ack()
    batch.messages[0].retry()
    batch.messages[0].dead_letter("bad")

    assert [(one.call, one.because) for one in heard] == [("retry", "ack"), ("dead_letter", "ack")]
