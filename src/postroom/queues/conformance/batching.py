"""Batching: when a batch is handed over, and what is in it."""

from typing import Any

import pytest

from postroom.queues import Queues
from postroom.queues.conformance.recorder import OTHER, WORK, consume, requests
from postroom.queues.testing import VirtualClock

SIMULATOR: dict[str, Any] = {"max_batch_size": 5, "max_batch_timeout": 1, "max_retries": 2}
"""The defaults of Cloudflare's local simulator, from whose tests many of these cases come."""


class Batching:
    """See the module."""

    async def test_lone_message_waits_for_the_timeout(self, queues: Queues, clock: VirtualClock) -> None:
        """Nothing after half of it, the message after all of it."""
        seen = consume(queues, WORK, **SIMULATOR)

        async with queues.running():
            await queues[WORK].send("a")
            await clock.advance(0.5)
            assert seen.batches == []
            await clock.advance(0.5)
            assert seen.batches == [["a"]]

    async def test_batch_that_was_sent_together_comes_together(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """Two messages of one `send_batch` make one batch."""
        seen = consume(queues, WORK, **SIMULATOR)

        async with queues.running():
            await queues[WORK].send_batch(requests("a", "b"))
            await clock.advance(0.25)
            assert seen.batches == []
            await clock.advance(1)

        assert seen.batches == [["a", "b"]]

    async def test_sends_within_the_timeout_come_together(self, queues: Queues, clock: VirtualClock) -> None:
        """However they were sent, in the order in which they were sent."""
        seen = consume(queues, WORK, **SIMULATOR)

        async with queues.running():
            await queues[WORK].send("a")
            await queues[WORK].send_batch(requests("b", "c"))
            await queues[WORK].send("d")
            await clock.advance(0.1)
            assert seen.batches == []
            await clock.advance(0.9)

        assert seen.batches == [["a", "b", "c", "d"]]

    async def test_full_batch_does_not_wait(self, queues: Queues, clock: VirtualClock) -> None:
        """The size is reached, so the timeout does not matter."""
        seen = consume(queues, WORK, **SIMULATOR)

        async with queues.running():
            await queues[WORK].send_batch(requests(*"abcde"))
            await clock.advance(0)

        assert seen.sizes == [5]

    async def test_rest_of_an_overflow_waits_for_the_timeout(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """Five of seven at once, two a second later."""
        seen = consume(queues, WORK, **SIMULATOR)

        async with queues.running():
            await queues[WORK].send_batch(requests(*"abcdefg"))
            await clock.advance(0)
            assert seen.sizes == [5]
            await clock.advance(0.5)
            assert seen.sizes == [5]
            await clock.advance(0.5)

        assert seen.batches == [list("abcde"), list("fg")]

    async def test_rest_is_completed_by_later_sends(self, queues: Queues, clock: VirtualClock) -> None:
        """Six and then five messages come as 5, 5 and, after the timeout, 1."""
        seen = consume(queues, WORK, **SIMULATOR)

        async with queues.running():
            await queues[WORK].send_batch(requests(*range(6)))
            await clock.advance(0)
            assert seen.sizes == [5]
            await queues[WORK].send_batch(requests(*range(6, 11)))
            await clock.advance(0)
            assert seen.sizes == [5, 5]
            await clock.advance(1)

        assert seen.sizes == [5, 5, 1]
        assert seen.bodies == list(range(11))

    async def test_timeout_of_the_rest_begins_with_the_last_hand_over(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """It is a fresh, full one, not what was left of the first message's."""
        seen = consume(queues, WORK, **SIMULATOR)

        async with queues.running():
            await queues[WORK].send_batch(requests("a", "b"))
            await clock.advance(0.9)
            await queues[WORK].send_batch(requests("c", "d", "e", "f"))
            await clock.advance(0.9)
            assert seen.times == [0.9]
            await clock.advance(0.1)

        assert seen.times == [0.9, pytest.approx(1.9)]

    async def test_timeout_begins_with_the_first_message(self, queues: Queues, clock: VirtualClock) -> None:
        """Later messages do not start it again."""
        seen = consume(queues, WORK, **SIMULATOR)

        async with queues.running():
            await queues[WORK].send("a")
            await clock.advance(0.6)
            await queues[WORK].send("b")
            await clock.advance(0.4)

        assert seen.batches == [["a", "b"]]

    async def test_timeout_of_a_delayed_message_begins_when_it_is_due(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """One second of delay and one of timeout make two."""
        seen = consume(queues, WORK, **SIMULATOR)

        async with queues.running():
            await queues[WORK].send("a", delay_seconds=1)
            await clock.advance(1.9)
            assert seen.batches == []
            await clock.advance(0.1)

        assert seen.times == [2]

    async def test_message_that_waited_for_a_consumer_is_not_held_up(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """Its timeout has passed already when the consumer starts."""
        seen = consume(queues, WORK, **SIMULATOR)
        await queues[WORK].send("a")
        await clock.advance(30)

        async with queues.running():
            await clock.advance(0)

        assert seen.batches == [["a"]]

    async def test_timeout_of_zero_waits_for_nothing(self, queues: Queues, clock: VirtualClock) -> None:
        """Each message comes as soon as it is there."""
        seen = consume(queues, WORK, max_batch_size=100, max_batch_timeout=0)

        async with queues.running():
            await clock.advance(0)
            await queues[WORK].send("a")
            await clock.advance(0)
            assert seen.batches == [["a"]]
            await queues[WORK].send("b")
            await clock.advance(0)

        assert seen.batches == [["a"], ["b"]]

    async def test_defaults_are_those_of_production(self, queues: Queues, clock: VirtualClock) -> None:
        """Ten messages, or five seconds."""
        seen = consume(queues, WORK, max_batch_timeout=5)
        (consumer,) = queues.consumers
        assert (consumer.options.max_batch_size, consumer.options.max_retries) == (10, 3)

        async with queues.running():
            await queues[WORK].send_batch(requests(*range(12)))
            await clock.advance(4.9)
            assert seen.sizes == [10]
            await clock.advance(0.1)

        assert seen.sizes == [10, 2]

    @pytest.mark.parametrize("size", [1, 2, 99, 100])
    async def test_no_batch_is_larger_than_its_size(
        self, queues: Queues, clock: VirtualClock, size: int
    ) -> None:
        """From the smallest size to the largest."""
        seen = consume(queues, WORK, max_batch_size=size, max_batch_timeout=0, max_concurrency=4)
        for start in range(0, 200, 100):
            await queues[WORK].send_batch(requests(*range(start, start + 100)))

        async with queues.running():
            await clock.advance(0)

        assert max(seen.sizes) == size
        assert sorted(seen.bodies) == list(range(200))

    async def test_empty_queue_calls_no_handler(self, queues: Queues, clock: VirtualClock) -> None:
        """A day without messages is a day without batches."""
        seen = consume(queues, WORK, **SIMULATOR)

        async with queues.running():
            await clock.advance(86_400)

        assert seen.deliveries == []

    async def test_batch_holds_messages_of_one_queue(self, queues: Queues, clock: VirtualClock) -> None:
        """A handler of two queues gets two batches, each with its queue's name."""
        seen = consume(queues, WORK)
        queues.consumer(OTHER, max_batch_timeout=0)(seen)

        async with queues.running():
            await queues[WORK].send("a")
            await queues[OTHER].send("b")
            await clock.advance(0)

        assert sorted((one.queue, one.messages[0].body) for one in seen.deliveries) == [
            (OTHER, "b"),
            (WORK, "a"),
        ]
