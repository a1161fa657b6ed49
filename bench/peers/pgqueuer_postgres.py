"""pgqueuer on PostgreSQL: its own worker, batches of 100, asyncpg, uvloop, LISTEN/NOTIFY."""

import contextlib
import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]
import pgqueuer
import uvloop
from pgqueuer import AsyncpgDriver, Job, PgQueuer, Queries

from bench.kit import jobs, spawn
from bench.peers import peer, servers

BULK: Final = 1000
BATCH: Final = 100
ENTRYPOINT: Final = "handle"


class OnPostgres(peer.AsyncPeer):
    """Enqueues by `Queries.enqueue`."""

    queries: Queries

    @contextlib.contextmanager
    def opened(self, folder: Path) -> Iterator[None]:
        """Start PostgreSQL, install pgqueuer's tables as its command does, and connect."""
        with servers.postgres(folder) as self.store:
            environ = {**os.environ, "PGQUEUER_DSN": self.store}
            done = subprocess.run(
                [spawn.script("pgq"), "install"], env=environ, capture_output=True, text=True
            )
            if done.returncode:
                raise spawn.BenchFailed(f"pgq install failed: {done.stdout}{done.stderr}")
            connection = self.run(asyncpg.connect(self.store))
            self.queries = Queries(AsyncpgDriver(connection))
            yield
            self.run(connection.close())

    async def send(self, job: Mapping[str, Any]) -> None:
        """Enqueue one job."""
        await self.queries.enqueue(ENTRYPOINT, jobs.encode(dict(job)))

    async def send_bulk(self, start: int) -> int:
        """Enqueue arrays."""
        payloads: list[bytes | None] = [jobs.encode(job) for job in peer.numbers(start, BULK)]
        await self.queries.enqueue([ENTRYPOINT] * BULK, payloads, [0] * BULK)
        return BULK

    def worker(self) -> Sequence[str | Path]:
        """This module, which runs pgqueuer's worker.

        `pgqueuer.run` does what `pgq run` does; that command itself fails with newer releases of typer.
        """
        return spawn.module("bench.peers.pgqueuer_postgres")


@contextlib.asynccontextmanager
async def factory() -> AsyncIterator[PgQueuer]:
    """What the worker runs."""
    tally = peer.handler_tally()
    connection = await asyncpg.connect(peer.handler_store())
    queuer = PgQueuer(AsyncpgDriver(connection))

    @queuer.entrypoint(ENTRYPOINT)
    async def handle(job: Job) -> None:
        assert job.payload is not None
        tally.job(json.loads(job.payload))

    yield queuer
    await connection.close()


def make() -> peer.Peer:
    """The peer."""
    return OnPostgres()


if __name__ == "__main__":
    uvloop.run(pgqueuer.run(factory, batch_size=BATCH))
