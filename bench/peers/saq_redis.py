"""SAQ on Redis: its own worker command, one process with concurrency 20."""

import asyncio
import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from saq import Queue

from bench.kit import spawn
from bench.peers import peer, servers

BULK: Final = 50
CONCURRENCY: Final = 20

if peer.STORE_VARIABLE in os.environ:
    tally = peer.handler_tally()


async def handle(context: Mapping[str, Any], *, job: Mapping[str, Any]) -> None:
    """Do nothing."""
    tally.job(job)


class Saq(peer.AsyncPeer):
    """Enqueues by the function's name."""

    queue: Queue

    def __init__(self, *, durable: bool) -> None:
        super().__init__()
        self._durable = durable

    @contextlib.contextmanager
    def opened(self, folder: Path) -> Iterator[None]:
        """Start Redis and connect."""
        with servers.redis(folder, durable=self._durable) as self.store:
            self.queue = Queue.from_url(self.store)
            self.run(self.queue.connect())
            yield
            self.run(self.queue.disconnect())

    async def send(self, job: Mapping[str, Any]) -> None:
        """Enqueue one job."""
        await self.queue.enqueue("handle", job=job)

    async def send_bulk(self, start: int) -> int:
        """Some calls at once: there is no way of enqueueing many by one."""
        await asyncio.gather(*(self.send(job) for job in peer.numbers(start, BULK)))
        return BULK

    def worker(self) -> Sequence[str | Path]:
        """SAQ's worker."""
        return [spawn.script("saq"), "bench.peers.saq_redis.settings"]


def _settings() -> dict[str, Any]:
    queue = Queue.from_url(peer.handler_store())
    return {"queue": queue, "functions": [handle], "concurrency": CONCURRENCY}


if peer.STORE_VARIABLE in os.environ:
    # In the worker, which is told where to find `settings`.
    settings = _settings()


def make() -> peer.Peer:
    """The peer on a Redis that keeps everything in memory."""
    return Saq(durable=False)


def make_durable() -> peer.Peer:
    """The peer on a Redis that syncs every command to its file."""
    return Saq(durable=True)
