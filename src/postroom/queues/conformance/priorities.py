"""Priorities: an extension. High before normal before low among what is due, and none is starved."""

import pytest

from postroom.queues import ConfigurationError, Queues, UnsupportedCapability
from postroom.queues.broker import AGEING_US
from postroom.queues.conformance.recorder import DEAD, WORK, consume, fail, require
from postroom.queues.testing import VirtualClock

STEP = AGEING_US / 1_000_000
"""Seconds of waiting that a step of priority is worth."""


async def pulled(queues: Queues, count: int = 100) -> list[object]:
    """The bodies of the next messages."""
    return [one.body for one in (await queues[WORK].pull(batch_size=count)).messages]


class Priorities:
    """See the module."""

    async def test_messages_come_in_the_order_of_priority(self, queues: Queues) -> None:
        """Within one priority in the order in which they were sent."""
        require(queues, "priority")
        for number, priority in enumerate(("low", "normal", "high") * 3):
            await queues[WORK].send(number, priority=priority)

        assert await pulled(queues) == [2, 5, 8, 1, 4, 7, 0, 3, 6]

    async def test_priority_of_a_batchs_item_counts(self, queues: Queues, clock: VirtualClock) -> None:
        """Also for a handler, which can read it."""
        require(queues, "priority")
        seen = consume(queues, WORK, max_batch_size=3)
        await queues[WORK].send_batch(
            [{"body": 1, "priority": "low"}, {"body": 2}, {"body": 3, "priority": "high"}]
        )

        async with queues.running():
            await clock.advance(0)

        assert [(one.body, one.priority) for one in seen.messages] == [(3, "high"), (2, "normal"), (1, "low")]

    async def test_limit_cuts_off_the_lowest(self, queues: Queues) -> None:
        """What is left waits for the next batch."""
        require(queues, "priority")
        for number, priority in enumerate(("low", "normal", "high") * 3):
            await queues[WORK].send(number, priority=priority)

        assert await pulled(queues, 4) == [2, 5, 8, 1]
        assert await pulled(queues, 4) == [4, 7, 0, 3]

    async def test_waiting_makes_up_for_priority(self, queues: Queues, clock: VirtualClock) -> None:
        """A step is worth 30 s: a message that is due for longer than that goes before a higher one."""
        require(queues, "priority")
        await queues[WORK].send("low", priority="low")
        await clock.advance(STEP - 1)
        await queues[WORK].send("young normal")
        await clock.advance(2)
        await queues[WORK].send("normal")
        await clock.advance(STEP - 2)
        await queues[WORK].send("young high", priority="high")
        await clock.advance(2)
        await queues[WORK].send("high", priority="high")

        assert await pulled(queues) == ["young normal", "young high", "low", "normal", "high"]

    async def test_low_is_never_starved(self, queues: Queues, clock: VirtualClock) -> None:
        """Under a steady load of high messages that leaves room for none, it comes within two steps."""
        require(queues, "priority")
        await queues[WORK].send("low", priority="low")
        for second in range(round(2 * STEP) + 5):
            await queues[WORK].send(f"high {second}", priority="high")
            (next_,) = (await queues[WORK].pull(batch_size=1)).messages
            if next_.body == "low":
                break
            await queues[WORK].settle(acks=[next_.lease_id])
            await clock.advance(1)
        else:
            pytest.fail("starved")

        assert second <= 2 * STEP + 1

    async def test_delay_goes_before_priority(self, queues: Queues, clock: VirtualClock) -> None:
        """What is not due is not delivered, however high."""
        require(queues, "priority")
        await queues[WORK].send("high", priority="high", delay_seconds=10)
        await queues[WORK].send("low", priority="low")

        assert await pulled(queues) == ["low"]
        await clock.advance(10)
        assert await pulled(queues) == ["high"]

    async def test_priority_stays_with_the_message(self, queues: Queues, clock: VirtualClock) -> None:
        """Over retries and into the dead-letter queue."""
        require(queues, "priority")
        seen = consume(queues, WORK, fail, max_retries=1, dead_letter_queue=DEAD)
        await queues[WORK].send("a", priority="high")

        async with queues.running():
            await clock.advance(0)

        assert [one.priority for one in seen.messages] == ["high", "high"]
        assert [one.priority for one in await queues[DEAD].peek()] == ["high"]

    @pytest.mark.parametrize("priority", ["urgent", "HIGH", "", None, 0])
    async def test_unknown_priority_is_refused(self, queues: Queues, priority: str) -> None:
        """The error lists the three."""
        require(queues, "priority")

        with pytest.raises(ConfigurationError, match="high, normal, low") as caught:
            await queues[WORK].send("a", priority=priority)

        assert caught.value.key == "priority"

    async def test_priority_is_refused_where_there_is_none(self, queues: Queues) -> None:
        """Rather than ignored; `normal` is always possible."""
        if queues.capabilities.priority or queues.capabilities.priority_as_delay:
            pytest.skip("the broker has priorities, or makes delays of them")

        await queues[WORK].send("a", priority="normal")
        with pytest.raises(UnsupportedCapability):
            await queues[WORK].send("a", priority="high")
