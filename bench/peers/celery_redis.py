"""Celery on Redis: its own worker command, one process with four threads and its default acknowledgement."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from celery import Celery  # type: ignore[import-untyped]

from bench.kit import spawn
from bench.peers import peer, servers

BULK: Final = 100
THREADS: Final = 4
PREFETCH: Final = 64
"""Jobs fetched ahead for each thread; acknowledged before they run, as is the default."""


def handle(job: Mapping[str, Any]) -> None:
    """Do nothing."""
    tally.job(job)


def application(url: str) -> Celery:
    """The application, for the producer and for the worker."""
    app = Celery("bench", broker=url)
    app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=PREFETCH)
    app.task(name="handle")(handle)
    return app


if peer.STORE_VARIABLE in os.environ:
    # In the worker, which is told where to find the object `app`.
    app = application(peer.handler_store())
    tally = peer.handler_tally()


class OnRedis(peer.Peer):
    """Enqueues by `delay`."""

    def __init__(self, *, durable: bool) -> None:
        super().__init__()
        self._durable = durable

    @contextlib.contextmanager
    def opened(self, folder: Path) -> Iterator[None]:
        """Start Redis and connect."""
        with servers.redis(folder, durable=self._durable) as self.store:
            made = application(self.store)
            self._task = made.tasks["handle"]
            yield
            made.close()

    def enqueue(self, job: Mapping[str, Any]) -> None:
        """Delay one job."""
        self._task.delay(job)

    def enqueue_bulk(self, start: int) -> int:
        """A loop: there is no way of enqueueing many at once."""
        for job in peer.numbers(start, BULK):
            self._task.delay(job)
        return BULK

    def worker(self) -> Sequence[str | Path]:
        """Celery's worker."""
        arguments = ["-A", "bench.peers.celery_redis", "worker", "-P", "threads", "-c", str(THREADS)]
        return [spawn.script("celery"), *arguments, "-l", "WARNING"]


def make() -> peer.Peer:
    """The peer on a Redis that keeps everything in memory."""
    return OnRedis(durable=False)


def make_durable() -> peer.Peer:
    """The peer on a Redis that syncs every command to its file."""
    return OnRedis(durable=True)
