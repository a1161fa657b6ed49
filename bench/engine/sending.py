"""Sends: rates of durable sends that are each awaited."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import uvloop

from bench.engine.filling import BULK, QUEUE, bulk, url
from bench.kit import jobs, spawn
from postroom.queues import Queue, connect

SENDERS: Final = 100


def concurrently(folder: Path, count: int) -> float:
    """Messages a second from SENDERS tasks, each awaiting every send of its own."""
    share = count // SENDERS

    async def sender(queue: Queue, number: int) -> None:
        for index in range(number * share, (number + 1) * share):
            await queue.send(jobs.make(index))

    async def send(queue: Queue) -> int:
        await asyncio.gather(*(sender(queue, number) for number in range(SENDERS)))
        return SENDERS * share

    return _timed(folder, send)


def in_bulk(folder: Path, count: int) -> float:
    """Messages a second from one task that awaits one bulk after the other."""

    async def send(queue: Queue) -> int:
        for start in range(0, count, BULK):
            await queue.send_batch(bulk(start))
        return -(-count // BULK) * BULK

    return _timed(folder, send)


def one_by_one(folder: Path, count: int) -> float:
    """Messages a second from one task that awaits one send after the other."""

    async def send(queue: Queue) -> int:
        for index in range(count):
            await queue.send(jobs.make(index))
        return count

    return _timed(folder, send)


def _timed(folder: Path, send: Callable[[Queue], Awaitable[int]]) -> float:
    async def run(path: Path) -> float:
        async with connect(url(path)) as queues:
            await queues.create(QUEUE)
            queue = queues[QUEUE]
            started = time.perf_counter()
            sent = await send(queue)
            seconds = time.perf_counter() - started
            stored = (await queue.metrics()).backlog_count
            if stored != sent:
                raise spawn.BenchFailed(f"sent {sent} messages, but {stored} are stored")
            return sent / seconds

    with spawn.scratch(folder) as scratch:
        return uvloop.run(run(scratch / "q.db"))
