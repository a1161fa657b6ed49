"""Files with a backlog, to be drained."""

import asyncio
import contextlib
import itertools
import sqlite3
from pathlib import Path
from typing import Any, Final

from bench import bare
from bench.kit import jobs, spawn
from postroom.queues import Queue, connect

QUEUE: Final = "bench"
BULK: Final = 100
"""Messages in a bulk, the most that a batch may hold."""
FILLERS: Final = 8


def url(path: Path) -> str:
    """The broker's URL of a file."""
    return f"sqlite:///{path}"


def bulk(start: int, count: int = BULK) -> list[dict[str, Any]]:
    """The requests of one bulk."""
    return [{"body": jobs.make(number)} for number in range(start, start + count)]


async def fill(queue: Queue, count: int) -> None:
    """Send so many jobs, quickly and without timing."""
    starts = itertools.count(0, BULK)

    async def sender() -> None:
        while (start := next(starts)) < count:
            await queue.send_batch(bulk(start, min(BULK, count - start)))

    await asyncio.gather(*(sender() for _ in range(FILLERS)))


async def fill_file(path: Path, count: int) -> None:
    """Make a file with so many jobs in it, and close it."""
    async with connect(url(path)) as queues:
        await fill(queues[QUEUE], count)


def check_columns(folder: Path) -> None:
    """Raise BenchFailed unless the yardstick's table has the very columns of ours."""

    async def create(path: Path) -> None:
        async with connect(url(path)) as queues:
            await queues.create(QUEUE)

    with spawn.scratch(folder) as scratch:
        path = scratch / "q.db"
        asyncio.run(create(path))
        with contextlib.closing(sqlite3.connect(path)) as connection:
            ours = [(row[1], row[2]) for row in connection.execute("PRAGMA table_info(postroom_messages)")]
    if ours != bare.columns():
        raise spawn.BenchFailed(
            f"the yardstick's table is not ours any more; bring bench/bare.py up to date.\n"
            f"ours: {ours}\nbare: {bare.columns()}"
        )


async def top_up(path: Path, count: int) -> None:
    """Bring the backlog of a file up to so many jobs."""
    async with connect(url(path)) as queues:
        await queues.create(QUEUE)
        have = (await queues[QUEUE].metrics()).backlog_count
        await fill(queues[QUEUE], max(0, count - have))
