"""Jobs that left the queue without any worker settling them: their records are brought up to date.

A job that kills its worker each time never comes to the dispatcher's end; the queue's own `max_retries` ends it.
And a job that nobody took outlives the queue's retention. Whoever carries that out hears of it by an event and
records it. Should that process die in between, the dead letter is there and the record does not say so: `GivenUp`
looks through the dead letters for that.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from postroom.kit.service import Service
from postroom.messages.ledger import StoreLedger
from postroom.queues import Queues
from postroom.queues.broker import Browsed
from postroom.queues.errors import QueueError
from postroom.queues.events import Event, MessageDeadLettered, MessageDropped, MessagesExpired
from postroom.queues.message import DeadLettered, read_metadata

EXPIRED = "nobody took it within the queue's retention"
EVERY_SECONDS: Final = 60.0
PAGE: Final = 100
"""Dead letters looked at in one go."""


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


class GivenUp(Service):
    """Looks at the dead letters of a queue when it starts, and at those that came since every minute."""

    name = "given-up"

    def __init__(self, queues: Queues, queue: str, grave: str | None, ledger: StoreLedger) -> None:
        super().__init__()
        self._queues = queues
        self._queue = queue
        self._grave = grave
        self._ledger = ledger
        self._after: Any = None

    async def look(self) -> int:
        """Record what is not on record yet; returns how many jobs that were."""
        found = 0
        while self._grave is not None:
            page = await self._queues.broker.browse(self._grave, after=self._after, limit=PAGE)
            if not page:
                break
            found += await self._record(page)
            self._after = page[-1].key
        return found

    async def _record(self, page: Sequence[Browsed]) -> int:
        letters: dict[str, DeadLettered] = {}
        for one in page:
            dead = read_metadata(one.meta).dead
            if dead is not None and dead.queue == self._queue:
                letters[one.id] = dead
        missing = await self._ledger.unfinished(list(letters))
        for job_id in missing:
            # Unless something has become of it since: somebody may just have sent it back.
            await self._ledger.give_up(job_id, letters[job_id].reason, seen_us=letters[job_id].at_us)
        return len(missing)

    async def _run(self) -> None:
        while True:
            # Where the store cannot be reached or the queue is not there yet, the next look goes on.
            with contextlib.suppress(QueueError):
                await self.look()
            await asyncio.sleep(EVERY_SECONDS)
