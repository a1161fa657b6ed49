"""Procrastinate on PostgreSQL: its own worker, ten jobs at once, LISTEN/NOTIFY, finished jobs deleted."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import procrastinate

from bench.kit import spawn
from bench.peers import peer, servers

BULK: Final = 1000
CONCURRENCY: Final = 10


def app_at(store: str) -> tuple[procrastinate.App, Any]:
    """The application and its task, which counts in the worker."""
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=store))

    @app.task(name="handle")
    async def handle(job: dict[str, Any]) -> None:
        TALLIES[0].job(job)

    return app, handle


TALLIES: list[Any] = []


class OnPostgres(peer.AsyncPeer):
    """Defers one by one and in batches."""

    task: Any

    @contextlib.contextmanager
    def opened(self, folder: Path) -> Iterator[None]:
        """Start PostgreSQL and install the schema."""
        with servers.postgres(folder) as self.store:
            app, self.task = app_at(self.store)
            self.run(_opened(app))
            self.run(app.schema_manager.apply_schema_async())
            yield
            self.run(app.close_async())

    async def send(self, job: Mapping[str, Any]) -> None:
        """Defer one job."""
        await self.task.defer_async(job=dict(job))

    async def send_bulk(self, start: int) -> int:
        """Defer a batch."""
        await self.task.batch_defer_async(*({"job": job} for job in peer.numbers(start, BULK)))
        return BULK

    def worker(self) -> Sequence[str | Path]:
        """This module."""
        return spawn.module("bench.peers.procrastinate_postgres")


async def _opened(app: procrastinate.App) -> None:
    await app.open_async()


async def consume() -> None:
    """Run the worker until SIGTERM."""
    TALLIES.append(peer.handler_tally())
    app, _ = app_at(peer.handler_store())
    async with app.open_async():
        await app.run_worker_async(concurrency=CONCURRENCY, delete_jobs="always")


def make() -> peer.Peer:
    """The peer."""
    return OnPostgres()


if __name__ == "__main__":
    asyncio.run(consume())
