"""Shutdown: what becomes of handlers and their messages when the consumers are asked to stop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from postroom.queues import MessageBatch, QueueClosed, QueueNotFound, Queues
from postroom.queues.conformance.recorder import WORK, Connect, Failure, clock_of, consume, heard, requests
from postroom.queues.events import BatchHandled
from postroom.queues.testing import VirtualClock

GRACE = 30
"""Seconds that handlers are given by default."""


@asynccontextmanager
async def stopping(queues: Queues) -> AsyncIterator[asyncio.Task[None]]:
    """A stop that has been asked for; it is over at the end of the block."""
    task = asyncio.create_task(queues.stop())
    await clock_of(queues).advance(0)
    yield task
    await task


class Shutdown:
    """See the module."""

    async def test_handlers_may_finish(self, queues: Queues, clock: VirtualClock) -> None:
        """Within the grace period; what they did is settled before `stop` returns."""
        seen = consume(queues, WORK, lambda batch: clock.sleep(GRACE - 1))
        await queues[WORK].send_batch(requests("a", "b"))
        await queues.start()
        await clock.advance(0)

        async with stopping(queues) as stop:
            await clock.advance(GRACE - 2)
            assert not stop.done()
            await clock.advance(1)
            assert stop.done()

        assert seen.finished == 1
        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_retries_of_the_last_batch_are_settled_too(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """They come when somebody consumes again, with the next attempt."""

        async def handle(batch: MessageBatch) -> None:
            await clock.sleep(1)
            raise Failure

        consume(queues, WORK, handle)
        await queues[WORK].send("a")
        await queues.start()
        await clock.advance(0)
        async with stopping(queues):
            await clock.advance(1)

        assert [one.attempts for one in (await queues[WORK].pull()).messages] == [2]

    async def test_handlers_beyond_the_grace_are_cancelled(self, queues: Queues, clock: VirtualClock) -> None:
        """Their messages are given back: available at once, and no attempt is spent."""
        gate = clock.gate()
        seen = consume(queues, WORK, lambda batch: gate.wait())
        handled = heard(queues, BatchHandled)
        sent = await queues[WORK].send_batch(requests("a", "b"))
        await queues.start()
        await clock.advance(0)

        async with stopping(queues) as stop:
            await clock.advance(GRACE - 1)
            assert (stop.done(), seen.running) == (False, 1)
            await clock.advance(1)
            assert (stop.done(), seen.running) == (True, 0)

        assert [one.released for one in handled] == [2]
        info = await queues.info(WORK)
        assert (info.ready, info.in_flight) == (2, 0)
        pulled = (await queues[WORK].pull()).messages
        assert [(one.id, one.attempts) for one in pulled] == [(one.id, 1) for one in sent]

    async def test_given_back_messages_keep_their_place(self, queues: Queues, clock: VirtualClock) -> None:
        """They go before what was sent later, not to the tail."""
        gate = clock.gate()
        consume(queues, WORK, lambda batch: gate.wait(), max_batch_size=2, max_concurrency=1)
        await queues[WORK].send_batch(requests("a", "b"))
        await queues.start()
        await clock.advance(1)
        await queues[WORK].send_batch(requests("c", "d"))
        async with stopping(queues):
            await clock.advance(GRACE)

        assert [one.body for one in (await queues[WORK].pull()).messages] == ["a", "b", "c", "d"]

    @pytest.mark.parametrize("decided", ["ack", "retry", "ack_all", "retry_all"])
    async def test_what_an_interrupted_handler_decided_stands(
        self, queues: Queues, clock: VirtualClock, decided: str
    ) -> None:
        """Only what it left open is given back."""
        gate = clock.gate()

        async def handle(batch: MessageBatch) -> None:
            if decided == "ack":
                batch.messages[0].ack()
            elif decided == "retry":
                batch.messages[0].retry()
            elif decided == "ack_all":
                batch.ack_all()
            else:
                batch.retry_all()
            await gate.wait()

        consume(queues, WORK, handle)
        await queues[WORK].send_batch(requests("a", "b"))
        await queues.start()
        await clock.advance(0)
        async with stopping(queues):
            await clock.advance(GRACE)

        left = {one.body: one.attempts for one in (await queues[WORK].pull()).messages}
        expected = {
            "ack": {"b": 1},
            "retry": {"a": 2, "b": 1},
            "ack_all": {},
            "retry_all": {"a": 2, "b": 2},
        }
        assert left == expected[decided]

    async def test_clean_up_of_a_cancelled_handler_is_waited_for(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """`finally` blocks may await, and the message is not given back before they are done."""
        gate, cleaned = clock.gate(), []

        async def handle(batch: MessageBatch) -> None:
            try:
                await gate.wait()
            finally:
                await clock.sleep(5)
                cleaned.append((await queues.info(WORK)).in_flight)

        consume(queues, WORK, handle)
        await queues[WORK].send("a")
        await queues.start()
        await clock.advance(0)
        async with stopping(queues) as stop:
            await clock.advance(GRACE + 4)
            assert not stop.done()
            await clock.advance(1)

        assert cleaned == [1]
        assert (await queues.info(WORK)).ready == 1

    async def test_nothing_new_is_taken_once_a_stop_was_asked_for(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """Neither what waits nor what arrives."""
        gate = clock.gate()
        seen = consume(queues, WORK, lambda batch: gate.wait(), max_batch_size=1, max_concurrency=1)
        await queues[WORK].send_batch(requests("a", "b"))
        await queues.start()
        await clock.advance(0)
        async with stopping(queues):
            await queues[WORK].send("c")
            gate.open()
            await clock.advance(0)

        assert seen.bodies == ["a"]
        assert (await queues.info(WORK)).ready == 2

    async def test_lease_is_renewed_during_the_grace(self, connect: Connect, clock: VirtualClock) -> None:
        """A handler that is waited for does not lose its messages meanwhile."""
        queues = await connect(grace_seconds=300)
        seen = consume(queues, WORK, lambda batch: clock.sleep(200), visibility_timeout_ms=30_000)
        await queues[WORK].send("a")
        await queues.start()
        await clock.advance(0)
        async with stopping(queues):
            for _ in range(20):
                await clock.advance(10)
                assert (await queues[WORK].pull()).messages == []

        assert seen.attempts == [1]
        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_grace_may_be_none_at_all(self, connect: Connect, clock: VirtualClock) -> None:
        """Then handlers are cancelled at once."""
        queues = await connect(grace_seconds=0)
        seen = consume(queues, WORK, lambda batch: clock.sleep(1))
        await queues[WORK].send("a")
        await queues.start()
        await clock.advance(0)

        await queues.stop()

        assert (seen.running, seen.finished) == (0, 1)
        assert [one.attempts for one in (await queues[WORK].pull()).messages] == [1]

    async def test_idle_consumers_stop_at_once(self, queues: Queues, clock: VirtualClock) -> None:
        """Also those that wait for a batch to fill; its messages stay ready."""
        seen = consume(queues, WORK, max_batch_timeout=60)
        await queues[WORK].send("a")
        await queues.start()
        await clock.advance(1)

        await queues.stop()

        assert seen.deliveries == []
        assert (await queues.info(WORK)).ready == 1

    async def test_stopped_consumers_may_be_started_again(self, queues: Queues, clock: VirtualClock) -> None:
        """And handle what came meanwhile."""
        seen = consume(queues, WORK)
        for body in ("a", "b", "c"):
            await queues[WORK].send(body)
            async with queues.running():
                await clock.advance(0)

        assert seen.bodies == ["a", "b", "c"]

    async def test_stop_and_start_without_need_change_nothing(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """Both may be called twice."""
        seen = consume(queues, WORK)
        await queues.stop()
        await queues.start()
        await queues.start()
        await queues[WORK].send("a")
        await clock.advance(0)
        await queues.stop()
        await queues.stop()

        assert seen.bodies == ["a"]

    async def test_close_stops_the_consumers(self, connect: Connect, clock: VirtualClock) -> None:
        """Nothing is left running, and starting them again is refused."""
        queues = await connect()
        seen = consume(queues, WORK)
        await queues.start()
        await queues[WORK].send("a")
        await clock.advance(0)

        await queues.close()

        assert seen.bodies == ["a"]
        assert not any(consumer.running for consumer in queues.consumers)
        with pytest.raises(QueueClosed):
            await queues.start()

    async def test_run_stops_in_good_order_when_cancelled(self, queues: Queues, clock: VirtualClock) -> None:
        """The handler finishes, its batch is settled, and the cancellation goes on."""
        seen = consume(queues, WORK, lambda batch: clock.sleep(5))
        await queues[WORK].send("a")
        run = asyncio.create_task(queues.run())
        await clock.advance(1)
        run.cancel()
        await clock.advance(10)

        with pytest.raises(asyncio.CancelledError):
            await run
        assert seen.finished == 1
        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_run_raises_what_ended_a_consumer(self, connect: Connect, clock: VirtualClock) -> None:
        """A queue that was removed under its consumer is not waited for in silence."""
        queues = await connect(create_queues=False)
        consume(queues, WORK)
        run = asyncio.create_task(queues.run())
        await clock.advance(0)
        await queues[WORK].send("a", delay_seconds=60)
        await clock.advance(0)

        await queues.delete(WORK)
        await clock.advance(60)

        assert run.done()
        with pytest.raises(QueueNotFound):
            await run
