"""Sending inside the caller's transaction: an extension. A message exists when the transaction commits."""

from typing import Any

import pytest

from postroom.queues import MessageTooLarge, Queues, UnsupportedCapability
from postroom.queues.conformance.recorder import WORK, Failure, consume, requests, require
from postroom.queues.testing import VirtualClock


class Transactions:
    """See the module."""

    async def test_committed_message_is_delivered(self, queues: Queues, clock: VirtualClock) -> None:
        """Waiting consumers are woken by the commit."""
        require(queues, "transactional_send")
        seen = consume(queues, WORK)
        async with queues.running():
            await clock.advance(0)

            sent = await queues.transact(
                lambda transaction: queues[WORK].enlist(requests("a", "b"), transaction=transaction)
            )
            await clock.advance(0)

        assert seen.bodies == ["a", "b"]
        assert [message.id for message in seen.messages] == [one.id for one in sent]

    async def test_rolled_back_message_never_existed(self, queues: Queues, clock: VirtualClock) -> None:
        """What the function raises comes out, and nothing was sent."""
        require(queues, "transactional_send")
        seen = consume(queues, WORK)

        def function(transaction: Any) -> None:
            queues[WORK].enlist(requests("a"), transaction=transaction)
            raise Failure

        async with queues.running():
            with pytest.raises(Failure):
                await queues.transact(function)
            await clock.advance(60)

        assert seen.deliveries == []
        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_messages_of_several_queues_come_together(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """All of them or none."""
        require(queues, "transactional_send")

        def function(transaction: Any, fails: bool) -> None:
            for name in ("a", "b"):
                queues[name].enlist([{"body": name, "delay_seconds": 5}], transaction=transaction)
            if fails:
                raise Failure

        with pytest.raises(Failure):
            await queues.transact(lambda transaction: function(transaction, True))
        assert [(await queues[name].metrics()).backlog_count for name in ("a", "b")] == [0, 0]
        await queues.transact(lambda transaction: function(transaction, False))
        assert [(await queues[name].metrics()).backlog_count for name in ("a", "b")] == [1, 1]
        assert (await queues["a"].pull()).messages == []
        await clock.advance(5)
        assert [one.body for one in (await queues["a"].pull()).messages] == ["a"]

    async def test_refused_message_rolls_back_its_transaction(self, queues: Queues) -> None:
        """Unless the function catches the error."""
        require(queues, "transactional_send")

        def function(transaction: Any) -> None:
            queues[WORK].enlist(requests("fine"), transaction=transaction)
            queues[WORK].enlist(requests("x" * 200_000), transaction=transaction)

        with pytest.raises(MessageTooLarge):
            await queues.transact(function)

        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_deduplication_works_inside(self, queues: Queues) -> None:
        """Against what was committed, and an id that was rolled back is not known."""
        require(queues, "transactional_send", "deduplication")

        def function(transaction: Any, fails: bool = False) -> bool:
            (sent,) = queues[WORK].enlist([{"body": 1, "deduplication_id": "k"}], transaction=transaction)
            if fails:
                raise Failure
            return sent.duplicate

        with pytest.raises(Failure):
            await queues.transact(lambda transaction: function(transaction, True))
        assert [await queues.transact(function), await queues.transact(function)] == [False, True]

    async def test_function_returns_its_value(self, queues: Queues) -> None:
        """`transact` is for reading too."""
        require(queues, "transactional_send")

        assert await queues.transact(lambda transaction: 42) == 42

    async def test_transaction_is_refused_where_there_is_none(self, queues: Queues) -> None:
        """The error names the alternative."""
        if queues.capabilities.transactional_send:
            pytest.skip("the broker has transactions")

        with pytest.raises(UnsupportedCapability):
            await queues[WORK].send("a", transaction=object())
        with pytest.raises(UnsupportedCapability):
            await queues.transact(lambda transaction: None)
        assert (await queues[WORK].metrics()).backlog_count == 0
