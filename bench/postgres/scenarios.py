"""The engine on PostgreSQL where it could become slow: each situation beside the same run without it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Final

import asyncpg

from bench.kit import jobs, spawn
from bench.kit.measure import percentile
from bench.kit.tally import Tally
from bench.peers import peer
from postroom.queues import MessageBatch, Queues, connect

QUEUE: Final = "bench"
BATCH: Final = 100
Run = Callable[[], Awaitable[float]]
"""Does the work once and returns its rate a second."""
LOADED_RATE: Final = 500
"""Sends a second of the loaded latency."""


@contextlib.asynccontextmanager
async def fresh(url: str) -> AsyncIterator[Queues]:
    """Queues with nothing in them."""
    async with connect(url) as queues:
        with contextlib.suppress(LookupError):
            await queues.delete(QUEUE)
        await queues.create(QUEUE)
        yield queues
    connection = await asyncpg.connect(url)
    await connection.execute("VACUUM ANALYZE postroom_messages")
    await connection.close()


async def fill(queues: Queues, count: int) -> None:
    """Send so many, ten batches at once."""
    for start in range(0, count, 10 * BATCH):
        batches = [
            [{"body": jobs.make(number)} for number in range(first, min(first + BATCH, count))]
            for first in range(start, min(start + 10 * BATCH, count), BATCH)
        ]
        await asyncio.gather(*(queues[QUEUE].send_batch(batch) for batch in batches))


async def drain(queues: Queues, count: int, *, concurrency: int | None = None) -> float:
    """Messages a second that one consumer handles, of those that are there."""
    handled, done = 0, asyncio.Event()

    async def handle(batch: MessageBatch) -> None:
        nonlocal handled
        for message in batch.messages:
            message.ack()
        handled += len(batch.messages)
        if handled >= count:
            done.set()

    queues.consumer(QUEUE, max_batch_size=BATCH, max_batch_timeout=0, max_concurrency=concurrency)(handle)
    begun = time.perf_counter()
    async with queues.running():
        await done.wait()
        return handled / (time.perf_counter() - begun)


async def filled_drain(url: str, count: int, *, behind: int = 0, concurrency: int | None = None) -> float:
    """The pace of a drain of `count` messages that have `behind` others behind them."""
    async with fresh(url) as queues:
        await fill(queues, count + behind)
        return await drain(queues, count, concurrency=concurrency)


async def steady(url: str, seconds: float) -> float:
    """Messages a second that pass through, sent and handled at the same time, over the last third of that time."""
    async with fresh(url) as queues:
        handled = 0

        async def handle(batch: MessageBatch) -> None:
            nonlocal handled
            handled += len(batch.messages)

        queues.consumer(QUEUE, max_batch_size=BATCH, max_batch_timeout=0)(handle)
        end = time.perf_counter() + seconds

        async def send() -> None:
            number = 0
            while time.perf_counter() < end:
                await queues[QUEUE].send_batch(
                    [{"body": jobs.make(number + place)} for place in range(BATCH)]
                )
                number += BATCH
                # Senders that run away would measure a backlog.
                while 4 * number - handled > 20_000 and time.perf_counter() < end:
                    await asyncio.sleep(0.001)

        async with queues.running():
            senders = [asyncio.create_task(send()) for _ in range(4)]
            await asyncio.sleep(seconds * 2 / 3)
            before, at = handled, time.perf_counter()
            await asyncio.wait(senders)
            return (handled - before) / (time.perf_counter() - at)


@contextlib.asynccontextmanager
async def old_snapshot(url: str) -> AsyncIterator[None]:
    """A transaction that writes once and then stands open: nothing that is deleted meanwhile can be vacuumed."""
    connection = await asyncpg.connect(url)
    transaction = connection.transaction(isolation="repeatable_read")
    await transaction.start()
    await connection.execute("CREATE TEMPORARY TABLE held (a integer) ON COMMIT DROP")
    await connection.execute("SELECT count(*) FROM postroom_queues")
    yield
    await transaction.rollback()
    await connection.close()


async def loaded_latency(url: str, seconds: float) -> tuple[float, float]:
    """p50 and p99 in milliseconds from before a send to its handler, at LOADED_RATE a second."""
    samples: list[float] = []
    async with fresh(url) as queues:

        async def handle(batch: MessageBatch) -> None:
            now = time.perf_counter()
            samples.extend(now - message.body["sent"] for message in batch.messages)

        queues.consumer(QUEUE, max_batch_timeout=0)(handle)
        async with queues.running():
            begun, sends = time.perf_counter(), set()
            for number in range(int(seconds * LOADED_RATE)):
                await asyncio.sleep(max(0.0, begun + number / LOADED_RATE - time.perf_counter()))
                body = {**jobs.make(number), "sent": time.perf_counter()}
                task = asyncio.create_task(queues[QUEUE].send(body))
                sends.add(task)
                task.add_done_callback(sends.discard)
            await asyncio.gather(*sends)
            await asyncio.sleep(0.5)
    ordered = sorted(1000 * one for one in samples)
    return percentile(ordered, 0.5), percentile(ordered, 0.99)


async def workers(folder: Path, url: str, count: int, processes: int) -> float:
    """Messages a second that so many worker processes handle together."""
    async with fresh(url) as queues:
        await fill(queues, count)
    tallies = [Tally(folder / f"tally-{processes}-{number}") for number in range(processes)]
    with contextlib.ExitStack() as stack:
        started = [
            stack.enter_context(
                spawn.running(
                    spawn.module("bench.peers.postroom_sqlite"),
                    environ={peer.TALLY_VARIABLE: str(tally.path), peer.STORE_VARIABLE: url},
                    folder=folder,
                )
            )
            for tally in tallies
        ]
        await asyncio.to_thread(
            spawn.wait,
            "the queue to be drained",
            lambda: sum(tally.count for tally in tallies) >= count,
            *started,
            seconds=300,
        )
    begun = min(tally.first_ns for tally in tallies if tally.count)
    return count * 1e9 / (max(tally.last_ns for tally in tallies) - begun)


async def in_turn(rounds: int, plain: Run, special: Run) -> tuple[float, float, list[float]]:
    """Both in turn: the medians and the ratios of the rounds, sorted."""
    pairs = [(await special(), await plain()) for _ in range(rounds)]
    return (
        median(one for one, _ in pairs),
        median(one for _, one in pairs),
        sorted(one / other for one, other in pairs),
    )
