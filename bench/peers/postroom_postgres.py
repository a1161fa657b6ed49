"""Postroom on PostgreSQL, as its users run it: one process that consumes."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

from bench.peers import peer, postroom_sqlite, servers
from postroom.queues import connect

BATCHES = 10


class Postroom(postroom_sqlite.Postroom):
    """Sends and consumes in one database."""

    @contextlib.contextmanager
    def opened(self, folder: Path) -> Iterator[None]:
        """Start PostgreSQL and connect."""
        with servers.postgres(folder) as self.store:
            queues = connect(self.store)
            self.run(queues.open())
            self.run(queues.create(postroom_sqlite.QUEUE))
            self.queue = queues[postroom_sqlite.QUEUE]
            yield
            self.run(queues.close())

    async def send_bulk(self, start: int) -> int:
        """Send ten batches at once, which become one statement."""
        batch = postroom_sqlite.BULK
        batches = [
            [{"body": job} for job in peer.numbers(first, batch)]
            for first in range(start, start + BATCHES * batch, batch)
        ]
        await asyncio.gather(*(self.queue.send_batch(one) for one in batches))
        return BATCHES * batch


def make() -> peer.Peer:
    """The peer that is us."""
    return Postroom()
