"""huey on SQLite: WAL, synchronous=FULL (SQLite's default), its own consumer command with one thread."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from huey import SqliteHuey  # type: ignore[import-untyped]

from bench.kit import spawn
from bench.peers import peer

BULK: Final = 100

if peer.STORE_VARIABLE in os.environ:
    # In the worker, which is told where to find the object `huey`.
    huey = SqliteHuey("bench", filename=peer.handler_store())
    tally = peer.handler_tally()
else:
    huey = SqliteHuey("bench", filename=":memory:")


def handle(job: Mapping[str, Any]) -> None:
    """Do nothing."""
    tally.job(job)


task = huey.task(name="handle")(handle)


class Huey(peer.Peer):
    """Enqueues by calling the task."""

    @contextlib.contextmanager
    def opened(self, folder: Path) -> Iterator[None]:
        """Open a new file."""
        self.store = str(folder / "h.db")
        self._task = SqliteHuey("bench", filename=self.store).task(name="handle")(handle)
        yield

    def enqueue(self, job: Mapping[str, Any]) -> None:
        """Call the task."""
        self._task(job)

    def enqueue_bulk(self, start: int) -> int:
        """A loop: there is no way of enqueueing many at once."""
        for job in peer.numbers(start, BULK):
            self._task(job)
        return BULK

    def worker(self) -> Sequence[str | Path]:
        """huey's consumer."""
        return [spawn.script("huey_consumer"), "bench.peers.huey_sqlite.huey", "-w", "1", "-q"]


def make() -> peer.Peer:
    """The peer."""
    return Huey()
