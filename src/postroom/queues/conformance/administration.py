"""Administration: pausing, purging, peeking, counting, making and removing queues."""

import pytest

from postroom.queues import ConfigurationError, MessageBatch, QueueNotFound, QueueOptions, Queues
from postroom.queues.conformance.recorder import OTHER, WORK, Connect, consume, heard, requests
from postroom.queues.events import DeliveryPaused, DeliveryResumed, QueuePurged
from postroom.queues.testing import VirtualClock


class Administration:
    """See the module."""

    # Pausing.

    async def test_paused_queue_takes_messages_and_delivers_none(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """Until it is resumed; then everything comes."""
        seen = consume(queues, WORK)
        paused, resumed = heard(queues, DeliveryPaused), heard(queues, DeliveryResumed)

        async with queues.running():
            await queues[WORK].pause()
            await queues[WORK].send_batch(requests("a", "b"))
            await clock.advance(3600)
            assert seen.deliveries == []
            assert (await queues[WORK].metrics()).backlog_count == 2
            await queues[WORK].resume()
            await clock.advance(0)

        assert seen.batches == [["a", "b"]]
        assert [one.queue for one in (*paused, *resumed)] == [WORK, WORK]

    async def test_handler_that_runs_may_finish_while_paused(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """A pause stops delivery, not what is in flight."""
        gate = clock.gate()
        consume(queues, WORK, lambda batch: gate.wait())
        await queues[WORK].send("a")

        async with queues.running():
            await clock.advance(0)
            await queues[WORK].pause()
            await clock.advance(120)
            gate.open()
            await clock.advance(0)

        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_retry_waits_for_the_end_of_a_pause(self, queues: Queues, clock: VirtualClock) -> None:
        """What was retried, and what was delayed, comes when the queue is resumed."""
        seen = consume(queues, WORK, lambda batch: batch.retry_all(delay_seconds=10), max_retries=1)
        await queues[WORK].send("a")

        async with queues.running():
            await clock.advance(0)
            await queues[WORK].pause()
            await clock.advance(60)
            assert seen.times == [0]
            await queues[WORK].resume()
            await clock.advance(0)

        assert seen.times == [0, 60]

    async def test_pause_and_resume_may_be_repeated(self, queues: Queues) -> None:
        """The last word counts, and `info` tells it."""
        await queues.create(WORK)
        for paused in (True, True, False, False):
            await (queues[WORK].pause() if paused else queues[WORK].resume())

            assert (await queues.info(WORK)).paused is paused

    async def test_pause_survives_a_restart(self, connect: Connect) -> None:
        """It is kept with the queue."""
        queues = await connect()
        if not queues.capabilities.durable:
            pytest.skip("the broker lacks: durable")
        await queues[WORK].pause()
        await queues.close()

        again = await connect()

        assert (await again.info(WORK)).paused

    # Purging.

    async def test_purge_deletes_ready_and_delayed_messages(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """For good, and says how many."""
        seen = consume(queues, WORK)
        purged = heard(queues, QueuePurged)
        await queues[WORK].send_batch(requests("a", "b"))
        await queues[WORK].send("later", delay_seconds=60)
        await queues[OTHER].send("elsewhere")

        assert await queues[WORK].purge() == 3

        assert [(one.queue, one.count) for one in purged] == [(WORK, 3)]
        metrics = await queues[WORK].metrics()
        assert (metrics.backlog_count, metrics.backlog_bytes) == (0, 0)
        async with queues.running():
            await clock.advance(120)
        assert seen.deliveries == []
        assert (await queues[OTHER].metrics()).backlog_count == 1

    async def test_purge_leaves_what_is_in_flight(self, queues: Queues, clock: VirtualClock) -> None:
        """It may finish, or come again."""
        gate = clock.gate()

        async def handle(batch: MessageBatch) -> None:
            await gate.wait()
            if batch.messages[0].attempts == 1:
                batch.retry_all()

        seen = consume(queues, WORK, handle, max_batch_size=1, max_concurrency=1)
        await queues[WORK].send_batch(requests("flying", "ready"))
        async with queues.running():
            await clock.advance(0)
            assert await queues[WORK].purge() == 1
            gate.open()
            await clock.advance(0)

        assert seen.bodies == ["flying", "flying"]

    async def test_purge_of_an_empty_queue_deletes_none(self, queues: Queues) -> None:
        """And is no error."""
        await queues.create(WORK)

        assert await queues[WORK].purge() == 0

    async def test_message_sent_after_a_purge_is_delivered(self, queues: Queues) -> None:
        """A purge has no effect on what comes later."""
        await queues[WORK].send("old")
        await queues[WORK].purge()
        await queues[WORK].send("new")

        assert [one.body for one in (await queues[WORK].pull()).messages] == ["new"]

    # Peeking.

    async def test_peek_shows_without_touching(self, queues: Queues, clock: VirtualClock) -> None:
        """No lease, no attempt, again and again."""
        sent = await queues[WORK].send({"a": 1})

        for _ in range(5):
            (peeked,) = await queues[WORK].peek()
            assert (peeked.id, peeked.body, peeked.content_type) == (sent.id, {"a": 1}, "json")
            assert (peeked.timestamp, peeked.attempts, peeked.in_flight) == (clock.now(), 0, False)
            assert peeked.available_at == clock.now()

        assert [one.attempts for one in (await queues[WORK].pull()).messages] == [1]

    async def test_peek_shows_ready_messages_before_delayed_ones(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """In the order in which they will come, with the moment at which they will."""
        await queues[WORK].send("later", delay_seconds=60)
        await queues[WORK].send("soon", delay_seconds=30)
        await queues[WORK].send_batch(requests("first", "second"))

        peeked = await queues[WORK].peek()

        assert [one.body for one in peeked] == ["first", "second", "soon", "later"]
        assert [(one.available_at - clock.now()).total_seconds() for one in peeked] == [0, 0, 30, 60]

    async def test_peek_shows_what_is_in_flight(self, queues: Queues, clock: VirtualClock) -> None:
        """With its deliveries so far, until its lease ends."""
        await queues[WORK].send("a")
        await queues[WORK].pull(visibility_timeout_ms=10_000)

        (held,) = await queues[WORK].peek()
        await clock.advance(10)
        (free,) = await queues[WORK].peek()

        assert (held.in_flight, held.attempts) == (True, 1)
        assert (free.in_flight, free.attempts) == (False, 1)

    async def test_peek_shows_as_many_as_asked_for(self, queues: Queues) -> None:
        """Ten by default, a hundred at most."""
        for start in (0, 100):
            await queues[WORK].send_batch(requests(*range(start, start + 100)))

        assert [one.body for one in await queues[WORK].peek()] == list(range(10))
        assert len(await queues[WORK].peek(batch_size=1)) == 1
        assert len(await queues[WORK].peek(batch_size=100)) == 100
        for size in (0, 101):
            with pytest.raises(ConfigurationError, match=f"batch_size is {size}"):
                await queues[WORK].peek(batch_size=size)

    async def test_peek_works_while_paused(self, queues: Queues) -> None:
        """It delivers nothing, so a pause does not matter."""
        await queues[WORK].send("a")
        await queues[WORK].pause()

        assert [one.body for one in await queues[WORK].peek()] == ["a"]

    # Counting.

    async def test_metrics_count_everything_unacknowledged(self, queues: Queues, clock: VirtualClock) -> None:
        """Ready, delayed and in flight, in messages and bytes; the oldest tells since when."""
        oldest = clock.now()
        await queues[WORK].send("flying")
        await queues[WORK].pull(visibility_timeout_ms=600_000)
        await clock.advance(60)
        await queues[WORK].send("ready")
        await queues[WORK].send("delayed", delay_seconds=60)

        metrics = await queues[WORK].metrics()
        info = await queues.info(WORK)

        assert metrics.backlog_count == 3
        assert metrics.backlog_bytes == len('"flying"' + '"ready"' + '"delayed"')
        assert metrics.oldest_message_timestamp == oldest
        assert (info.ready, info.delayed, info.in_flight) == (1, 1, 1)
        assert (info.backlog.messages, info.backlog.bytes) == (3, metrics.backlog_bytes)

    async def test_metrics_of_an_empty_queue_are_zero(self, queues: Queues, clock: VirtualClock) -> None:
        """Also after messages came and went, in every way there is."""
        consume(queues, WORK, lambda batch: batch.messages[0].ack(), max_batch_size=2)
        await queues[WORK].send_batch(requests("a", "b"))
        async with queues.running():
            await clock.advance(0)

        metrics = await queues[WORK].metrics()
        info = await queues.info(WORK)

        assert (metrics.backlog_count, metrics.backlog_bytes, metrics.oldest_message_timestamp) == (
            0,
            0,
            None,
        )
        assert (info.ready, info.delayed, info.in_flight) == (0, 0, 0)

    async def test_info_follows_messages_through_their_states(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """Delayed, ready, in flight, ready again when the lease ends, gone."""

        async def states() -> tuple[int, int, int]:
            info = await queues.info(WORK)
            return info.delayed, info.ready, info.in_flight

        await queues[WORK].send("a", delay_seconds=10)
        assert await states() == (1, 0, 0)
        await clock.advance(10)
        assert await states() == (0, 1, 0)
        await queues[WORK].pull(visibility_timeout_ms=10_000)
        assert await states() == (0, 0, 1)
        await clock.advance(10)
        assert await states() == (0, 1, 0)
        (held,) = (await queues[WORK].pull()).messages
        assert await states() == (0, 0, 1)
        await queues[WORK].settle(retries=[{"lease_id": held.lease_id, "delay_seconds": 10}])
        assert await states() == (1, 0, 0)
        await clock.advance(10)
        (held,) = (await queues[WORK].pull()).messages
        await queues[WORK].settle(acks=[held.lease_id])
        assert await states() == (0, 0, 0)

    async def test_info_tells_ended_leases_from_delays(self, queues: Queues, clock: VirtualClock) -> None:
        """A message whose lease ended is ready, one that is delayed is not in flight."""
        await queues[WORK].send("ended")
        await queues[WORK].pull(visibility_timeout_ms=1_000)
        await queues[WORK].send("held")
        await queues[WORK].pull(visibility_timeout_ms=600_000)
        await queues[WORK].send_batch(requests("later", "much later"), delay_seconds=60)
        await clock.advance(1)

        info = await queues.info(WORK)

        assert (info.ready, info.delayed, info.in_flight) == (1, 2, 1)

    # Making and removing.

    async def test_queues_are_listed_by_name(self, queues: Queues) -> None:
        """Sorted; `create` tells whether a queue is new."""
        assert await queues.create("b")
        assert await queues.create("a")
        assert not await queues.create("b")

        assert list(await queues.names()) == ["a", "b"]

    async def test_queue_keeps_its_settings(self, queues: Queues) -> None:
        """Creating it again without settings leaves them, with settings changes them."""
        first, second = QueueOptions(delivery_delay=7), QueueOptions(message_retention_period=60)
        await queues.create(WORK, first)
        await queues.create(WORK)
        assert (await queues.info(WORK)).options == first

        await queues.create(WORK, second)
        assert (await queues.info(WORK)).options == second
        await queues[WORK].configure(first)
        assert (await queues.info(WORK)).options == first

    async def test_changed_settings_hold_for_the_next_message(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """Those that were sent before keep their delay."""
        seen = consume(queues, WORK)
        await queues.create(WORK, QueueOptions(delivery_delay=10))
        async with queues.running():
            await queues[WORK].send("before")
            await queues[WORK].configure(QueueOptions(delivery_delay=2))
            await queues[WORK].send("after")
            await clock.advance(20)

        assert (seen.bodies, seen.times) == (["after", "before"], [2, 10])

    async def test_removed_queue_is_gone_with_its_messages(self, queues: Queues) -> None:
        """A new one of the same name is empty."""
        await queues.create(WORK, QueueOptions(delivery_delay=7))
        await queues[WORK].send_batch(requests("a", "b"), delay_seconds=0)
        await queues[WORK].pull(batch_size=1)
        await queues[OTHER].send("x")

        await queues.delete(WORK)

        assert list(await queues.names()) == [OTHER]
        await queues.create(WORK)
        assert (await queues[WORK].metrics()).backlog_count == 0
        assert (await queues[WORK].pull()).messages == []
        assert (await queues.info(WORK)).options == QueueOptions()

    async def test_unknown_queue_cannot_be_removed_or_looked_at(self, connect: Connect) -> None:
        """The errors name it and list the others."""
        queues = await connect(create_queues=False)
        await queues.create(OTHER)

        for attempt in (
            queues.delete(WORK),
            queues.info(WORK),
            queues[WORK].metrics(),
            queues[WORK].peek(),
            queues[WORK].purge(),
            queues[WORK].pause(),
            queues[WORK].pull(),
        ):
            with pytest.raises(QueueNotFound, match=f'"{WORK}" does not exist.*{OTHER}'):
                await attempt
        assert list(await queues.names()) == [OTHER]
