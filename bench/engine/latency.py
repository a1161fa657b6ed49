"""Idle latency: from just before a send to the handler's start, with nothing else to do; and its price in CPU."""

import asyncio
import ctypes
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import uvloop

from bench.engine.filling import QUEUE, url
from bench.engine.worker import workers
from bench.kit import jobs, spawn
from bench.kit.tally import SENT
from postroom.queues import MessageBatch, Queue, connect

PAUSE_SECONDS: Final = (0.01, 0.03)
"""Between two probes, at random, so that nothing falls into step with them."""
PATIENCE_SECONDS: Final = 10.0
"""A probe that takes longer has failed."""
SETTLE_SECONDS: Final = 1.0
WARM_UP: Final = 10
"""Probes that come before those that count."""
BATCH: Final = 10


class Idle(NamedTuple):
    """Between two processes: the probes' latencies, and what the waiting consumer costs."""

    latencies_ms: list[float]
    cpu_percent: float
    """Of one core, over some seconds without any message."""


def in_one_process(folder: Path, probes: int) -> list[float]:
    """Latencies in milliseconds, sorted, when sender and consumer share a process."""
    with spawn.scratch(folder) as scratch:
        return uvloop.run(_in_one_process(scratch / "q.db", probes))


async def _in_one_process(path: Path, probes: int) -> list[float]:
    latencies: list[float] = []

    async def handle(batch: MessageBatch) -> None:
        arrived = time.monotonic_ns()
        for message in batch.messages:
            latencies.append((arrived - message.body[SENT]) / 1e6)
            message.ack()

    async with connect(url(path)) as queues:
        queues.consumer(QUEUE, max_batch_size=BATCH, max_batch_timeout=0)(handle)
        async with queues.running():
            await _probe(queues[QUEUE], probes + WARM_UP, lambda: len(latencies))
    return sorted(latencies[WARM_UP:])


def between_processes(folder: Path, probes: int, idle_seconds: float) -> Idle:
    """Latencies when the consumer is another process than the sender, and that process's CPU while idle."""
    with spawn.scratch(folder) as scratch:
        path = scratch / "q.db"
        with workers(scratch, path, 1, BATCH) as made:
            ((process, tally),) = made

            async def run() -> float:
                async with connect(url(path)) as queues:
                    await _probe(queues[QUEUE], WARM_UP, lambda: tally.count)
                    tally.clear()
                    await _probe(queues[QUEUE], probes, lambda: tally.count)
                    await asyncio.sleep(SETTLE_SECONDS)
                    return await _cpu_share(process.pid, idle_seconds)

            share = uvloop.run(run())
            return Idle(tally.samples_ms(), 100 * share)


async def _probe(queue: Queue, probes: int, arrived: Callable[[], int]) -> None:
    for number in range(1, probes + 1):
        await asyncio.sleep(random.uniform(*PAUSE_SECONDS))
        job = jobs.make(number)
        job[SENT] = time.monotonic_ns()
        await queue.send(job)
        end = time.monotonic() + PATIENCE_SECONDS
        while arrived() < number:
            await asyncio.sleep(0.001)
            if time.monotonic() > end:
                raise spawn.BenchFailed(f"probe {number} did not arrive within {PATIENCE_SECONDS:g} s")


async def _cpu_share(pid: int, seconds: float) -> float:
    """CPU time over wall time of another process."""
    clock = _cpu_clock(pid)
    before, started = time.clock_gettime(clock), time.perf_counter()
    await asyncio.sleep(seconds)
    return (time.clock_gettime(clock) - before) / (time.perf_counter() - started)


def _cpu_clock(pid: int) -> int:
    """The clock of a process's CPU time, clock_getcpuclockid(3): /proc counts in ticks too coarse for us."""
    clock = ctypes.c_int()
    if ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock)):
        raise spawn.BenchFailed(f"no CPU clock for process {pid}")
    return clock.value
