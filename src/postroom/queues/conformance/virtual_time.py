"""Virtual time: `advance` returns when all that this passage of time causes has happened in the broker too."""

import pytest

from postroom.queues import MessageBatch, Queues
from postroom.queues.conformance.recorder import DEAD, WORK, Failure, consume, requests
from postroom.queues.testing import Stuck, VirtualClock, drain


class VirtualTime:
    """See the module."""

    async def test_settlements_are_stored_when_advance_returns(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """Not a moment later."""
        consume(queues, WORK, max_batch_size=1)
        async with queues.running():
            await queues[WORK].send_batch(requests(*range(50)))
            await clock.advance(0)

            assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_moments_on_the_way_are_not_skipped(self, queues: Queues, clock: VirtualClock) -> None:
        """One long advance is the same as many short ones."""

        def handle(batch: MessageBatch) -> None:
            if batch.messages[0].attempts < 5:
                batch.retry_all(delay_seconds=60 * batch.messages[0].attempts)

        seen = consume(queues, WORK, handle, max_retries=10)
        async with queues.running():
            await queues[WORK].send("a", delay_seconds=10)
            await clock.advance(86_400)

        assert seen.times == [10, 70, 190, 370, 610]

    async def test_chain_of_queues_is_followed_to_its_end(self, queues: Queues, clock: VirtualClock) -> None:
        """What handlers send within the same instant is handled within it."""

        async def handle(batch: MessageBatch) -> None:
            for message in batch.messages:
                step = int(batch.queue.removeprefix("step-"))
                if step < 9:
                    await queues[f"step-{step + 1}"].send(message.body)

        seen = [consume(queues, f"step-{step}", handle, max_batch_size=1) for step in range(10)]
        async with queues.running():
            await queues["step-0"].send_batch(requests(*range(5)))
            await clock.advance(0)

        assert [sorted(one.bodies) for one in seen] == [[0, 1, 2, 3, 4]] * 10

    async def test_handler_that_sleeps_lets_time_pass(self, queues: Queues, clock: VirtualClock) -> None:
        """And wakes when its moment has come."""
        woken = []

        async def handle(batch: MessageBatch) -> None:
            await clock.sleep(7)
            woken.append(clock.now())

        consume(queues, WORK, handle)
        begun = clock.now()
        async with queues.running():
            await queues[WORK].send("a")
            await clock.advance(100)

        assert [(moment - begun).total_seconds() for moment in woken] == [7]

    async def test_drain_runs_until_everything_is_handled(self, queues: Queues, clock: VirtualClock) -> None:
        """Over delays and retries; it starts the consumers and stops them again."""
        seen = consume(queues, WORK, lambda batch: batch.retry_all(delay_seconds=3600), max_retries=2)
        await queues[WORK].send("a", delay_seconds=86_400)

        await drain(queues)

        assert seen.times == [86_400, 90_000, 93_600]
        assert (await queues[WORK].metrics()).backlog_count == 0
        assert not any(consumer.running for consumer in queues.consumers)

    async def test_drain_may_be_repeated(self, queues: Queues) -> None:
        """A test may send, drain, look, and send again."""
        seen = consume(queues, WORK)
        for body in ("a", "b"):
            await queues[WORK].send(body)
            await drain(queues)

        assert seen.bodies == ["a", "b"]

    async def test_drain_follows_dead_letters_to_their_consumer(self, queues: Queues) -> None:
        """Queues without a consumer are left alone."""

        def handle(batch: MessageBatch) -> None:
            raise Failure

        consume(queues, WORK, handle, max_retries=1, dead_letter_queue=DEAD)
        dead = consume(queues, DEAD)
        await queues[WORK].send("a")
        await queues["nobody"].send("b")

        await drain(queues)

        assert dead.bodies == ["a"]
        assert (await queues["nobody"].metrics()).backlog_count == 1

    async def test_drain_leaves_running_consumers_running(self, queues: Queues) -> None:
        """They were started by somebody else."""
        consume(queues, WORK)
        async with queues.running():
            await queues[WORK].send("a")
            await drain(queues)

            assert all(consumer.running for consumer in queues.consumers)

    async def test_drain_says_when_it_is_stuck(self, queues: Queues) -> None:
        """A paused queue never empties."""
        consume(queues, WORK)
        await queues[WORK].send("a")
        await queues[WORK].pause()

        with pytest.raises(Stuck, match=WORK):
            await drain(queues)
