"""Delays: when a message becomes available, and whose word counts."""

import pytest

from postroom.queues import ConfigurationError, MessageBatch, QueueOptions, Queues
from postroom.queues.conformance.recorder import WORK, consume, requests, retry_all
from postroom.queues.testing import VirtualClock


class Delays:
    """See the module."""

    async def test_delayed_message_is_not_delivered_before_it_is_due(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """Nor a microsecond later."""
        await queues[WORK].send("a", delay_seconds=60)

        await clock.advance(59.999999)
        assert (await queues[WORK].pull()).messages == []
        await clock.advance(0.000001)
        assert len((await queues[WORK].pull()).messages) == 1

    async def test_delayed_messages_come_one_after_another(self, queues: Queues, clock: VirtualClock) -> None:
        """Ten messages with delays of 1 to 10 s come a second apart."""
        seen = consume(queues, WORK, max_batch_size=100)

        async with queues.running():
            for seconds in range(1, 11):
                await queues[WORK].send(seconds, delay_seconds=seconds)
            for seconds in range(1, 11):
                await clock.advance(1)
                assert seen.bodies == list(range(1, seconds + 1))

        assert seen.times == list(range(1, 11))

    async def test_delay_may_be_a_fraction_of_a_second(self, queues: Queues, clock: VirtualClock) -> None:
        """An extension: Cloudflare counts whole seconds."""
        seen = consume(queues, WORK)

        async with queues.running():
            await queues[WORK].send("a", delay_seconds=0.25)
            await clock.advance(1)

        assert seen.times == [0.25]

    @pytest.mark.parametrize(
        ("item", "batch", "queue", "expected"),
        [
            (None, None, 2, 2),
            (None, 3, 2, 3),
            (None, 0, 2, 0),
            (4, 3, 2, 4),
            (1, 3, 2, 1),
            (0, 3, 2, 0),
            (0, None, 2, 0),
            (None, None, 0, 0),
        ],
    )
    async def test_delay_of_a_message_goes_before_the_batchs_and_the_queues(
        self,
        queues: Queues,
        clock: VirtualClock,
        item: float | None,
        batch: float | None,
        queue: int,
        expected: float,
    ) -> None:
        """Message, batch, queue, in this order; 0 is a value, not an absence."""
        await queues.create(WORK, QueueOptions(delivery_delay=queue))
        seen = consume(queues, WORK)

        async with queues.running():
            await queues[WORK].send_batch([{"body": "a", "delay_seconds": item}], delay_seconds=batch)
            await clock.advance(10)

        assert seen.times == [expected]

    async def test_items_of_a_batch_have_delays_of_their_own(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """Each comes when it is due."""
        seen = consume(queues, WORK, max_batch_size=100)

        async with queues.running():
            await queues[WORK].send_batch(
                [{"body": seconds, "delay_seconds": seconds} for seconds in (4, 2, 3)], delay_seconds=1
            )
            await clock.advance(10)

        assert (seen.bodies, seen.times) == ([2, 3, 4], [2, 3, 4])

    async def test_batch_with_the_queues_delay_comes_when_it_is_due(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """Nothing after one of two seconds, both messages after two."""
        await queues.create(WORK, QueueOptions(delivery_delay=2))
        seen = consume(queues, WORK, max_batch_size=100)

        async with queues.running():
            await queues[WORK].send_batch(requests("a", "b"))
            await clock.advance(1)
            assert seen.bodies == []
            await clock.advance(1)

        assert seen.bodies == ["a", "b"]

    async def test_single_send_has_the_queues_delay(self, queues: Queues, clock: VirtualClock) -> None:
        """And a delay of its own overrides it, 0 included."""
        await queues.create(WORK, QueueOptions(delivery_delay=2))
        seen = consume(queues, WORK)

        async with queues.running():
            await queues[WORK].send("default")
            await queues[WORK].send("now", delay_seconds=0)
            await queues[WORK].send("later", delay_seconds=5)
            await clock.advance(10)

        assert (seen.bodies, seen.times) == (["now", "default", "later"], [0, 2, 5])

    @pytest.mark.parametrize(
        ("message", "batch", "consumer", "expected"),
        [
            (None, None, None, 0),
            (None, None, 5, 5),
            (None, 3, 5, 3),
            (None, 0, 5, 0),
            (4, 3, 5, 4),
            (9, 3, 5, 9),
            (0, 3, 5, 0),
            (0, None, 5, 0),
        ],
    )
    async def test_delay_of_a_retry_goes_before_the_batchs_and_the_consumers(
        self,
        queues: Queues,
        clock: VirtualClock,
        message: float | None,
        batch: float | None,
        consumer: int | None,
        expected: float,
    ) -> None:
        """Message, batch, consumer, in this order; 0 is a value, not an absence."""

        def handle(delivered: MessageBatch) -> None:
            if delivered.messages[0].attempts == 1:
                delivered.messages[0].retry(delay_seconds=message)
                delivered.retry_all(delay_seconds=batch)

        seen = consume(queues, WORK, handle, **({} if consumer is None else {"retry_delay": consumer}))
        async with queues.running():
            await queues[WORK].send("a")
            await clock.advance(20)

        assert seen.times == [0, expected]

    async def test_consumers_retry_delay_spreads_the_attempts(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """Three deliveries five seconds apart, and then no more."""
        seen = consume(queues, WORK, retry_all, max_retries=2, retry_delay=5)

        async with queues.running():
            await queues[WORK].send("a")
            await clock.advance(1)
            assert seen.times == [0]
            await clock.advance(1)
            assert seen.times == [0]
            await clock.advance(5)
            assert seen.times == [0, 5]
            await clock.advance(5)
            assert seen.times == [0, 5, 10]
            await clock.advance(60)

        assert seen.times == [0, 5, 10]

    async def test_delay_counts_from_its_own_moment_after_immediate_retries(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """Messages that go to the tail at the same instant do not put off what is delayed."""

        async def handle(batch: MessageBatch) -> None:
            if batch.messages[0].body == "busy":
                batch.retry_all()
                await queues[WORK].send("later", delay_seconds=60)

        seen = consume(queues, WORK, handle, max_retries=3)
        async with queues.running():
            await queues[WORK].send("busy")
            await clock.advance(60)

        assert seen.bodies == ["busy"] * 4 + ["later"] * 4

    async def test_delay_over_the_bound_is_refused(self, queues: Queues) -> None:
        """The error names the range of the broker's capabilities."""
        longest = queues.capabilities.delay_seconds_max
        if longest is None:
            pytest.skip("the broker has no longest delay")

        await queues[WORK].send("a", delay_seconds=longest)
        with pytest.raises(ConfigurationError, match=f"{longest:,}"):
            await queues[WORK].send("a", delay_seconds=longest + 1)

    async def test_delay_without_a_bound_may_be_long(self, queues: Queues, clock: VirtualClock) -> None:
        """Ten days here, where Cloudflare allows one; retention still has the last word."""
        if queues.capabilities.delay_seconds_max is not None:
            pytest.skip("the broker has a longest delay")
        days = 86_400
        await queues.create(WORK, QueueOptions(message_retention_period=14 * days))

        await queues[WORK].send("a", delay_seconds=10 * days)
        await clock.advance(10 * days - 1)
        assert (await queues[WORK].pull()).messages == []
        await clock.advance(1)
        assert len((await queues[WORK].pull()).messages) == 1

    async def test_delay_follows_the_stores_clock_when_it_is_set_forward(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """A clock that was wrong and is corrected makes due what its new reading says."""
        await queues[WORK].send("a", delay_seconds=60)

        clock.jump(59)
        assert (await queues[WORK].pull()).messages == []
        clock.jump(1)
        assert len((await queues[WORK].pull()).messages) == 1

    async def test_delay_follows_the_stores_clock_when_it_is_set_back(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """The message waits until the clock shows the moment again."""
        await queues[WORK].send("a", delay_seconds=60)

        clock.jump(-30)
        await clock.advance(89)
        assert (await queues[WORK].pull()).messages == []
        await clock.advance(1)
        assert len((await queues[WORK].pull()).messages) == 1
