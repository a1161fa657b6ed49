"""Redriving: an extension. Dead letters go back to where they came from, chosen and counted beforehand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from postroom.queues import (
    ConfigurationError,
    Filter,
    MessageBatch,
    QueueNotFound,
    QueueOptions,
    Queues,
    Redriven,
)
from postroom.queues.conformance.recorder import (
    DEAD,
    OTHER,
    WORK,
    clock_of,
    consume,
    fail,
    heard,
    requests,
    require,
)
from postroom.queues.events import MessagesRedriven
from postroom.queues.testing import VirtualClock


async def bury(queues: Queues, *bodies: object, queue: str = WORK) -> list[str]:
    """Let messages fail on a queue; their ids."""
    known = {consumer.options.queue for consumer in queues.consumers}
    if queue not in known:
        consume(queues, queue, fail, max_retries=1, dead_letter_queue=DEAD)
    sent = await queues[queue].send_batch(requests(*bodies))
    async with queues.running():
        await clock_of(queues).advance(0)
    return [one.id for one in sent]


@asynccontextmanager
async def redriving(queues: Queues, rate: float) -> AsyncIterator[asyncio.Task[Redriven]]:
    """A redrive that goes on while the block advances the clock, and is over at its end."""
    task = asyncio.create_task(queues[DEAD].redrive(rate=rate))
    yield task
    await clock_of(queues).advance(600)
    await task


async def bodies_in(queues: Queues, queue: str) -> list[object]:
    """What lies in a queue."""
    return [one.body for one in await queues[queue].peek(batch_size=100)]


class Redriving:
    """See the module."""

    async def test_dead_letters_go_back(self, queues: Queues) -> None:
        """With their ids and bodies, from attempt 1, and ready at once."""
        require(queues, "redrive")
        ids = await bury(queues, "a", "b")
        redriven = heard(queues, MessagesRedriven)

        done = await queues[DEAD].redrive()

        assert (done.matched, done.moved, done.unroutable, done.targets) == (2, 2, 0, {WORK: 2})
        assert [(one.queue, one.count) for one in redriven] == [(DEAD, 2)]
        assert (await queues[DEAD].metrics()).backlog_count == 0
        pulled = (await queues[WORK].pull()).messages
        assert [(one.id, one.body, one.attempts) for one in pulled] == [(ids[0], "a", 1), (ids[1], "b", 1)]

    async def test_waiting_consumer_gets_them(self, queues: Queues, clock: VirtualClock) -> None:
        """Without anything else happening to its queue."""
        require(queues, "redrive")
        await bury(queues, "a")
        seen = consume(queues, OTHER)
        async with queues.running():
            await clock.advance(1)
            await queues[DEAD].redrive(to=OTHER)
            await clock.advance(0)

        assert seen.bodies == ["a"]

    async def test_history_stays_with_a_message_that_fails_again(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """Each failure is told, the oldest first."""
        require(queues, "redrive", "dead_letter_reason")
        await bury(queues, "a")
        for _ in range(2):
            await clock.advance(100)
            await queues[DEAD].redrive()
            async with queues.running():
                await clock.advance(0)

        (dead,) = await queues[DEAD].peek()
        assert dead.dead_lettered is not None
        times = [one.at_us for one in (*dead.dead_lettered.earlier, dead.dead_lettered)]
        assert [later - earlier for earlier, later in pairwise(times)] == [100_000_000] * 2

    async def test_dry_run_moves_nothing(self, queues: Queues) -> None:
        """And tells what would."""
        require(queues, "redrive")
        await bury(queues, "a", "b")
        await bury(queues, "c", queue=OTHER)
        redriven = heard(queues, MessagesRedriven)

        would = await queues[DEAD].redrive(dry_run=True)

        assert (would.matched, would.moved, would.targets) == (3, 0, {WORK: 2, OTHER: 1})
        assert (await queues[DEAD].metrics()).backlog_count == 3
        assert redriven == []

    async def test_filter_chooses(self, queues: Queues, clock: VirtualClock) -> None:
        """By queue, by reason, by moment, by id; every condition that is given must hold."""
        require(queues, "redrive", "dead_letter_reason")
        ids = await bury(queues, "a", "b")
        await clock.advance(60)
        noon = clock.now()
        await bury(queues, "c", queue=OTHER)

        async def matched(**conditions: Any) -> int:
            return (await queues[DEAD].redrive(matching=Filter(**conditions), dry_run=True)).matched

        assert await matched() == 3
        assert await matched(queue=WORK) == 2
        assert await matched(queue="elsewhere") == 0
        assert await matched(reason="FAILURE") == 3
        assert await matched(reason="timeout") == 0
        assert await matched(dead_since=noon) == 1
        assert await matched(dead_before=noon) == 2
        assert await matched(dead_since=noon, dead_before=noon) == 0
        assert await matched(dead_since=noon - timedelta(seconds=60)) == 3
        assert await matched(ids=frozenset({ids[1]})) == 1
        assert await matched(ids=frozenset({ids[1]}), queue=OTHER) == 0

    async def test_filter_finds_the_code_of_the_failure(self, queues: Queues, clock: VirtualClock) -> None:
        """Told in the details, by itself or with the last attempt; the codes of earlier attempts are not why it died."""
        require(queues, "redrive", "dead_letter_reason")
        told: list[Any] = [
            {"code": "550 5.1.1"},
            {"attempts": [{"code": "421"}, {"code": "E552"}]},
            {"attempts": []},
            {"attempts": "many", "code": ["550"]},
        ]

        def handle(batch: MessageBatch) -> None:
            for message in batch.messages:
                message.dead_letter("refused", details=told[message.body])

        consume(queues, WORK, handle, dead_letter_queue=DEAD)
        sent = await queues[WORK].send_batch(requests(*range(len(told))))
        async with queues.running():
            await clock.advance(0)

        async def matched(reason: str) -> int:
            return (await queues[DEAD].redrive(matching=Filter(reason=reason), dry_run=True)).matched

        assert [await matched(part) for part in ("550", "5.1", "e55", "421", "refused")] == [1, 1, 1, 0, 4]
        await queues[DEAD].redrive(matching=Filter(reason="550"))
        assert [one.id for one in await queues[WORK].peek()] == [sent[0].id]

    async def test_interrupted_redrive_tells_what_it_moved(self, queues: Queues, clock: VirtualClock) -> None:
        """To its caller while it goes on, and as an event."""
        require(queues, "redrive")
        await bury(queues, "a", "b", "c")
        redriven, told = heard(queues, MessagesRedriven), list[int]()
        task = asyncio.create_task(queues[DEAD].redrive(rate=1, progress=told.append))
        await clock.advance(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        left = await bodies_in(queues, DEAD)
        assert 0 < len(left) < 3
        assert told[-1] == 3 - len(left)
        assert [one.count for one in redriven] == [3 - len(left)]
        assert task.cancelled()

    async def test_only_what_matches_moves(self, queues: Queues) -> None:
        """The rest stays where it is."""
        require(queues, "redrive")
        ids = await bury(queues, "a", "b", "c")

        done = await queues[DEAD].redrive(matching=Filter(ids=frozenset({ids[1]})))

        assert (done.matched, done.moved) == (1, 1)
        assert await bodies_in(queues, WORK) == ["b"]
        assert await bodies_in(queues, DEAD) == ["a", "c"]

    async def test_target_may_be_another_queue(self, queues: Queues) -> None:
        """`to` goes before the origin; its delivery delay applies."""
        require(queues, "redrive")
        await queues.create(OTHER, QueueOptions(delivery_delay=30))
        await bury(queues, "a")

        done = await queues[DEAD].redrive(to=OTHER)

        assert done.targets == {OTHER: 1}
        assert (await queues[OTHER].pull()).messages == []
        await clock_of(queues).advance(30)
        assert [one.body for one in (await queues[OTHER].pull()).messages] == ["a"]

    async def test_message_without_origin_needs_a_target(self, queues: Queues) -> None:
        """What was sent to the queue directly is counted as unroutable and left there."""
        require(queues, "redrive")
        await bury(queues, "a")
        await queues[DEAD].send("direct")

        done = await queues[DEAD].redrive()

        assert (done.matched, done.moved, done.unroutable) == (2, 1, 1)
        assert await bodies_in(queues, DEAD) == ["direct"]
        assert (await queues[DEAD].redrive(to=WORK)).moved == 1

    async def test_target_that_is_missing_is_refused(self, queues: Queues) -> None:
        """Before anything moves; so is the queue itself."""
        require(queues, "redrive")
        await bury(queues, "a")

        with pytest.raises(ConfigurationError) as caught:
            await queues[DEAD].redrive(to=DEAD)

        assert caught.value.key == "to"
        assert (await queues[DEAD].metrics()).backlog_count == 1

    async def test_origin_that_was_removed_loses_nothing(self, queues: Queues) -> None:
        """The letters stay, or go to a queue that is made anew; they are somewhere."""
        require(queues, "redrive")
        await bury(queues, "a", "b")
        await queues.delete(WORK)

        try:
            await queues[DEAD].redrive()
        except QueueNotFound as error:
            assert error.name == WORK  # noqa: PT017  (both answers are allowed)

        names = await queues.names()
        assert sum([len(await bodies_in(queues, name)) for name in names]) == 2

    async def test_message_that_somebody_holds_stays(self, queues: Queues) -> None:
        """A puller of the dead-letter queue keeps what it leased."""
        require(queues, "redrive")
        await bury(queues, "a", "b")
        (held,) = (await queues[DEAD].pull(batch_size=1)).messages

        done = await queues[DEAD].redrive()

        assert done.moved == 1
        assert (await queues[DEAD].settle(acks=[held.lease_id])).warnings == {}
        assert (await queues[DEAD].metrics()).backlog_count == 0

    async def test_message_that_fails_again_is_not_moved_twice(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """A slow redrive leaves alone what comes back while it runs."""
        require(queues, "redrive")
        await bury(queues, *range(6))
        moved = heard(queues, MessagesRedriven)

        async with queues.running(), redriving(queues, rate=1) as done:
            await clock.advance(60)
            assert (done.result().matched, done.result().moved) == (6, 6)

        assert [one.count for one in moved] == [6]
        assert sorted(await bodies_in(queues, DEAD), key=str) == list(range(6))

    async def test_rate_spreads_them(self, queues: Queues, clock: VirtualClock) -> None:
        """Two a second here."""
        require(queues, "redrive")
        await bury(queues, *range(6))
        counts = []

        async with redriving(queues, rate=2):
            for _ in range(4):
                await clock.advance(0)
                counts.append((await queues[WORK].metrics()).backlog_count)
                await clock.advance(1)

        assert counts == [2, 4, 6, 6]

    @pytest.mark.parametrize("rate", [0, -1, float("nan")])
    async def test_rate_out_of_range_is_refused(self, queues: Queues, rate: float) -> None:
        """It is more than none."""
        require(queues, "redrive")
        await queues.create(DEAD)

        with pytest.raises(ConfigurationError) as caught:
            await queues[DEAD].redrive(rate=rate)

        assert caught.value.key == "rate"

    async def test_many_are_moved_page_by_page(self, queues: Queues) -> None:
        """Each once, none left."""
        require(queues, "redrive")
        for start in range(0, 250, 50):
            await bury(queues, *range(start, start + 50))

        done = await queues[DEAD].redrive()

        assert (done.matched, done.moved) == (250, 250)
        assert (await queues[DEAD].metrics()).backlog_count == 0
        assert (await queues[WORK].metrics()).backlog_count == 250
