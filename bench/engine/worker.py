"""A consumer in a process of its own: `python -m bench.engine.worker FILE TALLY --batch N`.

It says in its tally when it is ready, begins when it is let, and ends at SIGTERM.
"""

import argparse
import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import uvloop

from bench.engine.filling import QUEUE, url
from bench.kit import spawn
from bench.kit.tally import SENT, Tally
from postroom.queues import MessageBatch, connect

LOOK_SECONDS: Final = 0.001


async def consume(path: Path, tally: Tally, size: int) -> None:
    """Count what is handled, and time the probes among it."""

    async def handle(batch: MessageBatch) -> None:
        for message in batch.messages:
            if SENT in message.body:
                tally.sample(message.body[SENT])
            message.ack()
        tally.add(len(batch.messages))

    async with connect(url(path)) as queues:
        queues.consumer(QUEUE, max_batch_size=size, max_batch_timeout=0)(handle)
        await queues.create(QUEUE)
        tally.ready()
        while not tally.went_ns:
            await asyncio.sleep(LOOK_SECONDS)
        await queues.run()


@contextlib.contextmanager
def workers(folder: Path, path: Path, count: int, size: int) -> Iterator[list[tuple[spawn.Process, Tally]]]:
    """So many processes on one file, all ready and let begin together, for the length of a block."""
    with ExitStack() as stack, spawn.scratch(folder) as scratch:
        made = []
        for number in range(count):
            tally = Tally(scratch / f"tally-{number}")
            command = spawn.module("bench.engine.worker", path, tally.path, "--batch", size)
            made.append((stack.enter_context(spawn.running(command, folder=scratch)), tally))
        for process, tally in made:
            spawn.wait("a consumer process", tally.is_ready, process)
        for _, tally in made:
            tally.go()
        yield made


def main() -> None:
    """Consume until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("tally", type=Path)
    parser.add_argument("--batch", type=int, required=True)
    given = parser.parse_args()
    uvloop.run(consume(given.file, Tally(given.tally), given.batch))


if __name__ == "__main__":
    main()
