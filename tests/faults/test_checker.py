"""The checker bites: each broken promise, written into a made-up history, is found (support/checker.py)."""

import pytest

from support.checker import Verdict, check
from support.database import Left
from support.ledger import BEGUN, DONE, FAILED, LOST, Entry

VISIBILITY_US = 1_000_000


class History:
    """Writes what processes might have done, a millisecond apart."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.now_us = 1_000_000

    def send(self, *, delay_us: int = 0, answered: bool = True) -> None:
        self._add(Entry(op="send", step=BEGUN, key="k", delay_us=delay_us))
        if answered:
            self._add(Entry(op="send", step=DONE, key="k", id="m"))

    def lease(self, process: str, attempt: int) -> None:
        self._add(Entry(op="lease", step=BEGUN, process=process, call=attempt))
        # fmt: off
        self._add(Entry(op="lease", process=process, call=attempt, key="k", id="m", attempt=attempt, lease=attempt,
                        visibility_us=VISIBILITY_US))
        # fmt: on
        self._add(Entry(op="deliver", process=process, key="k", id="m", attempt=attempt, lease=attempt))

    def settle(self, attempt: int, fate: str, *steps: str) -> None:
        for step in steps or (BEGUN, DONE):
            self._add(Entry(op="settle", step=step, id="m", lease=attempt, fate=fate))

    def strike(self, process: str, what: str = "killed") -> None:
        self._add(Entry(op="fault", process=process, detail=what))

    def wait(self) -> None:
        self.now_us += VISIBILITY_US

    def check(self, *left: Left, max_retries: int = 3) -> Verdict:
        return check(self.entries, left, queue="q", max_retries=max_retries)

    def _add(self, entry: Entry) -> None:
        self.now_us += 1_000
        facts = {name: getattr(entry, name) for name in entry.__struct_fields__}
        self.entries.append(Entry(**{**facts, "queue": "q", "monotonic_us": self.now_us}))


@pytest.fixture
def history() -> History:
    return History()


def left(queue: str = "q", attempts: int = 0, dead: dict[str, object] | None = None) -> Left:
    return Left(queue, "m", attempts, 0, False, b'{"key":"k"}', dead)


def test_plain_delivery_is_good(history: History) -> None:
    """Sent, leased once, acknowledged."""
    history.send()
    history.lease("a", 1)
    history.settle(1, "ack")

    verdict = history.check()

    verdict.assert_good()
    assert (verdict.sent, verdict.delivered, verdict.duplicated) == (1, 1, 0)


def test_killed_holder_explains_the_next_delivery(history: History) -> None:
    """Who was killed between handling and ack leaves a duplicate with an explanation."""
    history.send()
    history.lease("a", 1)
    history.settle(1, "ack", BEGUN)
    history.strike("a")
    history.wait()
    history.lease("b", 2)
    history.settle(2, "ack")

    verdict = history.check()

    verdict.assert_good()
    assert verdict.duplicated == 1
    assert verdict.explained == {"killed": 1}


def test_unanswered_send_may_be_stored_or_not(history: History) -> None:
    """A send whose sender was killed is unknown, and neither story is a fault."""
    history.send(answered=False)

    assert history.check().good

    history.lease("a", 1)
    history.settle(1, "ack")

    assert history.check().good
    assert history.check().recovered == 1


def lost_message(history: History) -> None:
    history.send()


def lost_after_unsettled_delivery(history: History) -> None:
    history.send()
    history.lease("a", 1)


def lost_after_refused_ack(history: History) -> None:
    history.send()
    history.lease("a", 1)
    history.settle(1, "ack", BEGUN, FAILED)


@pytest.mark.parametrize("story", [lost_message, lost_after_unsettled_delivery, lost_after_refused_ack])
def test_lost_message_is_found(history: History, story: object) -> None:
    """What was acknowledged to its sender and is nowhere is lost, delivered or not."""
    story(history)

    assert history.check().lost == ["k"]
    assert not history.check(left()).lost


def test_message_that_nobody_sent_is_found(history: History) -> None:
    """What comes out must have gone in."""
    history.lease("a", 1)

    assert history.check().unexpected == ["k"]


def unexplained_duplicate(history: History) -> None:
    history.lease("a", 1)
    history.wait()
    history.lease("b", 2)
    history.settle(2, "ack")


def delivery_after_ack(history: History) -> None:
    history.lease("a", 1)
    history.settle(1, "ack")
    history.wait()
    history.lease("b", 2)


def two_holders(history: History) -> None:
    history.lease("a", 1)
    history.strike("a", "stopped")
    history.lease("b", 2)
    history.settle(2, "ack")
    history.settle(1, "ack", BEGUN, LOST)


def double_ack(history: History) -> None:
    history.lease("a", 1)
    history.strike("a", "stopped")
    history.wait()
    history.lease("b", 2)
    history.settle(2, "ack")
    history.settle(1, "ack")


def skipped_attempt(history: History) -> None:
    history.lease("a", 1)
    history.settle(1, "retry")
    history.lease("a", 3)
    history.settle(3, "ack")


def repeated_attempt(history: History) -> None:
    history.lease("a", 1)
    history.settle(1, "retry")
    history.lease("a", 1)
    history.settle(1, "ack")


def attempts_out_of_order(history: History) -> None:
    history.lease("a", 2)
    history.settle(2, "retry")
    history.lease("a", 1)
    history.settle(1, "ack")


def one_delivery_too_many(history: History) -> None:
    for attempt in range(1, 6):
        history.lease("a", attempt)
        history.settle(attempt, "retry")


STORIES = {
    unexplained_duplicate: "a duplicate that nothing explains",
    delivery_after_ack: "leased after its ack",
    two_holders: "before the lease of a ran out",
    double_ack: "was acknowledged 2 times",
    skipped_attempt: "1 attempts before it are missing",
    repeated_attempt: "attempts never repeat",
    attempts_out_of_order: "came before attempt 1",
    one_delivery_too_many: "handed over at attempt 5 of 4",
}


@pytest.mark.parametrize("story", STORIES)
def test_broken_promise_is_found(history: History, story: object) -> None:
    """Each rule has a history that breaks it, and the verdict says so."""
    history.send()
    story(history)

    found = "\n".join(history.check().violations)

    assert STORIES[story] in found


def test_delivery_before_its_delay_is_found(history: History) -> None:
    """A delayed message may come late and never early."""
    history.send(delay_us=500_000)
    history.lease("a", 1)
    history.settle(1, "ack")

    assert "before its delay" in history.check().violations[0]


@pytest.mark.parametrize(("attempts", "good"), [(3, False), (4, True), (5, False)])
def test_dead_letter_comes_after_the_last_delivery(history: History, attempts: int, good: bool) -> None:
    """Who gives up does so after `max_retries + 1` deliveries exactly."""
    history.send()

    verdict = history.check(
        left("dlq", dead={"reason": f"gave up after {attempts} deliveries", "attempts": attempts})
    )

    assert verdict.good is good
