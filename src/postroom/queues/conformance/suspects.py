"""Suspects: messages whose deliveries lapsed again and again come alone, so that their neighbours do not die with them.

A lapse is a lease that ran out unsettled, as when a handler killed its process. The lapses are made by pulling here,
which suspects nobody.
"""

import asyncio

from postroom.queues import Queues
from postroom.queues.broker import Lease, Settlement
from postroom.queues.conformance.recorder import DEAD, WORK, Connect, consume, heard, requests, require
from postroom.queues.events import MessageDeadLettered
from postroom.queues.testing import VirtualClock

SECOND = 1_000_000
TWICE = range(2, 6)
"""Delivered at least twice, and not yet more often than may be."""


async def lapse(queues: Queues, clock: VirtualClock, *bodies: str, times: int) -> None:
    """Send these, and let them be delivered so often without being settled."""
    await queues[WORK].send_batch(requests(*bodies))
    for _ in range(times):
        pulled = await queues[WORK].pull(batch_size=100, visibility_timeout_ms=1000)
        assert len(pulled.messages) == len(bodies)
        await clock.advance(1)


async def lease(queues: Queues, *, fewest: int = 1, busy: bool = False, suspects: range = TWICE) -> Lease:
    """Ten, as a consumer would."""
    return await queues.broker.lease(
        WORK, limit=10, fewest=fewest, visibility_us=60 * SECOND, suspects=suspects, busy=busy
    )


def bodies(taken: Lease) -> list[str]:
    """What was leased."""
    return [one.body.decode().strip('"') for one in taken.messages]


class Suspects:
    """See the module."""

    async def test_suspect_is_leased_alone(self, queues: Queues, clock: VirtualClock) -> None:
        """One at a time, before the others, which come together."""
        await lapse(queues, clock, "a", "b", times=2)
        await queues[WORK].send_batch(requests("c", "d"))

        leases = [await lease(queues) for _ in range(4)]

        assert [bodies(one) for one in leases] == [["a"], ["b"], ["c", "d"], []]
        assert [one.suspect for one in leases] == [True, True, False, False]
        assert [[(m.attempts, m.lost) for m in one.messages] for one in leases[:2]] == [[(3, True)]] * 2

    async def test_one_lapse_makes_no_suspect(self, queues: Queues, clock: VirtualClock) -> None:
        """Nor do more, where the caller suspects nobody."""
        await lapse(queues, clock, "a", "b", times=1)
        assert bodies(await lease(queues)) == ["a", "b"]
        await clock.advance(60)

        assert bodies(await lease(queues, suspects=range(0))) == ["a", "b"]

    async def test_retries_make_no_suspect(self, queues: Queues) -> None:
        """A handler that gave it back was alive to do so."""
        await queues[WORK].send_batch(requests("a", "b"))
        for _ in range(3):
            held = (await queues[WORK].pull()).messages
            await queues[WORK].settle(retries=[one.lease_id for one in held])

        taken = await lease(queues)

        assert (bodies(taken), taken.suspect) == (["a", "b"], False)

    async def test_suspect_is_kept_from_a_busy_process(self, queues: Queues, clock: VirtualClock) -> None:
        """It would have neighbours there; so nothing is leased, and no attempt is spent."""
        await lapse(queues, clock, "a", "b", times=2)

        taken = await lease(queues, busy=True)

        assert (bodies(taken), taken.suspect) == ([], True)
        assert [one.attempts for one in (await lease(queues)).messages] == [3]

    async def test_suspect_does_not_wait_for_a_whole_batch(self, queues: Queues, clock: VirtualClock) -> None:
        """There will be no others in it."""
        await lapse(queues, clock, "a", times=2)

        assert bodies(await lease(queues, fewest=10)) == ["a"]

    async def test_suspect_that_is_given_back_is_one_still(self, queues: Queues, clock: VirtualClock) -> None:
        """A stop gives back what it interrupted; that spends no attempt and clears nobody."""
        await lapse(queues, clock, "a", "b", times=2)
        for _ in range(3):
            held = [one for _ in range(2) for one in (await lease(queues)).messages]
            assert sorted((one.attempts, one.body) for one in held) == [(3, b'"a"'), (3, b'"b"')]
            assert (await queues.info(WORK)).in_flight == 2

            assert not await queues.broker.settle(WORK, Settlement(released=held))
            info = await queues.info(WORK)
            assert (info.ready, info.in_flight, info.backlog.messages) == (2, 0, 2)

        taken = await lease(queues)
        assert len(taken.messages) == 1
        assert not await queues.broker.settle(WORK, Settlement(acks=taken.messages))
        info = await queues.info(WORK)
        assert (info.ready, info.in_flight, info.backlog.messages) == (1, 0, 1)

    async def test_consumer_handles_suspects_one_by_one(self, queues: Queues, clock: VirtualClock) -> None:
        """However many may run at once, and whatever else is there."""
        most = 0

        async def handle(_: object) -> None:
            nonlocal most
            most = max(most, seen.running)
            await clock.sleep(1)

        await lapse(queues, clock, "a", "b", "c", times=2)
        await queues[WORK].send_batch(requests("d", "e"))
        seen = consume(queues, WORK, handle, max_retries=5, max_batch_timeout=30)
        async with queues.running():
            await clock.advance(3)
            assert (seen.batches, most) == ([["a"], ["b"], ["c"]], 1)
            await clock.advance(60)

        assert seen.batches[3:] == [["d", "e"]]

    async def test_last_delivery_after_a_lapse_comes_alone(self, queues: Queues, clock: VirtualClock) -> None:
        """With one retry there is no third: the second may not cost the neighbours theirs."""
        await lapse(queues, clock, "a", "b", times=1)
        seen = consume(queues, WORK, max_retries=1, dead_letter_queue=DEAD)
        async with queues.running():
            await clock.advance(0)

        assert (seen.batches, seen.attempts) == ([["a"], ["b"]], [2, 2])

    async def test_spent_messages_are_given_up_together(self, queues: Queues, clock: VirtualClock) -> None:
        """They are not handed over any more, so nobody has to wait for them."""
        await lapse(queues, clock, "a", "b", times=3)
        seen = consume(queues, WORK, max_retries=2, dead_letter_queue=DEAD)
        moved = heard(queues, MessageDeadLettered)
        async with queues.running():
            await clock.advance(0)

        assert seen.batches == []
        assert [one.attempts for one in moved] == [3, 3]

    async def test_suspects_are_known_to_every_connection(
        self, queues: Queues, connect: Connect, clock: VirtualClock
    ) -> None:
        """What one has not taken comes to the others one by one too."""
        require(queues, "shared")
        others = [queues, await connect(), await connect()]
        await lapse(queues, clock, "a", "b", "c", "d", times=2)

        leases = await asyncio.gather(*(lease(one) for one in others))

        assert sorted(body for one in leases for body in bodies(one)) == ["a", "b", "c"]
        assert [len(one.messages) for one in leases] == [1, 1, 1]
