"""Retries: how often, in which order and with what a message comes again."""

import pytest

from postroom.queues import MessageBatch, Queues
from postroom.queues.conformance.batching import SIMULATOR
from postroom.queues.conformance.recorder import WORK, Failure, consume, fail, heard, requests, retry_all
from postroom.queues.events import MessageDropped
from postroom.queues.testing import VirtualClock


class Retries:
    """See the module."""

    @pytest.mark.parametrize("max_retries", [0, 1, 2, 5])
    async def test_message_is_delivered_once_more_than_its_retries(
        self, queues: Queues, clock: VirtualClock, max_retries: int
    ) -> None:
        """`attempts` counts from 1 to `max_retries` + 1."""
        seen = consume(queues, WORK, retry_all, max_retries=max_retries)
        await queues[WORK].send("a")

        async with queues.running():
            await clock.advance(60)

        assert seen.attempts == list(range(1, max_retries + 2))
        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_redelivery_has_the_same_id_and_timestamp(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """And the same body, however much later it comes."""
        seen = consume(queues, WORK, lambda batch: batch.retry_all(delay_seconds=100), max_retries=2)
        sent = await queues[WORK].send({"a": [1]})
        at = clock.now()

        async with queues.running():
            await clock.advance(500)

        assert [(m.id, m.timestamp, m.body) for m in seen.messages] == [(sent.id, at, {"a": [1]})] * 3

    async def test_one_retried_message_comes_alone(self, queues: Queues, clock: VirtualClock) -> None:
        """The others of its batch were acknowledged, and it waits for a batch of its own."""

        def handle(batch: MessageBatch) -> None:
            for message in batch.messages:
                if message.body == "2" and message.attempts == 1:
                    message.retry()

        seen = consume(queues, WORK, handle, **SIMULATOR)
        await queues[WORK].send_batch(requests("1", "2", "3"))
        async with queues.running():
            await clock.advance(1)
            assert seen.batches == [["1", "2", "3"]]
            await clock.advance(1)
            assert seen.batches == [["1", "2", "3"], ["2"]]
            await clock.advance(5)

        assert seen.attempts == [1, 1, 1, 2]

    @pytest.mark.parametrize("how", ["retry_all", "raise"])
    async def test_whole_batch_comes_again(self, queues: Queues, clock: VirtualClock, how: str) -> None:
        """Asked for or caused by an exception, after a timeout of its own."""

        def handle(batch: MessageBatch) -> None:
            if batch.messages[0].attempts == 1:
                if how == "raise":
                    raise Failure
                batch.retry_all()

        seen = consume(queues, WORK, handle, **SIMULATOR)
        await queues[WORK].send_batch(requests("1", "2", "3"))
        async with queues.running():
            await clock.advance(5)

        assert (seen.times, seen.attempts) == ([1, 2], [1, 1, 1, 2, 2, 2])
        assert [sorted(batch) for batch in seen.batches] == [["1", "2", "3"]] * 2

    async def test_exhausted_message_is_dropped_with_an_event(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """Without a dead-letter queue; the event has its id and how often it was delivered."""

        def handle(batch: MessageBatch) -> None:
            if batch.messages[0].attempts == 1:
                batch.retry_all()
            for message in batch.messages:
                if message.body == "3":
                    message.retry()

        seen = consume(queues, WORK, handle, **SIMULATOR)
        dropped = heard(queues, MessageDropped)
        sent = await queues[WORK].send_batch(requests("1", "2", "3"))
        async with queues.running():
            await clock.advance(10)

        assert [sorted(batch) for batch in seen.batches] == [["1", "2", "3"], ["1", "2", "3"], ["3"]]
        assert [(one.id, one.attempts, one.queue) for one in dropped] == [(sent[2].id, 3, WORK)]
        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_reason_of_a_drop_names_the_exception_but_not_its_text(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """Texts of exceptions may quote contents."""

        def handle(batch: MessageBatch) -> None:
            raise Failure("ssn-123")

        consume(queues, WORK, handle, max_retries=1)
        dropped = heard(queues, MessageDropped)
        await queues[WORK].send("a")
        async with queues.running():
            await clock.advance(0)

        assert "2 deliveries" in dropped[0].reason
        assert "Failure" in dropped[0].reason
        assert "ssn-123" not in dropped[0].reason

    async def test_retried_messages_go_to_the_tail(self, queues: Queues, clock: VirtualClock) -> None:
        """Those that were waiting overtake them."""

        def handle(batch: MessageBatch) -> None:
            if batch.messages[0].body == "fail1" and batch.messages[0].attempts == 1:
                batch.retry_all()

        seen = consume(queues, WORK, handle, max_batch_size=2, max_concurrency=1)
        await queues[WORK].send_batch(requests("fail1", "m2", "m3", "m4", "m5", "m6"))
        async with queues.running():
            await clock.advance(0)

        assert seen.batches == [["fail1", "m2"], ["m3", "m4"], ["m5", "m6"], ["fail1", "m2"]]

    async def test_message_sent_after_a_retry_comes_after_it(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """The tail is that of the moment of the retry."""

        async def handle(batch: MessageBatch) -> None:
            if batch.messages[0].attempts == 1 and batch.messages[0].body == "first":
                batch.retry_all()
                await queues[WORK].send("during")

        seen = consume(queues, WORK, handle, max_batch_size=1, max_concurrency=1)
        await queues[WORK].send("first")
        async with queues.running():
            await clock.advance(0)
            await queues[WORK].send("later")
            await clock.advance(0)

        assert seen.bodies == ["first", "during", "first", "later"]

    async def test_failing_message_does_not_hold_up_the_others(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """Each message has attempts of its own."""

        def handle(batch: MessageBatch) -> None:
            if batch.messages[0].body == "bad":
                raise Failure

        seen = consume(queues, WORK, handle, max_batch_size=1, max_retries=2)
        await queues[WORK].send_batch(requests("bad", *range(20)))
        async with queues.running():
            await clock.advance(60)

        assert sorted(body for body in seen.bodies if body != "bad") == list(range(20))
        assert [message.attempts for message in seen.messages if message.body == "bad"] == [1, 2, 3]

    async def test_attempts_survive_a_change_of_consumer(self, queues: Queues, clock: VirtualClock) -> None:
        """They belong to the message: a consumer that stops and starts goes on counting."""
        seen = consume(queues, WORK, fail, max_retries=3, retry_delay=10)
        await queues[WORK].send("a")

        for _ in range(3):
            async with queues.running():
                await clock.advance(0)
            await clock.advance(10)

        assert seen.attempts == [1, 2, 3]
