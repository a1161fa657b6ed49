"""Settling: which of the calls on a message and its batch counts, and what the broker then does.

The table is that of Cloudflare's documentation and runtime, where its local simulator differs too: an `ack` before
an exception counts, and so does `ack_all`.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import pytest

from postroom.queues import MessageBatch, Queues
from postroom.queues.conformance.recorder import (
    DEAD,
    WORK,
    Failure,
    clock_of,
    consume,
    fail,
    heard,
    requests,
    require,
)
from postroom.queues.events import BatchHandled, CallIgnored
from postroom.queues.testing import VirtualClock

ACKED, DEFAULT = None, 5
"""What becomes of a message: gone, or back after so many seconds (DEFAULT: the consumer's `retry_delay`)."""


class Row(NamedTuple):
    """A handler of the batch m1, m2, m3, and what becomes of each."""

    name: str
    calls: Callable[[MessageBatch], object]
    m1: int | None
    others: int | None
    raises: bool = False
    ignored: int = 0
    """Calls that have no effect."""


def both(*results: object) -> None:
    """Several calls in one lambda."""


# fmt: off
TABLE = [
    Row("01 nothing",                     lambda b: None,                                          ACKED, ACKED),
    Row("02 raise",                       lambda b: None,                                          DEFAULT, DEFAULT, raises=True),
    Row("03 ack, raise",                  lambda b: b.messages[0].ack(),                           ACKED, DEFAULT, raises=True),
    Row("04 retry",                       lambda b: b.messages[0].retry(),                         DEFAULT, ACKED),
    Row("05 retry 2 s, raise",            lambda b: b.messages[0].retry(delay_seconds=2),          2, DEFAULT, raises=True),
    Row("06 ack, retry",                  lambda b: both(b.messages[0].ack(), b.messages[0].retry()), ACKED, ACKED, ignored=1),
    Row("07 retry, ack",                  lambda b: both(b.messages[0].retry(), b.messages[0].ack()), DEFAULT, ACKED, ignored=1),
    Row("08 retry, ack_all",              lambda b: both(b.messages[0].retry(), b.ack_all()),      DEFAULT, ACKED),
    Row("09 ack, retry_all",              lambda b: both(b.messages[0].ack(), b.retry_all()),      ACKED, DEFAULT),
    Row("10 ack_all, retry",              lambda b: both(b.ack_all(), b.messages[0].retry()),      ACKED, ACKED, ignored=1),
    Row("11 retry_all, ack",              lambda b: both(b.retry_all(), b.messages[0].ack()),      DEFAULT, DEFAULT, ignored=1),
    Row("12 retry_all 1 s, retry 2 s",    lambda b: both(b.retry_all(delay_seconds=1), b.messages[0].retry(delay_seconds=2)), 2, 1),
    Row("13 ack_all, retry_all",          lambda b: both(b.ack_all(), b.retry_all()),              ACKED, ACKED, ignored=1),
    Row("14 retry_all, ack_all",          lambda b: both(b.retry_all(), b.ack_all()),              DEFAULT, DEFAULT, ignored=1),
    Row("15 ack_all, raise",              lambda b: b.ack_all(),                                   ACKED, ACKED, raises=True),
    Row("16 retry_all 3 s, raise",        lambda b: b.retry_all(delay_seconds=3),                  3, 3, raises=True),
    Row("17 retry 0 s",                   lambda b: both(b.messages[0].retry(delay_seconds=0), *(m.retry() for m in b.messages[1:])), 0, DEFAULT),
    # Beyond the published table.
    Row("ack, ack",                       lambda b: both(b.messages[0].ack(), b.messages[0].ack()), ACKED, ACKED),
    Row("ack, ack_all, raise",            lambda b: both(b.messages[0].ack(), b.ack_all()),        ACKED, ACKED, raises=True),
    Row("ack, retry_all 3 s, raise",      lambda b: both(b.messages[0].ack(), b.retry_all(delay_seconds=3)), ACKED, 3, raises=True),
    Row("retry 2 s, ack_all",             lambda b: both(b.messages[0].retry(delay_seconds=2), b.ack_all()), 2, ACKED),
    Row("retry 2 s, retry 7 s",           lambda b: both(b.messages[0].retry(delay_seconds=2), b.messages[0].retry(delay_seconds=7)), 7, ACKED),
    Row("retry 2 s, retry",               lambda b: both(b.messages[0].retry(delay_seconds=2), b.messages[0].retry()), DEFAULT, ACKED),
    Row("retry 2 s, retry_all 1 s",       lambda b: both(b.messages[0].retry(delay_seconds=2), b.retry_all(delay_seconds=1)), 2, 1),
    Row("retry, retry_all 1 s",           lambda b: both(b.messages[0].retry(), b.retry_all(delay_seconds=1)), 1, 1),
    Row("retry_all 0 s",                  lambda b: b.retry_all(delay_seconds=0),                  0, 0),
    Row("retry_all 1 s, retry_all 4 s",   lambda b: both(b.retry_all(delay_seconds=1), b.retry_all(delay_seconds=4)), 4, 4),
    Row("retry_all 1 s, retry_all",       lambda b: both(b.retry_all(delay_seconds=1), b.retry_all()), 1, 1),
    Row("retry_all 0 s, retry 2 s, raise", lambda b: both(b.retry_all(delay_seconds=0), b.messages[0].retry(delay_seconds=2)), 2, 0, raises=True),
    Row("ack_all, ack, retry",            lambda b: both(b.ack_all(), b.messages[0].ack(), b.messages[0].retry()), ACKED, ACKED, ignored=1),
]
# fmt: on


class Settling:
    """See the module."""

    @pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])
    async def test_precedence(self, queues: Queues, clock: VirtualClock, row: Row) -> None:
        """Single call before batch call, first before later, what the handler did not decide by how it ended."""
        first, expected = clock.now(), {"m1": row.m1, "m2": row.others, "m3": row.others}

        def handle(batch: MessageBatch) -> None:
            if batch.messages[0].attempts == 1:
                row.calls(batch)
                if row.raises:
                    raise Failure

        seen = consume(queues, WORK, handle, max_batch_size=3, retry_delay=DEFAULT)
        ignored = heard(queues, CallIgnored)
        handled = heard(queues, BatchHandled)
        sent = await queues[WORK].send_batch(requests("m1", "m2", "m3"))
        async with queues.running():
            await clock.advance(0)
            await clock.advance(60)

        again: Mapping[str, float | None] = {
            body: (times[1] if len(times := seen.when(body)) > 1 else None) for body in expected
        }
        assert again == expected
        assert seen.batches[0] == ["m1", "m2", "m3"]
        assert seen.attempts[:3] == [1, 1, 1]
        assert set(seen.attempts[3:]) <= {2}
        assert {(message.id, message.timestamp) for message in seen.messages} == {
            (one.id, first) for one in sent
        }
        assert len(ignored) == row.ignored
        assert handled[0].acked == list(expected.values()).count(ACKED)
        assert handled[0].error == ("Failure" if row.raises else None)
        assert (await queues[WORK].metrics()).backlog_count == 0

    @pytest.mark.parametrize(
        ("calls", "buried", "raises"),
        [
            (lambda m, b: both(m.dead_letter("bad")), True, False),
            (lambda m, b: both(m.dead_letter("bad")), True, True),
            (lambda m, b: both(m.dead_letter("bad"), m.ack(), m.retry()), True, False),
            (lambda m, b: both(m.dead_letter("bad"), b.ack_all()), True, False),
            (lambda m, b: both(m.dead_letter("bad"), b.retry_all()), True, False),
            (lambda m, b: both(b.retry_all(), m.dead_letter("bad")), True, False),
            (lambda m, b: both(m.ack(), m.dead_letter("bad")), False, False),
            (lambda m, b: both(m.retry(), m.dead_letter("bad")), False, False),
            (lambda m, b: both(b.ack_all(), m.dead_letter("bad")), False, False),
        ],
        ids=[
            "alone",
            "raise",
            "then ack",
            "then ack_all",
            "then retry_all",
            "after retry_all",
            "after ack",
            "after retry",
            "after ack_all",
        ],
    )
    async def test_dead_letter_takes_its_place_in_the_precedence(
        self,
        queues: Queues,
        clock: VirtualClock,
        calls: Callable[..., object],
        buried: bool,
        raises: bool,
    ) -> None:
        """The first call on the message wins; `ack_all` before it wins too."""
        require(queues, "dead_letter_reason")

        def handle(batch: MessageBatch) -> None:
            if batch.messages[0].attempts == 1:
                calls(batch.messages[0], batch)
                if raises:
                    raise Failure

        consume(queues, WORK, handle, dead_letter_queue=DEAD)
        await queues[WORK].send("m1")
        async with queues.running():
            await clock.advance(60)

        assert [one.body for one in await queues[DEAD].peek()] == (["m1"] if buried else [])
        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_calls_of_an_earlier_delivery_do_not_matter(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """A redelivered message is undecided again."""
        kept: list[MessageBatch] = []

        def handle(batch: MessageBatch) -> None:
            kept.append(batch)
            batch.retry_all()
            kept[0].messages[0].ack()

        seen = consume(queues, WORK, handle, max_retries=2)
        await queues[WORK].send("a")
        async with queues.running():
            await clock.advance(0)

        assert seen.attempts == [1, 2, 3]

    async def test_delay_out_of_range_raises_in_the_handler(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """So it fails like any other mistake of the handler, and the message comes again."""
        seen = consume(queues, WORK, lambda batch: batch.messages[0].retry(delay_seconds=-1), max_retries=1)
        handled = heard(queues, BatchHandled)
        await queues[WORK].send("a")

        async with queues.running():
            await clock.advance(0)

        assert seen.attempts == [1, 2]
        assert [one.error for one in handled] == ["ConfigurationError"] * 2

    @pytest.mark.parametrize("delay", [float("inf"), float("nan"), 1e300])
    async def test_delay_that_no_store_can_hold_raises_in_the_handler(
        self, queues: Queues, clock: VirtualClock, delay: float
    ) -> None:
        """Nothing that a handler passes to `retry` may break the settlement of its batch."""

        def handle(batch: MessageBatch) -> None:
            if batch.messages[0].attempts == 1:
                batch.messages[0].retry(delay_seconds=delay)

        seen = consume(queues, WORK, handle, max_batch_size=2)
        await queues[WORK].send_batch(requests("a", "b"))

        async with queues.running():
            await clock.advance(0)

        assert seen.bodies == ["a", "b", "a", "b"]

    async def test_raising_handler_does_not_end_its_consumer(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """What comes later is delivered all the same."""
        seen = consume(queues, WORK, fail, max_retries=0)

        async with queues.running():
            for body in ("a", "b"):
                await queues[WORK].send(body)
                await clock.advance(1)

        assert seen.bodies == ["a", "b"]

    async def test_batch_is_settled_when_its_handler_has_ended(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """Not before: a handler that is still running holds its messages, acknowledged or not."""
        gate = clock_of(queues).gate()

        async def handle(batch: MessageBatch) -> None:
            batch.ack_all()
            await gate.wait()

        consume(queues, WORK, handle)
        await queues[WORK].send("a")
        async with queues.running():
            await clock.advance(3)
            held = (await queues[WORK].metrics()).backlog_count
            gate.open()
            await clock.advance(0)

        assert (held, (await queues[WORK].metrics()).backlog_count) == (1, 0)
