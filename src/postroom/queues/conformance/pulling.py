"""Pulling: leases by hand, settled by their ids.

https://developers.cloudflare.com/queues/configuration/pull-consumers/
"""

import asyncio
import re

import pytest

from postroom.queues import ConfigurationError, QueuePaused, Queues, QueuesConfig, Retry
from postroom.queues.conformance.recorder import DEAD, WORK, Connect, heard, requests, require
from postroom.queues.events import MessageDeadLettered, MessageDropped
from postroom.queues.options import ConsumerOptions
from postroom.queues.testing import VirtualClock


async def connect_pulling(connect: Connect, **options: object) -> Queues:
    """Queues whose consumer of the queue has these settings."""
    settings = ConsumerOptions(queue=WORK).merged(options)
    return await connect(config=QueuesConfig(consumers={WORK: settings}))


class Pulling:
    """See the module."""

    async def test_empty_queue_answers_at_once(self, queues: Queues) -> None:
        """With an empty list: there is no long poll."""
        pulled = await queues[WORK].pull()

        assert (pulled.messages, pulled.message_backlog_count) == ([], 0)

    async def test_pull_takes_five_unless_told_otherwise(self, queues: Queues) -> None:
        """Cloudflare's default; the backlog counts those that were taken too."""
        await queues[WORK].send_batch(requests(*range(8)))

        pulled = await queues[WORK].pull()

        assert [one.body for one in pulled.messages] == [0, 1, 2, 3, 4]
        assert pulled.message_backlog_count == 8

    async def test_pull_takes_at_most_what_is_asked_for(self, queues: Queues) -> None:
        """From one message to a hundred."""
        for start in (0, 100):
            await queues[WORK].send_batch(requests(*range(start, start + 100)))

        assert len((await queues[WORK].pull(batch_size=1)).messages) == 1
        assert len((await queues[WORK].pull(batch_size=100)).messages) == 100

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("batch_size", 0),
            ("batch_size", 101),
            ("batch_size", 2.5),
            ("visibility_timeout_ms", 0),
            ("visibility_timeout_ms", 43_200_001),
            ("visibility_timeout_ms", -1),
        ],
    )
    async def test_setting_out_of_range_is_refused(self, queues: Queues, key: str, value: int) -> None:
        """The error names the key and the value."""
        with pytest.raises(ConfigurationError, match=re.escape(f"{key} is {value}")) as caught:
            await queues[WORK].pull(**{key: value})

        assert caught.value.key == key

    async def test_acknowledged_message_is_gone(self, queues: Queues, clock: VirtualClock) -> None:
        """It does not come again when its lease ends."""
        await queues[WORK].send_batch(requests("a", "b"))
        first, _ = (await queues[WORK].pull()).messages

        settled = await queues[WORK].settle(acks=[first.lease_id])
        await clock.advance(3600)

        assert (settled.ack_count, settled.retry_count, settled.warnings) == (1, 0, {})
        assert [one.body for one in (await queues[WORK].pull()).messages] == ["b"]

    async def test_leases_are_exclusive(self, queues: Queues) -> None:
        """Pullers at the same moment get different messages, and together all of them."""
        await queues[WORK].send_batch(requests(*range(100)))

        pulls = await asyncio.gather(*(queues[WORK].pull(batch_size=30) for _ in range(5)))

        bodies = [one.body for pulled in pulls for one in pulled.messages]
        assert sorted(bodies) == list(range(100))
        assert len({one.lease_id for pulled in pulls for one in pulled.messages}) == 100

    async def test_lease_that_ends_counts_as_a_delivery(self, queues: Queues, clock: VirtualClock) -> None:
        """The message is there again at that moment, not before, with one attempt more and another lease."""
        await queues[WORK].send("a")
        (first,) = (await queues[WORK].pull(visibility_timeout_ms=10_000)).messages

        await clock.advance(9.999)
        assert (await queues[WORK].pull()).messages == []
        await clock.advance(0.001)
        (second,) = (await queues[WORK].pull()).messages

        assert (second.id, second.timestamp, second.attempts) == (first.id, first.timestamp, 2)
        assert second.lease_id != first.lease_id

    async def test_lease_lasts_as_long_as_the_consumer_says(
        self, connect: Connect, clock: VirtualClock
    ) -> None:
        """Unless the pull says otherwise; 30 s if nobody does."""
        queues = await connect_pulling(connect, visibility_timeout_ms=5_000)
        await queues[WORK].send("a")

        await queues[WORK].pull()
        await clock.advance(5)
        assert len((await queues[WORK].pull(visibility_timeout_ms=60_000)).messages) == 1
        await clock.advance(59)
        assert (await queues[WORK].pull()).messages == []

    async def test_retried_message_is_there_at_once(self, queues: Queues) -> None:
        """It does not wait for its lease to end."""
        await queues[WORK].send("a")
        (first,) = (await queues[WORK].pull()).messages

        settled = await queues[WORK].settle(retries=[first.lease_id])

        assert (settled.ack_count, settled.retry_count, settled.warnings) == (0, 1, {})
        assert [one.attempts for one in (await queues[WORK].pull()).messages] == [2]

    @pytest.mark.parametrize(("given", "expected"), [(None, 5), (0, 0), (2, 2), (9, 9)])
    async def test_delay_of_a_retry_goes_before_the_consumers(
        self, connect: Connect, clock: VirtualClock, given: float | None, expected: float
    ) -> None:
        """The consumer's `retry_delay` holds when the retry says nothing."""
        queues = await connect_pulling(connect, retry_delay=5)
        await queues[WORK].send("a")
        (first,) = (await queues[WORK].pull()).messages

        await queues[WORK].settle(retries=[Retry(first.lease_id, given)])

        if expected:
            await clock.advance(expected - 0.001)
            assert (await queues[WORK].pull()).messages == []
            await clock.advance(0.001)
        assert [one.attempts for one in (await queues[WORK].pull()).messages] == [2]

    async def test_one_settlement_may_do_everything(self, queues: Queues) -> None:
        """Acks, retries with and without a delay, as texts, mappings and values."""
        await queues[WORK].send_batch(requests(*"abcd"))
        a, b, c, d = (one.lease_id for one in (await queues[WORK].pull()).messages)

        settled = await queues[WORK].settle(
            acks=[a], retries=[b, {"lease_id": c, "delay_seconds": 60}, Retry(d, 60)]
        )

        assert (settled.ack_count, settled.retry_count, settled.warnings) == (1, 3, {})
        assert [one.body for one in (await queues[WORK].pull()).messages] == ["b"]
        assert (await queues[WORK].metrics()).backlog_count == 3

    async def test_empty_settlement_does_nothing(self, queues: Queues) -> None:
        """All parts are optional."""
        await queues[WORK].send("a")

        settled = await queues[WORK].settle()

        assert (settled.ack_count, settled.retry_count, settled.warnings) == (0, 0, {})

    @pytest.mark.parametrize("lease_id", ["", "nonsense", "!!!", "AAAA", "é"])
    async def test_what_is_no_lease_id_is_refused(self, queues: Queues, lease_id: str) -> None:
        """Before anything is settled."""
        await queues[WORK].send("a")
        (held,) = (await queues[WORK].pull()).messages

        with pytest.raises(ConfigurationError, match="not a lease id"):
            await queues[WORK].settle(acks=[held.lease_id, lease_id])
        with pytest.raises(ConfigurationError, match="not a lease id"):
            await queues[WORK].settle(acks=[held.lease_id], retries=[lease_id])

        assert (await queues[WORK].metrics()).backlog_count == 1

    async def test_delay_out_of_range_settles_nothing(self, queues: Queues) -> None:
        """Also not the acks that stand beside it."""
        await queues[WORK].send_batch(requests("a", "b"))
        first, second = (one.lease_id for one in (await queues[WORK].pull()).messages)

        with pytest.raises(ConfigurationError, match="delay_seconds"):
            await queues[WORK].settle(acks=[first], retries=[Retry(second, -1)])

        assert (await queues[WORK].metrics()).backlog_count == 2

    async def test_lease_id_is_opaque_and_safe_in_urls(self, queues: Queues) -> None:
        """Letters, digits, dash, underscore and dot."""
        await queues[WORK].send("a")
        (held,) = (await queues[WORK].pull()).messages

        assert re.fullmatch(r"[A-Za-z0-9._-]+", held.lease_id)

    # Late.

    async def test_late_ack_counts_with_a_warning(self, queues: Queues, clock: VirtualClock) -> None:
        """Cloudflare is permissive: it deletes the message even when somebody else holds it by now."""
        await queues[WORK].send("a")
        (late,) = (await queues[WORK].pull(visibility_timeout_ms=1_000)).messages
        await clock.advance(1)
        (holder,) = (await queues[WORK].pull()).messages

        settled = await queues[WORK].settle(acks=[late.lease_id])

        assert settled.ack_count == 1
        assert list(settled.warnings) == [late.lease_id]
        assert (await queues[WORK].metrics()).backlog_count == 0
        assert (await queues.info(WORK)).in_flight == 0
        again = await queues[WORK].settle(acks=[holder.lease_id])
        assert (again.ack_count, list(again.warnings)) == (1, [holder.lease_id])

    async def test_ack_after_the_lease_counts_while_nobody_took_the_message(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """It is gone, and was delivered once."""
        await queues[WORK].send("a")
        (late,) = (await queues[WORK].pull(visibility_timeout_ms=1_000)).messages
        await clock.advance(60)

        assert (await queues[WORK].settle(acks=[late.lease_id])).ack_count == 1

        assert (await queues[WORK].pull()).messages == []
        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_second_ack_changes_nothing(self, queues: Queues) -> None:
        """It is counted, with a warning, and takes nobody else's message."""
        await queues[WORK].send_batch(requests("a", "b"))
        first, _ = (one.lease_id for one in (await queues[WORK].pull()).messages)
        await queues[WORK].settle(acks=[first])

        settled = await queues[WORK].settle(acks=[first])

        assert (settled.ack_count, list(settled.warnings)) == (1, [first])
        metrics = await queues[WORK].metrics()
        assert (metrics.backlog_count, metrics.backlog_bytes) == (1, 3)

    async def test_late_retry_changes_nothing(self, queues: Queues, clock: VirtualClock) -> None:
        """Whoever holds the message now keeps it; there is a warning."""
        await queues[WORK].send("a")
        (late,) = (await queues[WORK].pull(visibility_timeout_ms=1_000)).messages
        await clock.advance(1)
        (holder,) = (await queues[WORK].pull()).messages

        settled = await queues[WORK].settle(retries=[late.lease_id])

        assert (settled.retry_count, list(settled.warnings)) == (0, [late.lease_id])
        assert (await queues[WORK].pull()).messages == []
        assert (await queues[WORK].settle(acks=[holder.lease_id])).warnings == {}

    async def test_retry_after_an_ack_changes_nothing(self, queues: Queues) -> None:
        """The message is gone."""
        await queues[WORK].send("a")
        (held,) = (await queues[WORK].pull()).messages
        await queues[WORK].settle(acks=[held.lease_id])

        settled = await queues[WORK].settle(retries=[held.lease_id])

        assert (settled.retry_count, list(settled.warnings)) == (0, [held.lease_id])
        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_message_both_acked_and_retried_is_acked(self, queues: Queues) -> None:
        """In one settlement an ack goes first, as a handler's first call does."""
        await queues[WORK].send("a")
        (held,) = (await queues[WORK].pull()).messages

        settled = await queues[WORK].settle(acks=[held.lease_id], retries=[held.lease_id])

        assert (settled.ack_count, settled.retry_count) == (1, 0)
        assert (await queues[WORK].metrics()).backlog_count == 0

    # Exhausted.

    async def test_last_retry_goes_to_the_dead_letter_queue(self, connect: Connect) -> None:
        """Delivered `max_retries` + 1 times, then moved."""
        queues = await connect_pulling(connect, max_retries=2, dead_letter_queue=DEAD)
        moved = heard(queues, MessageDeadLettered)
        sent = await queues[WORK].send({"a": 1})

        for attempt in (1, 2, 3):
            (held,) = (await queues[WORK].pull()).messages
            assert held.attempts == attempt
            await queues[WORK].settle(retries=[held.lease_id])

        assert (await queues[WORK].metrics()).backlog_count == 0
        assert [(one.id, one.attempts) for one in moved] == [(sent.id, 3)]
        (dead,) = (await queues[DEAD].pull()).messages
        assert (dead.id, dead.body, dead.attempts) == (sent.id, {"a": 1}, 1)

    async def test_last_retry_without_a_dead_letter_queue_drops_the_message(self, connect: Connect) -> None:
        """With an event, and nothing of it is left in the counts."""
        queues = await connect_pulling(connect, max_retries=0)
        dropped = heard(queues, MessageDropped)
        sent = await queues[WORK].send("a")
        (held,) = (await queues[WORK].pull()).messages

        await queues[WORK].settle(retries=[held.lease_id])

        assert [(one.id, one.attempts) for one in dropped] == [(sent.id, 1)]
        metrics = await queues[WORK].metrics()
        assert (metrics.backlog_count, metrics.backlog_bytes) == (0, 0)

    async def test_last_lease_that_ends_goes_to_the_dead_letter_queue(
        self, connect: Connect, clock: VirtualClock
    ) -> None:
        """The pull that finds it moves it and returns what comes after it."""
        queues = await connect_pulling(connect, max_retries=1, dead_letter_queue=DEAD)
        await queues[WORK].send("poison")
        for _ in range(2):
            assert len((await queues[WORK].pull(visibility_timeout_ms=1_000)).messages) == 1
            await clock.advance(1)
        await queues[WORK].send("fine")

        pulled = await queues[WORK].pull(batch_size=1)

        assert [one.body for one in pulled.messages] == ["fine"]
        (dead,) = await queues[DEAD].peek()
        assert dead.body == "poison"
        assert dead.dead_lettered is not None
        assert (dead.dead_lettered.queue, dead.dead_lettered.attempts) == (WORK, 2)

    async def test_puller_may_dead_letter_with_a_reason(self, connect: Connect) -> None:
        """Whatever attempts it has left."""
        queues = await connect_pulling(connect, dead_letter_queue=DEAD)
        require(queues, "dead_letter_reason")
        await queues[WORK].send("a")
        (held,) = (await queues[WORK].pull()).messages

        await queues[WORK].settle(dead_letters={held.lease_id: "no such customer"})

        (dead,) = await queues[DEAD].peek()
        assert dead.dead_lettered is not None
        assert (dead.dead_lettered.reason, dead.dead_lettered.attempts) == ("no such customer", 1)

    async def test_former_failures_survive_a_puller(self, connect: Connect) -> None:
        """A dead letter that is pulled, given back and dies again keeps its history."""
        settings = {
            WORK: ConsumerOptions(queue=WORK, max_retries=0, dead_letter_queue=DEAD),
            DEAD: ConsumerOptions(queue=DEAD, max_retries=0, dead_letter_queue="grave"),
        }
        queues = await connect(config=QueuesConfig(consumers=settings))
        await queues[WORK].send("a")
        for name in (WORK, DEAD):
            (held,) = (await queues[name].pull()).messages
            await queues[name].settle(retries=[held.lease_id])

        (buried,) = await queues["grave"].peek()
        assert buried.dead_lettered is not None
        assert [one.queue for one in buried.dead_lettered.earlier] == [WORK]

    # Longer leases.

    async def test_lease_may_be_made_longer_and_shorter(self, queues: Queues, clock: VirtualClock) -> None:
        """It ends so many seconds from now."""
        require(queues, "extend")
        await queues[WORK].send_batch(requests("longer", "shorter"))
        longer, shorter = (await queues[WORK].pull(visibility_timeout_ms=30_000)).messages

        assert await queues[WORK].extend(longer.lease_id, 100)
        assert await queues[WORK].extend(shorter.lease_id, 5)

        await clock.advance(5)
        assert [one.body for one in (await queues[WORK].pull(visibility_timeout_ms=3_600_000)).messages] == [
            "shorter"
        ]
        await clock.advance(94.999)
        assert (await queues[WORK].pull()).messages == []
        await clock.advance(0.001)
        assert [one.body for one in (await queues[WORK].pull()).messages] == ["longer"]

    async def test_lost_lease_cannot_be_made_longer(self, queues: Queues, clock: VirtualClock) -> None:
        """`extend` answers False when somebody else has the message, or nobody has."""
        require(queues, "extend")
        await queues[WORK].send("a")
        (late,) = (await queues[WORK].pull(visibility_timeout_ms=1_000)).messages
        await clock.advance(1)
        (holder,) = (await queues[WORK].pull()).messages

        assert not await queues[WORK].extend(late.lease_id, 100)
        await queues[WORK].settle(acks=[holder.lease_id])
        assert not await queues[WORK].extend(holder.lease_id, 100)

    # Paused.

    async def test_paused_queue_cannot_be_pulled_from(self, queues: Queues) -> None:
        """An error of its own, so that a puller can tell it from an empty queue."""
        await queues[WORK].send("a")
        await queues[WORK].pause()

        with pytest.raises(QueuePaused) as caught:
            await queues[WORK].pull()

        assert caught.value.name == WORK
        await queues[WORK].resume()
        assert len((await queues[WORK].pull()).messages) == 1

    async def test_held_message_can_be_settled_while_paused(self, queues: Queues) -> None:
        """A pause stops delivery, not what is in flight."""
        await queues[WORK].send_batch(requests("a", "b"))
        first, second = (one.lease_id for one in (await queues[WORK].pull()).messages)
        await queues[WORK].pause()

        settled = await queues[WORK].settle(acks=[first], retries=[second])

        assert (settled.ack_count, settled.retry_count, settled.warnings) == (1, 1, {})
        assert (await queues[WORK].metrics()).backlog_count == 1
