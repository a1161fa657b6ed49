"""Dead letters by decision: an extension. `message.dead_letter(reason)` does not wait for the last attempt."""

from postroom.queues import MessageBatch, Queues
from postroom.queues.conformance.recorder import DEAD, WORK, Failure, consume, heard, requests, require
from postroom.queues.events import MessageDeadLettered, MessageDropped
from postroom.queues.testing import VirtualClock


class Reasons:
    """See the module."""

    async def test_message_goes_at_once_with_its_reason(self, queues: Queues, clock: VirtualClock) -> None:
        """On its first attempt, alone of its batch, with details that stay with it."""
        require(queues, "dead_letter_reason")

        def handle(batch: MessageBatch) -> None:
            batch.messages[1].dead_letter("no such customer", details={"code": 404, "tried": ["a", None]})

        consume(queues, WORK, handle, max_retries=5, dead_letter_queue=DEAD)
        moved = heard(queues, MessageDeadLettered)
        sent = await queues[WORK].send_batch(requests("a", "b", "c"))
        async with queues.running():
            await clock.advance(0)

        assert [(one.id, one.reason, one.attempts) for one in moved] == [(sent[1].id, "no such customer", 1)]
        (dead,) = await queues[DEAD].peek()
        assert dead.dead_lettered is not None
        assert (dead.dead_lettered.queue, dead.dead_lettered.reason) == (WORK, "no such customer")
        assert dead.dead_lettered.details == {"code": 404, "tried": ["a", None]}
        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_first_reason_stays(self, queues: Queues, clock: VirtualClock) -> None:
        """A second call on the message has no effect."""
        require(queues, "dead_letter_reason")

        def handle(batch: MessageBatch) -> None:
            batch.messages[0].dead_letter("first")
            batch.messages[0].dead_letter("second")

        consume(queues, WORK, handle, dead_letter_queue=DEAD)
        await queues[WORK].send("a")
        async with queues.running():
            await clock.advance(0)

        (dead,) = await queues[DEAD].peek()
        assert dead.dead_lettered is not None
        assert dead.dead_lettered.reason == "first"

    async def test_without_a_dead_letter_queue_it_is_dropped_with_its_reason(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """In the event, which is all that remains."""
        require(queues, "dead_letter_reason")
        consume(queues, WORK, lambda batch: batch.messages[0].dead_letter("no such customer"))
        dropped = heard(queues, MessageDropped)
        sent = await queues[WORK].send("a")
        async with queues.running():
            await clock.advance(60)

        assert [(one.id, one.reason, one.attempts) for one in dropped] == [(sent.id, "no such customer", 1)]
        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_long_reason_is_cut(self, queues: Queues, clock: VirtualClock) -> None:
        """To 2,000 characters."""
        require(queues, "dead_letter_reason")
        consume(queues, WORK, lambda batch: batch.messages[0].dead_letter("é" * 5000), dead_letter_queue=DEAD)
        await queues[WORK].send("a")
        async with queues.running():
            await clock.advance(0)

        (dead,) = await queues[DEAD].peek()
        assert dead.dead_lettered is not None
        assert dead.dead_lettered.reason == "é" * 2000

    async def test_details_that_cannot_be_stored_do_not_hurt_the_batch(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """Its handler gets the error; the messages come again like after any other mistake."""
        require(queues, "dead_letter_reason")

        def handle(batch: MessageBatch) -> None:
            if batch.messages[0].attempts == 1:
                batch.messages[0].dead_letter("bad", details={"what": object()})

        seen = consume(queues, WORK, handle, dead_letter_queue=DEAD)
        await queues[WORK].send_batch(requests("a", "b"))
        async with queues.running():
            await clock.advance(0)

        assert (seen.bodies, seen.attempts) == (["a", "b", "a", "b"], [1, 1, 2, 2])

    async def test_reason_counts_when_the_handler_raises_later(
        self, queues: Queues, clock: VirtualClock
    ) -> None:
        """What it had decided stands; the rest is retried."""
        require(queues, "dead_letter_reason")

        def handle(batch: MessageBatch) -> None:
            for message in batch.messages:
                if message.body == "bad":
                    message.dead_letter("bad")
            if batch.messages[0].attempts == 1:
                raise Failure

        seen = consume(queues, WORK, handle, dead_letter_queue=DEAD)
        await queues[WORK].send_batch(requests("bad", "good"))
        async with queues.running():
            await clock.advance(0)

        assert seen.batches == [["bad", "good"], ["good"]]
        (dead,) = await queues[DEAD].peek()
        assert dead.dead_lettered is not None
        assert dead.dead_lettered.reason == "bad"
