"""Drains: rates at which a consumer with a no-op handler empties a queue, acknowledging message by message."""

import asyncio
import time
from pathlib import Path

import uvloop

from bench.engine.filling import QUEUE, fill_file, url
from bench.kit import spawn
from postroom.queues import MessageBatch, connect


def drain(folder: Path, count: int, size: int) -> float:
    """Messages a second from a queue of so many until it is empty and everything is settled."""
    with spawn.scratch(folder) as scratch:
        path = scratch / "q.db"
        uvloop.run(fill_file(path, count))
        return take(path, count, size)


def take(path: Path, count: int, size: int) -> float:
    """Messages a second, start and stop of the consumer included, until at least so many are handled."""
    return uvloop.run(_take(path, count, size))


async def _take(path: Path, count: int, size: int) -> float:
    handled, enough = 0, asyncio.Event()

    async def handle(batch: MessageBatch) -> None:
        nonlocal handled
        for message in batch.messages:
            message.ack()
        handled += len(batch.messages)
        if handled >= count:
            enough.set()

    async with connect(url(path)) as queues:
        before = (await queues[QUEUE].metrics()).backlog_count
        queues.consumer(QUEUE, max_batch_size=size, max_batch_timeout=0)(handle)
        started = time.perf_counter()
        # The end of the block waits until what is handled is settled too.
        async with queues.running():
            await enough.wait()
        seconds = time.perf_counter() - started
        left = (await queues[QUEUE].metrics()).backlog_count
    if before - left != handled:
        raise spawn.BenchFailed(f"handled {handled} messages, but {before - left} have left the queue")
    return handled / seconds
