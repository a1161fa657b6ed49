"""Postroom on SQLite, as its users run it: one process that consumes."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import uvloop

from bench.kit import spawn
from bench.peers import peer
from postroom.queues import MessageBatch, Queue, connect

QUEUE: Final = "bench"
BULK: Final = 100
"""The most that one call takes."""


class Postroom(peer.AsyncPeer):
    """Sends and consumes on one file."""

    queue: Queue

    @contextlib.contextmanager
    def opened(self, folder: Path) -> Iterator[None]:
        """Open a new file."""
        self.store = f"sqlite:///{folder / 'q.db'}"
        queues = connect(self.store)
        self.run(queues.open())
        self.run(queues.create(QUEUE))
        self.queue = queues[QUEUE]
        yield
        self.run(queues.close())

    async def send(self, job: Mapping[str, Any]) -> None:
        """Send one message."""
        await self.queue.send(job)

    async def send_bulk(self, start: int) -> int:
        """Send a batch."""
        await self.queue.send_batch([{"body": job} for job in peer.numbers(start, BULK)])
        return BULK

    def worker(self) -> Sequence[str | Path]:
        """This module."""
        return spawn.module("bench.peers.postroom_sqlite")


async def consume() -> None:
    """Handle until SIGTERM."""
    tally = peer.handler_tally()
    async with connect(peer.handler_store()) as queues:

        @queues.consumer(QUEUE, max_batch_size=100, max_batch_timeout=0)
        async def handle(batch: MessageBatch) -> None:
            for message in batch.messages:
                tally.job(message.body)
                message.ack()

        await queues.run()


def make() -> peer.Peer:
    """The peer that is us."""
    return Postroom()


if __name__ == "__main__":
    uvloop.run(consume())
