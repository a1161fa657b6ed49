"""Leases: a delivered message belongs to one handler while its lease lasts, and to nobody else's word after."""

import asyncio

import pytest

from postroom.queues import ConfigurationError, MessageBatch, Queues
from postroom.queues.conformance.recorder import DEAD, WORK, clock_of, consume, heard, requests, require
from postroom.queues.events import BatchHandled, LeaseLost, MessageDeadLettered
from postroom.queues.testing import VirtualClock

LEASE = 30
"""Seconds; the default."""


class Leases:
    """See the module."""

    async def test_lease_is_renewed_while_a_handler_runs(self, queues: Queues, clock: VirtualClock) -> None:
        """Five minutes of work under a lease of 30 s: delivered once."""

        async def handle(batch: MessageBatch) -> None:
            await clock.sleep(300)

        seen = consume(queues, WORK, handle, visibility_timeout_ms=LEASE * 1000)
        lost = heard(queues, LeaseLost)
        await queues[WORK].send_batch(requests("a", "b"))

        async with queues.running():
            await clock.advance(400)

        assert seen.batches == [["a", "b"]]
        assert lost == []
        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_nobody_else_gets_a_message_under_renewal(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """At no moment of those five minutes."""
        gate = clock.gate()
        consume(queues, WORK, lambda batch: gate.wait(), visibility_timeout_ms=LEASE * 1000)
        await queues[WORK].send("a")

        async with queues.running():
            for _ in range(60):
                await clock.advance(5)
                assert (await queues[WORK].pull()).messages == []
            gate.open()
            await clock.advance(0)

        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_handler_that_lost_its_lease_is_cancelled(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """The machine slept, the lease ended, somebody else took the message: the next renewal finds out."""
        gate = clock.gate()
        seen = consume(queues, WORK, lambda batch: gate.wait(), visibility_timeout_ms=LEASE * 1000)
        lost, handled = heard(queues, LeaseLost), heard(queues, BatchHandled)
        sent = await queues[WORK].send("a")
        async with queues.running():
            await clock.advance(0)
            clock.jump(LEASE + 1)
            (taken,) = (await queues[WORK].pull(visibility_timeout_ms=3_600_000)).messages

            await clock.advance(LEASE)

            assert (taken.id, taken.attempts) == (sent.id, 2)
            assert (seen.running, seen.finished) == (0, 1)
            assert sent.id in lost[0].ids
            assert [one.error for one in handled] == ["LeaseLost"]
            assert (await queues[WORK].metrics()).backlog_count == 1

    @pytest.mark.parametrize("late", ["ack_all", "retry_all", "raise", "dead_letter"])
    async def test_late_settlement_changes_nothing(
        self, queues: Queues, clock: VirtualClock, late: str
    ) -> None:
        """Whoever holds the message decides, whatever the handler that lost it does in the end."""
        gate = clock.gate()

        async def handle(batch: MessageBatch) -> None:
            try:
                await gate.wait()
            except asyncio.CancelledError:
                if late == "raise":
                    raise
            if late == "dead_letter":
                batch.messages[0].dead_letter("too late")
            elif late != "raise":
                getattr(batch, late)()

        consume(
            queues, WORK, handle, visibility_timeout_ms=LEASE * 1000, max_retries=1, dead_letter_queue=DEAD
        )
        moved = heard(queues, MessageDeadLettered)
        await queues[WORK].send("a")
        async with queues.running():
            await clock.advance(0)
            clock.jump(LEASE + 1)
            (taken,) = (await queues[WORK].pull(visibility_timeout_ms=3_600_000)).messages
            await clock.advance(LEASE)
            await clock.advance(60)

            (kept,) = await queues[WORK].peek()
            assert (kept.attempts, kept.in_flight) == (2, True)
            assert (await queues[DEAD].peek()) == []
            assert moved == []
            assert (await queues[WORK].settle(acks=[taken.lease_id])).warnings == {}
        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_settlement_finds_a_lost_lease_before_the_renewal_does(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """The handler ends after the loss and before it is told: its ack changes nothing."""
        gate = clock.gate()
        consume(queues, WORK, lambda batch: gate.wait(), visibility_timeout_ms=LEASE * 1000)
        lost = heard(queues, LeaseLost)
        sent = await queues[WORK].send("a")
        async with queues.running():
            await clock.advance(0)
            clock.jump(LEASE + 1)
            await queues[WORK].pull(visibility_timeout_ms=3_600_000)

            gate.open()
            await clock.advance(0)

            assert [one.ids for one in lost] == [(sent.id,)]
            assert (await queues[WORK].metrics()).backlog_count == 1

    async def test_neighbours_of_a_lost_message_are_settled(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """A settlement is guarded message by message."""
        gate = clock.gate()
        consume(queues, WORK, lambda batch: gate.wait(), visibility_timeout_ms=LEASE * 1000)
        await queues[WORK].send_batch(requests("a", "b", "c"))
        async with queues.running():
            await clock.advance(0)
            clock.jump(LEASE + 1)
            (taken,) = (await queues[WORK].pull(batch_size=1, visibility_timeout_ms=3_600_000)).messages

            gate.open()
            await clock.advance(0)

            assert [one.body for one in await queues[WORK].peek()] == [taken.body]

    async def test_purge_after_the_lease_takes_the_message(self, queues: Queues, clock: VirtualClock) -> None:
        """And the handler whose message is gone is cancelled at the next renewal."""
        gate = clock.gate()
        seen = consume(queues, WORK, lambda batch: gate.wait(), visibility_timeout_ms=LEASE * 1000)
        await queues[WORK].send("a")
        async with queues.running():
            await clock.advance(0)
            clock.jump(LEASE + 1)

            assert await queues[WORK].purge() == 1
            await clock.advance(LEASE)

        assert (seen.running, seen.finished) == (0, 1)
        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_lease_that_always_expires_ends_in_the_dead_letter_queue(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """A message that kills whoever handles it is not delivered for ever, nor once too often."""
        seen = consume(queues, WORK, max_retries=1, dead_letter_queue=DEAD)
        moved = heard(queues, MessageDeadLettered)
        sent = await queues[WORK].send("poison")
        for attempt in (1, 2):
            (held,) = (await queues[WORK].pull(visibility_timeout_ms=1000)).messages
            assert held.attempts == attempt
            await clock.advance(1)

        async with queues.running():
            await clock.advance(0)

        assert seen.deliveries == []
        assert [(one.id, one.attempts) for one in moved] == [(sent.id, 2)]
        (dead,) = (await queues[DEAD].pull()).messages
        assert (dead.id, dead.attempts) == (sent.id, 1)
        assert dead.dead_lettered is not None
        assert dead.dead_lettered.attempts == 2

    async def test_message_after_a_lost_lease_is_handled_if_it_has_attempts_left(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """Its lost delivery counts as one of them."""
        seen = consume(queues, WORK, max_retries=2)
        await queues[WORK].send("a")
        await queues[WORK].pull(visibility_timeout_ms=1000)

        async with queues.running():
            await clock.advance(1)

        assert seen.attempts == [2]
        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_messages_beside_a_spent_one_are_delivered(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """What was leased once too often is put aside, and the rest of its batch handed over."""
        seen = consume(queues, WORK, max_retries=0, dead_letter_queue=DEAD)
        await queues[WORK].send("spent")
        await queues[WORK].pull(visibility_timeout_ms=1000)
        await queues[WORK].send_batch(requests("a", "b"), delay_seconds=1)

        await clock.advance(1)
        async with queues.running():
            await clock.advance(0)

        assert sorted(seen.bodies) == ["a", "b"]
        assert [one.body for one in await queues[DEAD].peek()] == ["spent"]

    # Longer leases.

    async def test_handler_may_ask_for_a_longer_lease(self, queues: Queues, clock: VirtualClock) -> None:
        """It holds over a pause in which nothing could renew it."""
        require(queues, "extend")
        gate, extended = clock.gate(), list[bool]()

        async def handle(batch: MessageBatch) -> None:
            extended.append(await batch.messages[0].extend(600))
            await gate.wait()

        consume(queues, WORK, handle, visibility_timeout_ms=LEASE * 1000)
        lost = heard(queues, LeaseLost)
        await queues[WORK].send("a")
        async with queues.running():
            await clock.advance(0)
            clock.jump(500)

            assert (await queues[WORK].pull()).messages == []
            gate.open()
            await clock.advance(0)

        assert extended == [True]
        assert lost == []
        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_longer_lease_is_not_cut_by_the_renewal(self, queues: Queues, clock: VirtualClock) -> None:
        """Heartbeats come every third of the usual lease, and leave it as long as it is."""
        require(queues, "extend")
        gate = clock.gate()

        async def handle(batch: MessageBatch) -> None:
            await batch.messages[0].extend(600)
            await gate.wait()

        consume(queues, WORK, handle, visibility_timeout_ms=LEASE * 1000)
        await queues[WORK].send("a")
        async with queues.running():
            await clock.advance(60)
            clock.jump(400)

            assert (await queues[WORK].pull()).messages == []
            gate.open()
            await clock.advance(0)

    async def test_lost_lease_cannot_be_made_longer(self, queues: Queues, clock: VirtualClock) -> None:
        """`extend` answers False, and the holder keeps the message."""
        require(queues, "extend")
        gate, extended = clock.gate(), list[bool]()

        async def handle(batch: MessageBatch) -> None:
            await gate.wait()
            extended.append(await batch.messages[0].extend(600))

        consume(queues, WORK, handle, visibility_timeout_ms=LEASE * 1000)
        await queues[WORK].send("a")
        async with queues.running():
            await clock.advance(0)
            clock.jump(LEASE + 1)
            await queues[WORK].pull(visibility_timeout_ms=3_600_000)
            gate.open()
            await clock.advance(0)

        assert extended == [False]

    @pytest.mark.parametrize("seconds", [-1, 43_201, float("inf"), float("nan")])
    async def test_lease_out_of_range_is_refused(
        self, queues: Queues, clock: VirtualClock, seconds: float
    ) -> None:
        """0 to 43,200 seconds; the handler gets the error."""
        require(queues, "extend")
        refused: list[str | None] = []

        async def handle(batch: MessageBatch) -> None:
            with pytest.raises(ConfigurationError) as caught:
                await batch.messages[0].extend(seconds)
            refused.append(caught.value.key)

        consume(queues, WORK, handle)
        await queues[WORK].send("a")
        async with queues.running():
            await clock.advance(0)

        assert refused == ["seconds"]

    async def test_lease_and_retry_may_end_at_the_same_moment(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """A message given back for as long as its lease was comes again once, with one more attempt."""
        consume(queues, WORK)
        await queues[WORK].send("a")
        (held,) = (await queues[WORK].pull(visibility_timeout_ms=LEASE * 1000)).messages

        await queues[WORK].settle(retries=[{"lease_id": held.lease_id, "delay_seconds": LEASE}])
        await clock.advance(LEASE)

        assert [one.attempts for one in (await queues[WORK].pull()).messages] == [2]

    async def test_lease_may_be_extended_to_its_own_end(self, queues: Queues, clock: VirtualClock) -> None:
        """It comes again once all the same."""
        require(queues, "extend")
        await queues[WORK].send("a")
        (held,) = (await queues[WORK].pull(visibility_timeout_ms=LEASE * 1000)).messages

        assert await clock_of(queues).sleep(0) is None
        assert await queues[WORK].extend(held.lease_id, LEASE)
        await clock.advance(LEASE)

        assert [one.attempts for one in (await queues[WORK].pull()).messages] == [2]
