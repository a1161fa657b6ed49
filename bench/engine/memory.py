"""Memory of a process through which many messages go: `python -m bench.engine.memory FILE MESSAGES`.

A fresh process, so that nothing measured before it counts. It prints the resident set after each twentieth of
the messages.
"""

import argparse
import asyncio
import subprocess
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from bench.engine.filling import BULK, QUEUE, bulk, url
from bench.kit import spawn
from postroom.queues import MessageBatch, connect

PARTS: Final = 20
EARLY: Final = 2
"""The part after whose end the process counts as warm: with PARTS, a tenth of the messages."""
AHEAD: Final = 5_000
"""Messages that the senders may be ahead of the consumer."""
SENDERS: Final = 4


class Memory(msgspec.Struct):
    """The resident set in MiB after each part of the messages."""

    resident: list[float]

    @property
    def early(self) -> float:
        """After a tenth."""
        return self.resident[EARLY - 1]

    @property
    def late(self) -> float:
        """The most of any moment after that."""
        return max(self.resident[EARLY:])


def measure(folder: Path, count: int) -> Memory:
    """Send and consume so many messages in a process of their own."""
    with spawn.scratch(folder) as scratch:
        command = spawn.module("bench.engine.memory", scratch / "q.db", count)
        done = subprocess.run(command, cwd=spawn.ROOT, capture_output=True, text=True)
    if done.returncode:
        raise spawn.BenchFailed(f"the memory run failed:\n{done.stderr[-2000:]}")
    return msgspec.json.decode(done.stdout, type=Memory)


async def _run(path: Path, count: int) -> Memory:
    resident: list[float] = []
    handled, room = 0, asyncio.Event()

    async def handle(batch: MessageBatch) -> None:
        nonlocal handled
        for message in batch.messages:
            message.ack()
        handled += len(batch.messages)
        while len(resident) < PARTS and handled * PARTS >= count * (len(resident) + 1):
            resident.append(_resident_mib())
        room.set()

    sent = 0

    async def sender() -> None:
        nonlocal sent
        while sent < count:
            start, sent = sent, sent + BULK
            await queue.send_batch(bulk(start))
            while sent - handled > AHEAD:
                room.clear()
                await room.wait()

    async with connect(url(path)) as queues:
        queue = queues[QUEUE]
        queues.consumer(QUEUE, max_batch_size=100, max_batch_timeout=0)(handle)
        async with queues.running():
            await asyncio.gather(*(sender() for _ in range(SENDERS)))
            while len(resident) < PARTS:
                room.clear()
                await room.wait()
    return Memory(resident)


def _resident_mib() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise spawn.BenchFailed("/proc/self/status has no VmRSS")


def main() -> None:
    """Print a Memory as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("messages", type=int)
    given = parser.parse_args()
    print(msgspec.json.encode(uvloop.run(_run(given.file, given.messages))).decode())


if __name__ == "__main__":
    main()
