"""pgmq on PostgreSQL, installed from its SQL alone: no worker is shipped, so a bare loop of read and delete."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec
import uvloop

from bench.kit import jobs, spawn
from bench.peers import peer, servers

BULK: Final = 1000
BATCH: Final = 100
PAUSE_SECONDS: Final = 0.05
"""When nothing is there; pgmq's own `read_with_poll` looks every 0.1 s."""


class OnPostgres(peer.AsyncPeer):
    """Enqueues by `pgmq.send` and `pgmq.send_batch`."""

    connection: asyncpg.Connection

    @contextlib.contextmanager
    def opened(self, folder: Path) -> Iterator[None]:
        """Start PostgreSQL and install pgmq's objects."""
        with servers.postgres(folder) as self.store:
            self.connection = self.run(asyncpg.connect(self.store))
            text = files("pgmq").joinpath("sql/pgmq.sql").read_text(encoding="utf-8")
            self.run(self.connection.execute(text))
            self.run(self.connection.execute("SELECT pgmq.create('bench')"))
            yield
            self.run(self.connection.close())

    async def send(self, job: Mapping[str, Any]) -> None:
        """Send one message."""
        await self.connection.fetchval(
            "SELECT pgmq.send('bench', $1::jsonb)", jobs.encode(dict(job)).decode()
        )

    async def send_bulk(self, start: int) -> int:
        """Send arrays."""
        bodies = [jobs.encode(job).decode() for job in peer.numbers(start, BULK)]
        await self.connection.fetch("SELECT pgmq.send_batch('bench', $1::jsonb[])", bodies)
        return BULK

    def worker(self) -> Sequence[str | Path]:
        """This module."""
        return spawn.module("bench.peers.pgmq_postgres")


async def consume() -> None:
    """Read a hundred, handle them, delete them, until SIGTERM."""
    tally = peer.handler_tally()
    connection = await asyncpg.connect(peer.handler_store())
    decode = msgspec.json.Decoder().decode
    while True:
        rows = await connection.fetch("SELECT msg_id, message FROM pgmq.read('bench', 30, $1)", BATCH)
        for row in rows:
            tally.job(decode(row[1]))
        if rows:
            await connection.fetch("SELECT pgmq.delete('bench', $1::bigint[])", [row[0] for row in rows])
        else:
            await asyncio.sleep(PAUSE_SECONDS)


def make() -> peer.Peer:
    """The peer."""
    return OnPostgres()


if __name__ == "__main__":
    uvloop.run(consume())
