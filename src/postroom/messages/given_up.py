"""Jobs that left the queue without any worker settling them: their records are brought up to date.

A job that kills its worker each time never comes to the dispatcher's end; the queue's own `max_retries` ends it.
And a job that nobody took outlives the queue's retention.
"""

import asyncio
from collections.abc import Awaitable, Callable

from postroom.messages.ledger import StoreLedger
from postroom.queues import Queues
from postroom.queues.events import Event, MessageDeadLettered, MessageDropped, MessagesExpired

EXPIRED = "nobody took it within the queue's retention"


def record_given_up(queues: Queues, queue: str, ledger: StoreLedger) -> Callable[[], Awaitable[None]]:
    """Listen for such jobs of a queue; returns the act of stopping, which waits for what is being written."""
    writing: set[asyncio.Task[None]] = set()

    def hear(event: Event) -> None:
        # What the dispatcher decided is on record already; the ledger leaves it as it is.
        if event.queue == queue:
            task = asyncio.get_running_loop().create_task(_write(ledger, event), name="given-up")
            writing.add(task)
            task.add_done_callback(writing.discard)

    stops = [
        queues.events.subscribe(MessageDeadLettered, hear),
        queues.events.subscribe(MessageDropped, hear),
        queues.events.subscribe(MessagesExpired, hear),
    ]

    async def stop() -> None:
        for one in stops:
            one()
        await asyncio.gather(*writing, return_exceptions=True)

    return stop


async def _write(ledger: StoreLedger, event: Event) -> None:
    if isinstance(event, MessagesExpired):
        for message_id in event.ids:
            await ledger.give_up(message_id, EXPIRED)
    elif isinstance(event, MessageDeadLettered | MessageDropped):
        await ledger.give_up(event.id, event.reason)
