"""NATS JetStream as a yardstick: a work queue on disk, pulled in batches, each message acknowledged."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import nats
import uvloop
from nats.js.api import RetentionPolicy, StorageType, StreamConfig

from bench.kit import jobs, spawn
from bench.peers import peer

BULK: Final = 1000
BATCH: Final = 200
STREAM: Final = "bench"


class OnNats(peer.AsyncPeer):
    """Publishes to a stream that is kept in files."""

    @contextlib.contextmanager
    def opened(self, folder: Path) -> Iterator[None]:
        """Start the server and make the stream."""
        port = spawn.free_port()
        command = [
            spawn.script("nats-server"),
            "-js",
            "-sd",
            folder / "js",
            "-a",
            "127.0.0.1",
            "-p",
            str(port),
        ]
        with spawn.running(command, folder=folder) as process:
            spawn.wait("nats-server to listen", lambda: spawn.answers(port), process)
            self.store = f"nats://127.0.0.1:{port}"
            self.run(self._connect())
            yield
            self.run(self._client.close())

    async def _connect(self) -> None:
        self._client = await nats.connect(self.store)
        self._stream = self._client.jetstream(publish_async_max_pending=4000)
        await self._stream.add_stream(
            StreamConfig(
                name=STREAM, subjects=[STREAM], retention=RetentionPolicy.WORK_QUEUE, storage=StorageType.FILE
            )
        )

    async def send(self, job: Mapping[str, Any]) -> None:
        """Publish one message and wait for its acknowledgement."""
        await self._stream.publish(STREAM, jobs.encode(dict(job)))

    async def send_bulk(self, start: int) -> int:
        """Publish many, then wait for all acknowledgements."""
        sent = [
            await self._stream.publish_async(STREAM, jobs.encode(job)) for job in peer.numbers(start, BULK)
        ]
        await asyncio.gather(*sent)
        return BULK

    def worker(self) -> Sequence[str | Path]:
        """This module."""
        return spawn.module("bench.peers.nats_jetstream")


async def consume() -> None:
    """Fetch, handle, acknowledge, until SIGTERM."""
    tally = peer.handler_tally()
    client = await nats.connect(peer.handler_store())
    subscription = await client.jetstream().pull_subscribe(STREAM, durable="worker")
    decode = msgspec.json.Decoder().decode
    while True:
        with contextlib.suppress(nats.errors.TimeoutError):
            for message in await subscription.fetch(BATCH, timeout=1):
                tally.job(decode(message.data))
                await message.ack()


def make() -> peer.Peer:
    """The peer."""
    return OnNats()


if __name__ == "__main__":
    uvloop.run(consume())
