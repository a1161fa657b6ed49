"""Sharing and restarting: several connections to one store, at the same time and one after another."""

import asyncio

import pytest

from postroom.queues import MessageBatch, QueueOptions, Queues
from postroom.queues.conformance.recorder import (
    DEAD,
    OTHER,
    WORK,
    Connect,
    consume,
    fail,
    heard,
    requests,
    require,
    until,
)
from postroom.queues.events import LeaseLost
from postroom.queues.testing import VirtualClock

HOUR = 3_600_000
"""Milliseconds."""


class Sharing:
    """Several connections at once, as processes have them; in one process here, for the sake of its clock."""

    @pytest.mark.parametrize("count", [1, 7], ids=["send", "send_batch"])
    async def test_message_of_one_reaches_the_consumer_of_another(
        self, queues: Queues, connect: Connect, count: int
    ) -> None:
        """Promptly, without time having to pass."""
        require(queues, "shared")
        other = await connect()
        seen = consume(other, WORK)
        async with other.running():
            await until(other, lambda: True)

            await queues[WORK].send_batch(requests(*range(count)))
            await until(other, lambda: len(seen.bodies) == count)

        assert sorted(seen.bodies) == list(range(count))
        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_message_waits_for_its_consumer(
        self, queues: Queues, connect: Connect, clock: VirtualClock
    ) -> None:
        """What is sent while there is none is delivered when there is one."""
        require(queues, "shared")
        await queues[WORK].send("early")
        other = await connect()
        seen = consume(other, WORK)

        async with other.running():
            await clock.advance(0)
            await queues[WORK].send("late")
            await until(other, lambda: len(seen.bodies) == 2)

        assert seen.bodies == ["early", "late"]

    async def test_dead_letter_reaches_the_consumer_of_another(
        self, queues: Queues, connect: Connect
    ) -> None:
        """One fails, the other takes what failed."""
        require(queues, "shared")
        consume(queues, WORK, fail, max_retries=0, dead_letter_queue=DEAD)
        other = await connect()
        dead = consume(other, DEAD)
        async with queues.running(), other.running():
            sent = await queues[WORK].send("a")
            await until(other, lambda: dead.messages)

        assert [(one.id, one.attempts) for one in dead.messages] == [(sent.id, 1)]

    async def test_consumer_learns_of_a_delay_set_by_another(
        self, queues: Queues, connect: Connect, clock: VirtualClock
    ) -> None:
        """It wakes when the message is due."""
        require(queues, "shared")
        other = await connect()
        seen = consume(other, WORK)
        async with other.running():
            await clock.advance(0)
            await queues[WORK].send("a", delay_seconds=60)
            await until(other, lambda: clock.next_due_seconds == 60)
            await clock.advance(60)

        assert seen.times == [60]

    async def test_leases_are_exclusive_between_connections(self, queues: Queues, connect: Connect) -> None:
        """Pullers here and there get different messages, and together all of them."""
        require(queues, "shared")
        others = [queues, await connect(), await connect()]
        await queues[WORK].send_batch(requests(*range(100)))

        pulls = await asyncio.gather(*(one[WORK].pull(batch_size=9) for one in others * 5))

        assert sorted(one.body for pulled in pulls for one in pulled.messages) == list(range(100))

    async def test_consumers_share_the_work(
        self, queues: Queues, connect: Connect, clock: VirtualClock
    ) -> None:
        """Every message is handled once, by one of them."""
        require(queues, "shared")
        other = await connect()
        both = [consume(one, WORK, lambda batch: clock.sleep(1), max_batch_size=5) for one in (queues, other)]
        for start in (0, 100):
            await queues[WORK].send_batch(requests(*range(start, start + 100)))
        async with queues.running(), other.running():
            await clock.advance(120)

        assert sorted(body for seen in both for body in seen.bodies) == list(range(200))
        assert all(seen.bodies for seen in both)
        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_lease_lost_to_another_connection_cancels_the_handler(
        self, queues: Queues, connect: Connect, clock: VirtualClock
    ) -> None:
        """And whoever holds the message now decides."""
        require(queues, "shared")
        gate = clock.gate()
        seen = consume(queues, WORK, lambda batch: gate.wait())
        lost = heard(queues, LeaseLost)
        sent = await queues[WORK].send("a")
        other = await connect()
        async with queues.running():
            await clock.advance(0)
            clock.jump(31)
            (taken,) = (await other[WORK].pull(visibility_timeout_ms=HOUR)).messages
            await clock.advance(30)

            assert (seen.running, seen.finished, taken.attempts) == (0, 1, 2)
            assert sent.id in lost[0].ids
        assert (await other[WORK].settle(acks=[taken.lease_id])).warnings == {}

    async def test_lease_of_one_can_be_settled_through_another(
        self, queues: Queues, connect: Connect
    ) -> None:
        """A lease id is enough."""
        require(queues, "shared")
        other = await connect()
        await queues[WORK].send("a")
        (held,) = (await queues[WORK].pull()).messages

        settled = await other[WORK].settle(acks=[held.lease_id])

        assert (settled.ack_count, settled.warnings) == (1, {})
        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_pause_by_one_holds_for_all(
        self, queues: Queues, connect: Connect, clock: VirtualClock
    ) -> None:
        """And resuming wakes them."""
        require(queues, "shared")
        other = await connect()
        seen = consume(other, WORK)
        async with other.running():
            await clock.advance(0)
            await queues[WORK].pause()
            await queues[WORK].send("a")
            await other[OTHER].send("passing time")
            await clock.advance(60)
            assert seen.bodies == []
            await queues[WORK].resume()
            await until(other, lambda: seen.bodies)

        assert seen.bodies == ["a"]

    async def test_settings_by_one_hold_for_all(
        self, queues: Queues, connect: Connect, clock: VirtualClock
    ) -> None:
        """From the next message on."""
        require(queues, "shared")
        other = await connect()
        await other[WORK].send("before")
        await queues[WORK].configure(QueueOptions(delivery_delay=60))
        await other[WORK].send("after")

        assert [one.body for one in (await other[WORK].pull()).messages] == ["before"]
        assert (await other.info(WORK)).options == QueueOptions(delivery_delay=60)

    async def test_queue_removed_by_one_is_gone_for_all(self, queues: Queues, connect: Connect) -> None:
        """And may be made again by any of them, empty."""
        require(queues, "shared")
        other = await connect()
        await other[WORK].send("a")
        await queues.delete(WORK)

        await other[WORK].send("b")

        assert [one.body for one in await queues[WORK].peek()] == ["b"]
        assert (await other[WORK].metrics()).backlog_count == 1

    async def test_purge_by_one_holds_for_all(self, queues: Queues, connect: Connect) -> None:
        """Nobody gets what was purged."""
        require(queues, "shared")
        other = await connect()
        await other[WORK].send_batch(requests("a", "b"))

        assert await queues[WORK].purge() == 2

        assert (await other[WORK].pull()).messages == []
        assert (await other[WORK].metrics()).backlog_count == 0

    async def test_deduplication_works_between_connections(self, queues: Queues, connect: Connect) -> None:
        """One of them stores, the others learn which."""
        require(queues, "shared", "deduplication")
        others = [queues, await connect(), await connect()]

        sent = await asyncio.gather(*(one[WORK].send("a", deduplication_id="k") for one in others))

        assert sorted(one.duplicate for one in sent) == [False, True, True]
        assert len({one.id for one in sent}) == 1

    async def test_counts_agree(self, queues: Queues, connect: Connect) -> None:
        """Whoever is asked."""
        require(queues, "shared")
        other = await connect()
        await queues[WORK].send_batch(requests(*range(5)))
        await other[WORK].send_batch(requests(*range(5)), delay_seconds=60)
        await other[WORK].pull(batch_size=2)

        for one in (queues, other):
            info = await one.info(WORK)
            assert (info.ready, info.delayed, info.in_flight) == (3, 5, 2)


