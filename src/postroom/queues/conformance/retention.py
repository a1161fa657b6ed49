"""Retention: a message that grew too old is deleted, whatever state it is in, unless somebody holds it."""

import pytest

from postroom.queues import QueueOptions, Queues
from postroom.queues.conformance.recorder import DEAD, WORK, consume, fail, heard, requests
from postroom.queues.events import MessagesExpired
from postroom.queues.testing import VirtualClock

MINUTE = QueueOptions(message_retention_period=60)
"""The shortest period there is."""
NOTICED = 10
"""Seconds within which a broker has to notice what is too old, for its counts and events; it may never deliver it."""


class Retention:
    """See the module."""

    async def test_message_is_deliverable_until_its_age_is_the_period(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """The last microsecond counts."""
        await queues.create(WORK, MINUTE)
        await queues[WORK].send("a")

        await clock.advance(59.999999)

        assert len((await queues[WORK].pull()).messages) == 1

    async def test_message_whose_age_is_the_period_is_not_delivered(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """The boundary belongs to the deleted."""
        await queues.create(WORK, MINUTE)
        expired = heard(queues, MessagesExpired)
        await queues[WORK].send("a")

        await clock.advance(60)

        assert (await queues[WORK].pull()).messages == []
        assert [(one.queue, one.count) for one in expired] == [(WORK, 1)]
        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_only_the_old_ones_are_deleted(self, queues: Queues, clock: VirtualClock) -> None:
        """Younger neighbours stay."""
        await queues.create(WORK, MINUTE)
        await queues[WORK].send("old")
        await clock.advance(30)
        await queues[WORK].send("young")
        await clock.advance(30)

        assert [one.body for one in (await queues[WORK].pull()).messages] == ["young"]

    @pytest.mark.parametrize("how", ["handled", "pulled"])
    async def test_message_behind_many_old_ones_is_delivered(
        self, queues: Queues, clock: VirtualClock, how: str
    ) -> None:
        """Its consumers were away for long: thousands expired, and the one that did not comes at once."""
        await queues.create(WORK, MINUTE)
        seen = consume(queues, WORK)
        for _ in range(25):
            await queues[WORK].send_batch(requests(*range(100)))
        await clock.advance(30)
        await queues[WORK].send("young")
        await clock.advance(30)

        if how == "pulled":
            assert [one.body for one in (await queues[WORK].pull()).messages] == ["young"]
            return
        async with queues.running():
            await clock.advance(0)

        assert seen.bodies == ["young"]

    async def test_counts_forget_what_expired(self, queues: Queues, clock: VirtualClock) -> None:
        """Count, bytes and what `peek` shows, without anybody pulling."""
        await queues.create(WORK, MINUTE)
        await queues[WORK].send_batch(requests("a", "b"))
        await clock.advance(30)
        await queues[WORK].send("c")

        await clock.advance(30 + NOTICED)

        metrics = await queues[WORK].metrics()
        assert (metrics.backlog_count, metrics.backlog_bytes) == (1, 3)
        assert [one.body for one in await queues[WORK].peek()] == ["c"]
        info = await queues.info(WORK)
        assert (info.ready, info.delayed, info.in_flight) == (1, 0, 0)

    async def test_expiry_goes_on_after_the_queue_was_empty(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """Again and again, with the queue emptied in between."""
        await queues.create(WORK, MINUTE)
        for body in range(3):
            await queues[WORK].send(body, delay_seconds=3600)
            await clock.advance(60 + NOTICED)

            assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_delayed_message_expires_too(self, queues: Queues, clock: VirtualClock) -> None:
        """Its age counts from when it was sent, so a delay longer than the period never ends."""
        await queues.create(WORK, MINUTE)
        seen = consume(queues, WORK)
        expired = heard(queues, MessagesExpired)
        await queues[WORK].send("a", delay_seconds=120)

        async with queues.running():
            await clock.advance(60 + NOTICED)
            assert (await queues[WORK].metrics()).backlog_count == 0
            await clock.advance(120)

        assert seen.deliveries == []
        assert sum(one.count for one in expired) == 1

    async def test_paused_queue_expires_too(self, queues: Queues, clock: VirtualClock) -> None:
        """A pause does not stop age."""
        await queues.create(WORK, MINUTE)
        await queues[WORK].send("a")
        await queues[WORK].pause()

        await clock.advance(60 + NOTICED)
        assert (await queues[WORK].metrics()).backlog_count == 0
        await queues[WORK].resume()

        assert (await queues[WORK].pull()).messages == []

    async def test_retry_does_not_make_younger(self, queues: Queues, clock: VirtualClock) -> None:
        """Age counts from when the message came into the queue, however often it is delivered."""
        await queues.create(WORK, MINUTE)
        seen = consume(queues, WORK, fail, max_retries=100, retry_delay=25)

        async with queues.running():
            await queues[WORK].send("a")
            await clock.advance(60 + NOTICED)

        assert seen.times == [0, 25, 50]
        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_held_message_is_left_to_its_holder(self, queues: Queues, clock: VirtualClock) -> None:
        """What is in flight may finish, however old it is."""
        await queues.create(WORK, MINUTE)
        expired = heard(queues, MessagesExpired)
        await queues[WORK].send("a")
        (held,) = (await queues[WORK].pull(visibility_timeout_ms=600_000)).messages

        await clock.advance(120)
        assert (await queues[WORK].metrics()).backlog_count == 1
        settled = await queues[WORK].settle(acks=[held.lease_id])

        assert settled.warnings == {}
        assert expired == []
        assert (await queues[WORK].metrics()).backlog_count == 0

    @pytest.mark.parametrize("how", ["given back", "given back for later", "lease ended"])
    async def test_message_that_grew_old_in_flight_does_not_come_again(
        self, queues: Queues, clock: VirtualClock, how: str
    ) -> None:
        """It is too old as soon as nobody holds it, and leaves the counts although nobody asks for it."""
        await queues.create(WORK, MINUTE)
        await queues[WORK].send("a")
        (held,) = (await queues[WORK].pull(visibility_timeout_ms=100_000)).messages
        await clock.advance(90)
        await queues[WORK].metrics()

        if how == "given back":
            await queues[WORK].settle(retries=[held.lease_id])
        elif how == "given back for later":
            await queues[WORK].settle(retries=[{"lease_id": held.lease_id, "delay_seconds": 3600}])
        await queues[WORK].pause()
        await clock.advance(10 + NOTICED)

        assert (await queues[WORK].metrics()).backlog_count == 0
        await queues[WORK].resume()
        assert (await queues[WORK].pull()).messages == []

    async def test_dead_letter_is_new_in_its_queue(self, queues: Queues, clock: VirtualClock) -> None:
        """It has the whole period of the dead-letter queue before it."""
        await queues.create(WORK, MINUTE)
        await queues.create(DEAD, MINUTE)
        consume(queues, WORK, fail, max_retries=1, retry_delay=50, dead_letter_queue=DEAD)
        async with queues.running():
            await queues[WORK].send("a")
            await clock.advance(50)

        await clock.advance(59)
        assert (await queues[DEAD].metrics()).backlog_count == 1
        await clock.advance(1 + NOTICED)
        assert (await queues[DEAD].metrics()).backlog_count == 0

    async def test_queues_have_periods_of_their_own(self, queues: Queues, clock: VirtualClock) -> None:
        """Four days where nothing was said."""
        await queues.create("short", MINUTE)
        await queues.create("longer", QueueOptions(message_retention_period=3600))
        for name in ("short", "longer", "usual"):
            await queues[name].send(name, delay_seconds=86_400)

        counts = []
        for seconds in (60 + NOTICED, 3600, 4 * 86_400 - 3660 - 2 * NOTICED, NOTICED * 2):
            await clock.advance(seconds)
            counts.append(
                [(await queues[name].metrics()).backlog_count for name in ("short", "longer", "usual")]
            )

        assert counts == [[0, 1, 1], [0, 0, 1], [0, 0, 1], [0, 0, 0]]

    async def test_changed_period_holds_for_what_is_there(self, queues: Queues, clock: VirtualClock) -> None:
        """Also when another queue had that period all along."""
        await queues.create("short", MINUTE)
        await queues[WORK].send("a", delay_seconds=3600)
        await queues["short"].send("b")
        await clock.advance(60 + NOTICED)
        await queues["short"].metrics()

        await queues[WORK].configure(MINUTE)
        await clock.advance(NOTICED)

        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_message_older_than_the_clock_says_expires_too(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """A message that was sent before the clock was set back does not shield those that came after it."""
        await queues.create(WORK, MINUTE)
        await queues[WORK].send("before")
        clock.jump(-1000)
        await queues[WORK].send("after")

        await clock.advance(60 + NOTICED)

        assert (await queues[WORK].pull()).messages == []
