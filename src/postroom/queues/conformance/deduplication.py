"""Deduplication: an extension. A message whose id is known is not stored again while its window lasts."""

import asyncio

import pytest

from postroom.queues import ConfigurationError, QueueOptions, Queues, UnsupportedCapability
from postroom.queues.conformance.recorder import OTHER, WORK, Connect, consume, require
from postroom.queues.testing import VirtualClock

WINDOW = 300
"""Seconds; the default."""


class Deduplication:
    """See the module."""

    async def test_known_id_is_not_stored_again(self, queues: Queues) -> None:
        """The answer is that of the first message, marked."""
        require(queues, "deduplication")
        first = await queues[WORK].send("first", deduplication_id="k")
        second = await queues[WORK].send("second", deduplication_id="k")

        assert (first.duplicate, second.duplicate) == (False, True)
        assert second.id == first.id
        assert [one.body for one in await queues[WORK].peek()] == ["first"]
        assert (await queues[WORK].metrics()).backlog_count == 1

    async def test_other_ids_and_none_are_stored(self, queues: Queues) -> None:
        """Only equal ids are duplicates; without one nothing is."""
        require(queues, "deduplication")
        sent = [await queues[WORK].send("same", deduplication_id=key) for key in ("k", "K", "k ", None, None)]

        assert [one.duplicate for one in sent] == [False] * 5
        assert (await queues[WORK].metrics()).backlog_count == 5

    async def test_queues_do_not_share_their_ids(self, queues: Queues) -> None:
        """The same id may be sent to each."""
        require(queues, "deduplication")
        await queues[WORK].send("a", deduplication_id="k")

        assert not (await queues[OTHER].send("a", deduplication_id="k")).duplicate

    async def test_id_is_known_while_its_window_lasts(self, queues: Queues, clock: VirtualClock) -> None:
        """Five minutes from the first message, to the microsecond; a duplicate does not make it longer."""
        require(queues, "deduplication")
        await queues[WORK].send("a", deduplication_id="k")
        await clock.advance(WINDOW / 2)
        assert (await queues[WORK].send("b", deduplication_id="k")).duplicate

        await clock.advance(WINDOW / 2 - 0.000001)
        assert (await queues[WORK].send("c", deduplication_id="k")).duplicate
        await clock.advance(0.000001)
        assert not (await queues[WORK].send("d", deduplication_id="k")).duplicate
        assert (await queues[WORK].send("e", deduplication_id="k")).duplicate

        assert [one.body for one in await queues[WORK].peek()] == ["a", "d"]

    async def test_window_is_the_queues(self, queues: Queues, clock: VirtualClock) -> None:
        """As its settings say."""
        require(queues, "deduplication")
        await queues.create(WORK, QueueOptions(deduplication_window=10))
        await queues[WORK].send("a", deduplication_id="k")

        await clock.advance(9.999)
        assert (await queues[WORK].send("a", deduplication_id="k")).duplicate
        await clock.advance(0.001)
        assert not (await queues[WORK].send("a", deduplication_id="k")).duplicate

    async def test_id_outlives_its_message(self, queues: Queues, clock: VirtualClock) -> None:
        """A message that was handled quickly is a duplicate all the same."""
        require(queues, "deduplication")
        seen = consume(queues, WORK)
        async with queues.running():
            first = await queues[WORK].send("a", deduplication_id="k")
            await clock.advance(0)
            second = await queues[WORK].send("a", deduplication_id="k")
            await clock.advance(WINDOW)

        assert (second.duplicate, second.id) == (True, first.id)
        assert seen.bodies == ["a"]

    async def test_duplicates_within_a_batch_are_found(self, queues: Queues) -> None:
        """Each result says so for itself."""
        require(queues, "deduplication")
        await queues[WORK].send("known", deduplication_id="a")

        sent = await queues[WORK].send_batch(
            [{"body": number, "deduplication_id": key} for number, key in enumerate(("a", "b", "b", None))]
        )

        assert [one.duplicate for one in sent] == [True, False, True, False]
        assert sent[2].id == sent[1].id
        assert [one.body for one in await queues[WORK].peek()] == ["known", 1, 3]

    async def test_one_of_many_at_once_is_stored(self, queues: Queues) -> None:
        """Concurrent senders of one id all learn the same message."""
        require(queues, "deduplication")

        sent = await asyncio.gather(*(queues[WORK].send(n, deduplication_id="k") for n in range(20)))

        assert sorted(one.duplicate for one in sent) == [False] + [True] * 19
        assert len({one.id for one in sent}) == 1
        assert (await queues[WORK].metrics()).backlog_count == 1

    async def test_ids_survive_a_restart(self, connect: Connect) -> None:
        """Where messages do."""
        queues = await connect()
        require(queues, "deduplication", "durable")
        first = await queues[WORK].send("a", deduplication_id="k")
        await queues.close()

        again = await (await connect())[WORK].send("a", deduplication_id="k")

        assert (again.duplicate, again.id) == (True, first.id)

    @pytest.mark.parametrize("key", ["", "k" * 129, 5, b"k"], ids=["empty", "129 characters", "int", "bytes"])
    async def test_id_out_of_range_is_refused(self, queues: Queues, key: str) -> None:
        """1 to 128 characters."""
        require(queues, "deduplication")
        await queues[WORK].send("a", deduplication_id="k" * 128)

        with pytest.raises(ConfigurationError, match="1 to 128 characters") as caught:
            await queues[WORK].send("a", deduplication_id=key)

        assert caught.value.key == "deduplication_id"

    async def test_id_is_refused_where_it_would_do_nothing(self, queues: Queues) -> None:
        """A broker that cannot deduplicate says so."""
        if queues.capabilities.deduplication:
            pytest.skip("the broker deduplicates")

        with pytest.raises(UnsupportedCapability):
            await queues[WORK].send("a", deduplication_id="k")
