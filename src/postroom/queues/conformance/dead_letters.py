"""Dead letters: where a message goes that had its last delivery, and what it takes along."""

import pytest

from postroom.queues import ConfigurationError, MessageBatch, QueueOptions, Queues
from postroom.queues.conformance.recorder import (
    DEAD,
    WORK,
    Connect,
    Failure,
    consume,
    fail,
    heard,
    requests,
    retry_all,
)
from postroom.queues.events import MessageDeadLettered, MessageDropped
from postroom.queues.testing import VirtualClock


class DeadLetters:
    """See the module."""

    async def test_exhausted_message_is_moved(self, queues: Queues, clock: VirtualClock) -> None:
        """After its last delivery, and announced with the number of its deliveries."""
        seen = consume(queues, WORK, retry_all, max_retries=2, dead_letter_queue=DEAD)
        moved, dropped = heard(queues, MessageDeadLettered), heard(queues, MessageDropped)
        sent = await queues[WORK].send("a")

        async with queues.running():
            await clock.advance(60)

        assert seen.attempts == [1, 2, 3]
        assert [(one.id, one.queue, one.dead_letter_queue, one.attempts) for one in moved] == [
            (sent.id, WORK, DEAD, 3)
        ]
        assert dropped == []
        assert (await queues[WORK].metrics()).backlog_count == 0
        assert (await queues[DEAD].metrics()).backlog_count == 1

    @pytest.mark.parametrize(
        ("body", "content_type"), [({"a": [1, None]}, "json"), ("grüße", "text"), (b"\x00\xff", "bytes")]
    )
    async def test_dead_letter_keeps_what_was_sent(
        self, queues: Queues, clock: VirtualClock, body: object, content_type: str
    ) -> None:
        """Id, timestamp, body and content type; its attempts begin again."""
        consume(queues, WORK, retry_all, max_retries=1, retry_delay=30, dead_letter_queue=DEAD)
        at = clock.now()
        sent = await queues[WORK].send(body, content_type=content_type)
        async with queues.running():
            await clock.advance(60)

        (dead,) = (await queues[DEAD].pull()).messages
        assert (dead.id, dead.timestamp, dead.body, dead.content_type, dead.attempts) == (
            sent.id,
            at,
            body,
            content_type,
            1,
        )

    async def test_dead_letter_queue_is_made_when_it_is_missing(
        self, connect: Connect, clock: VirtualClock
    ) -> None:
        """Also where other queues are not made by using them."""
        queues = await connect(create_queues=False)
        await queues.create(WORK)
        consume(queues, WORK, fail, max_retries=0, dead_letter_queue=DEAD)
        await queues[WORK].send("a")

        async with queues.running():
            await clock.advance(0)

        assert list(await queues.names()) == sorted([DEAD, WORK])
        assert (await queues[DEAD].metrics()).backlog_count == 1

    async def test_without_a_dead_letter_queue_the_message_is_dropped(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """With an event, because nothing vanishes silently."""
        consume(queues, WORK, fail, max_retries=0)
        moved, dropped = heard(queues, MessageDeadLettered), heard(queues, MessageDropped)
        sent = await queues[WORK].send("a")

        async with queues.running():
            await clock.advance(0)

        assert [(one.id, one.attempts) for one in dropped] == [(sent.id, 1)]
        assert moved == []
        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_queue_cannot_be_its_own_dead_letter_queue(self, queues: Queues) -> None:
        """Refused when the consumer is declared."""
        with pytest.raises(ConfigurationError, match="cannot be itself") as caught:
            consume(queues, WORK, dead_letter_queue=WORK)

        assert caught.value.key == "dead_letter_queue"

    async def test_two_queues_may_be_each_others_dead_letter_queue(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """A message goes round with the same id, from attempt 1 each time, until somebody takes it."""

        def handle(batch: MessageBatch) -> None:
            for message in batch.messages:
                if message.body in ("2", "3"):
                    message.retry()

        bad = consume(queues, "bad", lambda batch: handle(batch) if len(bad.deliveries) == 1 else None,
                      max_retries=0, max_batch_size=5, max_batch_timeout=1, dead_letter_queue="dlq")  # fmt: skip
        dlq = consume(queues, "dlq", lambda batch: batch.messages[0].retry(),
                      max_retries=0, max_batch_size=5, max_batch_timeout=1, dead_letter_queue="bad")  # fmt: skip
        sent = await queues["bad"].send_batch(requests("1", "2", "3"))
        async with queues.running():
            await clock.advance(1)
            assert (bad.batches, bad.attempts) == ([["1", "2", "3"]], [1, 1, 1])
            await clock.advance(1)
            assert (dlq.batches, dlq.attempts) == ([["2", "3"]], [1, 1])
            assert [message.id for message in dlq.messages] == [sent[1].id, sent[2].id]
            await clock.advance(1)

        assert bad.batches[1:] == [["2"]]
        assert (bad.messages[-1].id, bad.messages[-1].attempts) == (sent[1].id, 1)

    async def test_dead_letter_queues_own_delay_applies(self, queues: Queues, clock: VirtualClock) -> None:
        """It is an ordinary queue: its `delivery_delay` puts off what comes into it."""
        await queues.create(DEAD, QueueOptions(delivery_delay=10))
        consume(queues, WORK, fail, max_retries=0, dead_letter_queue=DEAD)
        dead = consume(queues, DEAD)
        await queues[WORK].send("a")

        async with queues.running():
            await clock.advance(60)

        assert dead.times == [10]

    async def test_only_exhausted_messages_of_a_batch_are_moved(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """The others of a failing batch have retries left."""

        def handle(batch: MessageBatch) -> None:
            raise Failure

        consume(queues, WORK, handle, max_retries=1, retry_delay=10, dead_letter_queue=DEAD)
        await queues[WORK].send("old")
        async with queues.running():
            await clock.advance(0)
            await queues[WORK].send("new", delay_seconds=10)
            await clock.advance(10)

            assert [one.body for one in await queues[DEAD].peek()] == ["old"]
            assert [(one.body, one.attempts) for one in await queues[WORK].peek()] == [("new", 1)]

    async def test_dead_letter_knows_its_origin_and_reason(self, queues: Queues, clock: VirtualClock) -> None:
        """An extension: queue, deliveries, moment and the class of the last exception, but not its text."""

        def handle(batch: MessageBatch) -> None:
            raise Failure("ssn-123")

        consume(queues, WORK, handle, max_retries=1, retry_delay=7, dead_letter_queue=DEAD)
        await queues[WORK].send("a")
        at = clock.now()
        async with queues.running():
            await clock.advance(60)

        (peeked,) = await queues[DEAD].peek()
        (pulled,) = (await queues[DEAD].pull()).messages
        assert pulled.dead_lettered == peeked.dead_lettered
        dead = pulled.dead_lettered
        assert dead is not None
        assert (dead.queue, dead.attempts) == (WORK, 2)
        assert dead.at_us == round((at.timestamp() + 7) * 1_000_000)
        assert "Failure" in dead.reason
        assert "ssn-123" not in dead.reason

    async def test_former_failures_are_kept(self, queues: Queues, clock: VirtualClock) -> None:
        """A dead letter that fails again, somewhere else, tells both."""
        consume(queues, WORK, fail, max_retries=0, dead_letter_queue=DEAD)
        consume(queues, DEAD, fail, max_retries=1, dead_letter_queue="grave")
        await queues[WORK].send("a")
        async with queues.running():
            await clock.advance(60)

        (buried,) = await queues["grave"].peek()
        assert buried.dead_lettered is not None
        assert (buried.dead_lettered.queue, buried.dead_lettered.attempts) == (DEAD, 2)
        assert [(one.queue, one.attempts) for one in buried.dead_lettered.earlier] == [(WORK, 1)]

    async def test_message_that_never_failed_has_no_history(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """`dead_lettered` is None outside dead-letter queues."""
        seen = consume(queues, WORK)
        await queues[WORK].send("a")
        async with queues.running():
            await clock.advance(0)

        assert [message.dead_lettered for message in seen.messages] == [None]
