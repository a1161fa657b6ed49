"""Concurrency: how many handlers of a queue run at once.

https://developers.cloudflare.com/queues/configuration/consumer-concurrency/
"""

from typing import Any

import pytest

from postroom.queues import ConfigurationError, MessageBatch, Queues
from postroom.queues.conformance.recorder import OTHER, WORK, Failure, Recorder, clock_of, consume, requests
from postroom.queues.testing import VirtualClock


async def fill(queues: Queues, count: int) -> None:
    """Send so many messages."""
    for start in range(0, count, 100):
        await queues[WORK].send_batch(requests(*range(start, min(start + 100, count))))


def working_for(queues: Queues, seconds: float, **options: object) -> Recorder:
    """A consumer of single messages, each of which takes so long."""
    clock = clock_of(queues)
    return consume(queues, WORK, lambda batch: clock.sleep(seconds), max_batch_size=1, **options)


class Concurrency:
    """See the module."""

    @pytest.mark.parametrize("most", [1, 2, 3, 5])
    async def test_no_more_handlers_run_than_allowed(
        self, queues: Queues, clock: VirtualClock, most: int
    ) -> None:
        """However long the backlog; and as many as are allowed do run."""
        seen = working_for(queues, 1, max_concurrency=most)
        await fill(queues, 60)
        running = []

        async with queues.running():
            for _ in range(60):
                await clock.advance(0.5)
                running.append(seen.running)
                await clock.advance(0.5)

        assert max(running) == most
        assert sorted(seen.bodies) == list(range(60))

    async def test_one_handler_runs_until_a_batch_is_done(self, queues: Queues, clock: VirtualClock) -> None:
        """Concurrency is looked at again only when a batch completes: a backlog alone starts nothing."""
        gate = clock.gate()
        seen = consume(queues, WORK, lambda batch: gate.wait(), max_batch_size=1)
        await fill(queues, 100)

        async with queues.running():
            await clock.advance(600)
            assert seen.running == 1
            gate.open()
            await clock.advance(0)

        assert len(seen.deliveries) == 100

    async def test_handlers_become_more_while_there_is_a_backlog(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """At most doubled by a batch that is done, up to the maximum of 250."""
        seen = working_for(queues, 1)
        await fill(queues, 1500)
        running = []

        async with queues.running():
            for _ in range(20):
                await clock.advance(0.5)
                running.append(seen.running)
                await clock.advance(0.5)

        top = running.index(250)
        assert running[:2] == [1, 2]
        assert running[:top] == sorted(running[:top])
        assert max(running) == 250
        assert len(seen.deliveries) == 1500

    async def test_handlers_become_fewer_when_the_backlog_is_gone(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """A trickle afterwards is handled by a few."""
        seen = working_for(queues, 1)
        await fill(queues, 300)
        async with queues.running():
            await clock.advance(60)
            assert len(seen.deliveries) == 300
            for number in range(400):
                await queues[WORK].send(number)
                await clock.advance(1)

            await fill(queues, 100)
            await clock.advance(0.5)
            assert seen.running <= 4
            await clock.advance(300)

    async def test_handlers_become_fewer_while_they_raise(self, queues: Queues, clock: VirtualClock) -> None:
        """A failing dependency is not run down by more and more handlers."""
        failing = True

        async def handle(batch: MessageBatch) -> None:
            await clock.sleep(1)
            if failing:
                raise Failure

        seen = consume(queues, WORK, handle, max_batch_size=1, max_retries=100)
        await fill(queues, 200)
        async with queues.running():
            for _ in range(40):
                await clock.advance(0.5)
                assert seen.running <= 2
                await clock.advance(0.5)
            failing = False
            await clock.advance(300)

        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_explicit_retries_do_not_slow_down(self, queues: Queues, clock: VirtualClock) -> None:
        """Only exceptions count as failures."""

        async def handle(batch: MessageBatch) -> None:
            await clock.sleep(1)
            if batch.messages[0].attempts == 1:
                batch.retry_all()

        seen = consume(queues, WORK, handle, max_batch_size=1)
        await fill(queues, 500)
        running = []
        async with queues.running():
            for _ in range(20):
                await clock.advance(0.5)
                running.append(seen.running)
                await clock.advance(0.5)

        assert max(running) >= 64

        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_slow_batch_does_not_hold_up_the_others(self, queues: Queues, clock: VirtualClock) -> None:
        """Where more than one handler may run."""
        gate = clock.gate()

        async def handle(batch: MessageBatch) -> None:
            if batch.messages[0].body == 3:
                await gate.wait()

        seen = consume(queues, WORK, handle, max_batch_size=1, max_concurrency=2)
        await fill(queues, 50)
        async with queues.running():
            await clock.advance(60)

            assert sorted(seen.bodies) == list(range(50))
            assert (await queues[WORK].metrics()).backlog_count == 1
            gate.open()
            await clock.advance(0)
            assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_queues_do_not_share_their_handlers(self, queues: Queues, clock: VirtualClock) -> None:
        """A blocked queue leaves the others alone."""
        gate = clock.gate()
        consume(queues, WORK, lambda batch: gate.wait(), max_concurrency=1)
        other = consume(queues, OTHER, max_concurrency=1)
        async with queues.running():
            await queues[WORK].send("blocked")
            await queues[OTHER].send("a")
            await clock.advance(0)

            assert other.bodies == ["a"]
            gate.open()

    async def test_queue_has_one_consumer(self, queues: Queues) -> None:
        """A second one is refused when it is declared."""
        consume(queues, WORK)

        with pytest.raises(ConfigurationError, match="has a consumer already"):
            consume(queues, WORK)

    async def test_consumer_is_a_coroutine_function(self, queues: Queues) -> None:
        """A plain function would block everything else."""
        handle: Any = MessageBatch.ack_all

        with pytest.raises(ConfigurationError, match="async def"):
            queues.consumer(WORK)(handle)