class Restarting:
    """One connection after another."""

    async def test_messages_survive(self, queues: Queues, connect: Connect, clock: VirtualClock) -> None:
        """With everything that was known of them."""
        require(queues, "durable")
        ready = await queues[WORK].send({"a": 1})
        later = await queues[WORK].send("later", content_type="text", delay_seconds=60)
        at = clock.now()
        await queues.close()
        await clock.advance(10)

        again = await connect()
        first = (await again[WORK].pull(visibility_timeout_ms=HOUR)).messages
        await clock.advance(50)
        second = (await again[WORK].pull()).messages

        assert [(one.id, one.timestamp, one.body, one.attempts) for one in first] == [
            (ready.id, at, {"a": 1}, 1)
        ]
        assert [(one.id, one.timestamp, one.body, one.content_type) for one in second] == [
            (later.id, at, "later", "text")
        ]

    async def test_attempts_and_leases_survive(
        self, queues: Queues, connect: Connect, clock: VirtualClock
    ) -> None:
        """A lease of a connection that is gone ends in its time, and the message comes again."""
        require(queues, "durable")
        await queues[WORK].send("a")
        (held,) = (await queues[WORK].pull(visibility_timeout_ms=60_000)).messages
        await queues.close()

        again = await connect()
        await clock.advance(59)
        assert (await again[WORK].pull()).messages == []
        await clock.advance(1)
        (taken,) = (await again[WORK].pull()).messages

        assert (taken.id, taken.attempts) == (held.id, 2)

    async def test_lease_can_be_settled_after_a_restart(self, queues: Queues, connect: Connect) -> None:
        """A puller need not be the process that pulled."""
        require(queues, "durable")
        await queues[WORK].send("a")
        (held,) = (await queues[WORK].pull()).messages
        await queues.close()

        again = await connect()

        assert (await again[WORK].settle(acks=[held.lease_id])).warnings == {}
        assert (await again[WORK].metrics()).backlog_count == 0

    async def test_dead_letters_survive_with_their_reason(
        self, queues: Queues, connect: Connect, clock: VirtualClock
    ) -> None:
        """And can be brought back."""
        require(queues, "durable", "redrive", "dead_letter_reason")
        consume(queues, WORK, lambda b: b.messages[0].dead_letter("broken"), dead_letter_queue=DEAD)
        sent = await queues[WORK].send("a")
        async with queues.running():
            await clock.advance(0)
        await queues.close()

        again = await connect()
        (dead,) = await again[DEAD].peek()
        await again[DEAD].redrive()

        assert dead.dead_lettered is not None
        assert (dead.dead_lettered.queue, dead.dead_lettered.reason) == (WORK, "broken")
        assert [(one.id, one.attempts) for one in (await again[WORK].pull()).messages] == [(sent.id, 1)]

    async def test_settings_and_counts_survive(self, queues: Queues, connect: Connect) -> None:
        """Queues are what they were."""
        require(queues, "durable")
        await queues.create(WORK, QueueOptions(delivery_delay=5, message_retention_period=600))
        await queues[WORK].send_batch(requests(*range(7)))
        before = await queues.info(WORK)
        await queues.close()

        again = await connect()

        assert await again.info(WORK) == before
        assert list(await again.names()) == [WORK]

    async def test_expiry_goes_on(self, queues: Queues, connect: Connect, clock: VirtualClock) -> None:
        """What grew too old while nobody was there is not delivered, and leaves the counts."""
        require(queues, "durable")
        await queues.create(WORK, QueueOptions(message_retention_period=60))
        await queues[WORK].send("a")
        await queues.close()
        await clock.advance(60)

        again = await connect()

        assert (await again[WORK].metrics()).backlog_count == 0
        assert (await again[WORK].pull()).messages == []

    async def test_interrupted_handlers_messages_come_again(
        self, queues: Queues, connect: Connect, clock: VirtualClock
    ) -> None:
        """A close gives back what was being handled; the next connection gets it at once."""
        require(queues, "durable")
        gate = clock.gate()
        consume(queues, WORK, lambda batch: gate.wait())
        await queues[WORK].send("a")
        await queues.start()
        await clock.advance(0)
        await queues.close()

        again = await connect()

        assert [one.attempts for one in (await again[WORK].pull()).messages] == [1]

    async def test_consumer_goes_on_where_the_last_one_stopped(
        self, queues: Queues, connect: Connect, clock: VirtualClock
    ) -> None:
        """Retries that were put off are not forgotten."""
        require(queues, "durable")

        def handle(batch: MessageBatch) -> None:
            batch.retry_all(delay_seconds=60)

        consume(queues, WORK, handle)
        await queues[WORK].send("a")
        async with queues.running():
            await clock.advance(0)
        await queues.close()

        again = await connect()
        seen = consume(again, WORK)
        async with again.running():
            await clock.advance(60)

        assert (seen.times, seen.attempts) == ([60], [2])
