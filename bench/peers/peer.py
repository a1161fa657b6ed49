"""What every peer's module offers, and how each of them is driven.

Each run of a peer is a process of its own (`python -m bench.peers.run NAME FOLDER`): it starts the peer's server,
enqueues, and starts the peer's own worker command as yet another process, as its users would. The worker
imports the peer's module for its handler; what it needs to know stands in the environment.
"""

import abc
import asyncio
import contextlib
import itertools
import os
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop

from bench.kit import jobs, spawn
from bench.kit.tally import SENT, Tally

TALLY_VARIABLE: Final = "BENCH_TALLY"
STORE_VARIABLE: Final = "BENCH_STORE"
"""Where the peer's store is: a file or a URL."""
SECONDS_DEFAULT: Final = 2.0
PROBES_DEFAULT: Final = 100
PAUSE_SECONDS: Final = (0.02, 0.05)
"""Between two probes."""
WARM_UP: Final = 3
"""Jobs and probes that come before those that count: the first ones connect and prepare."""
DRAIN_SECONDS: Final = 60.0
"""A drain is cut off after so long; its rate is then that of what was handled."""
PROBE_SECONDS: Final = 30.0
"""A probe that takes longer has failed."""


class Result(msgspec.Struct):
    """What one run of a peer came to."""

    one_by_one: float
    """Jobs a second, each enqueued by a call of its own that is awaited."""
    bulk: float
    """Jobs a second by the quickest documented way of enqueueing many."""
    drain: float
    """Jobs a second that one worker handles, from the first to the last."""
    idle_ms: list[float]
    """From just before the call that enqueues to the handler's start, with nothing else to do; sorted."""


class Peer(abc.ABC):
    """One queue under test. `opened` comes first and lasts for everything else."""

    def __init__(self) -> None:
        self.store = ""
        """For the worker's environment; set by `opened`."""

    @abc.abstractmethod
    def opened(self, folder: Path) -> contextlib.AbstractContextManager[None]:
        """Start the server, if there is one, and connect for enqueueing."""

    @abc.abstractmethod
    def enqueue(self, job: Mapping[str, Any]) -> None:
        """Enqueue one job and wait until the store has it."""

    @abc.abstractmethod
    def enqueue_bulk(self, start: int) -> int:
        """Enqueue some jobs from that number on, in the quickest documented way; returns how many."""

    @abc.abstractmethod
    def worker(self) -> Sequence[str | Path]:
        """The command of one worker."""

    def one_by_one(self, seconds: float) -> tuple[int, float]:
        """Enqueue one by one for so long; the number of jobs and their rate."""
        return timed(seconds, lambda number: self._one(number))

    def bulk(self, seconds: float) -> tuple[int, float]:
        """Enqueue in bulk for so long."""
        return timed(seconds, self.enqueue_bulk)

    def probe(self, first: int, count: int, arrived: Callable[[], int]) -> None:
        """Enqueue so many probes, each when the one before it was handled; `arrived` counts them all."""
        for number in range(first, first + count):
            time.sleep(random.uniform(*PAUSE_SECONDS))
            self.enqueue(_probe(number))
            end = time.monotonic() + PROBE_SECONDS
            while arrived() < number:
                _check_patience(number, end)
                time.sleep(spawn.LOOK_SECONDS)

    def _one(self, number: int) -> int:
        self.enqueue(jobs.make(number))
        return 1


class AsyncPeer(Peer):
    """A peer whose producer is asynchronous; all of it runs in one loop."""

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)

    def run(self, coroutine: Any) -> Any:
        """Run a coroutine in the peer's loop."""
        return self._runner.run(coroutine)

    @abc.abstractmethod
    async def send(self, job: Mapping[str, Any]) -> None:
        """`enqueue`, asynchronously."""

    @abc.abstractmethod
    async def send_bulk(self, start: int) -> int:
        """`enqueue_bulk`, asynchronously."""

    def enqueue(self, job: Mapping[str, Any]) -> None:
        """Enqueue one job."""
        self.run(self.send(job))

    def enqueue_bulk(self, start: int) -> int:
        """Enqueue some jobs."""
        return int(self.run(self.send_bulk(start)))

    # These loops run inside the event loop: starting it for each job would cost more than the job.

    def one_by_one(self, seconds: float) -> tuple[int, float]:
        """Enqueue one by one for so long."""

        async def one(number: int) -> int:
            await self.send(jobs.make(number))
            return 1

        return self.run(timed_async(seconds, one))  # type: ignore[no-any-return]

    def bulk(self, seconds: float) -> tuple[int, float]:
        """Enqueue in bulk for so long."""
        return self.run(timed_async(seconds, self.send_bulk))  # type: ignore[no-any-return]

    def probe(self, first: int, count: int, arrived: Callable[[], int]) -> None:
        """Enqueue so many probes, each when the one before it was handled."""

        async def probe() -> None:
            for number in range(first, first + count):
                await asyncio.sleep(random.uniform(*PAUSE_SECONDS))
                await self.send(_probe(number))
                end = time.monotonic() + PROBE_SECONDS
                while arrived() < number:
                    _check_patience(number, end)
                    await asyncio.sleep(spawn.LOOK_SECONDS)

        self.run(probe())


def _probe(number: int) -> dict[str, Any]:
    return {**jobs.make(number), SENT: time.monotonic_ns()}


def _check_patience(number: int, end: float) -> None:
    if time.monotonic() > end:
        raise spawn.BenchFailed(f"probe {number} was not handled within {PROBE_SECONDS:g} s")


def timed(seconds: float, step: Callable[[int], int]) -> tuple[int, float]:
    """Repeat a step, which is told how many jobs there were before it, for so long."""
    done, started = 0, time.perf_counter()
    while (taken := time.perf_counter() - started) < seconds:
        done += step(done)
    return done, done / taken


async def timed_async(seconds: float, step: Callable[[int], Awaitable[int]]) -> tuple[int, float]:
    """`timed` for an asynchronous step."""
    done, started = 0, time.perf_counter()
    while (taken := time.perf_counter() - started) < seconds:
        done += await step(done)
    return done, done / taken


def handler_tally() -> Tally:
    """The tally of the worker that this process is."""
    return Tally(Path(os.environ[TALLY_VARIABLE]))


def handler_store() -> str:
    """Where the store of the worker that this process is can be found."""
    return os.environ[STORE_VARIABLE]


def drive(peer: Peer, folder: Path, *, seconds: float, probes: int) -> Result:
    """Enqueue in both ways, drain all of it with one worker, then probe the idle queue."""
    with spawn.scratch(folder) as scratch, peer.opened(scratch):
        for number in range(WARM_UP):
            peer.enqueue(jobs.make(number))
        single, one_by_one = peer.one_by_one(seconds)
        many, bulk = peer.bulk(seconds)
        drain = _drain(peer, scratch, WARM_UP + single + many)
        return Result(one_by_one, bulk, drain, _idle(peer, scratch, probes))


@contextlib.contextmanager
def _working(peer: Peer, folder: Path, tally: Tally) -> Iterator[spawn.Process]:
    environ = {TALLY_VARIABLE: str(tally.path), STORE_VARIABLE: peer.store}
    with spawn.running(peer.worker(), environ=environ, folder=folder) as process:
        yield process


def _drain(peer: Peer, folder: Path, count: int) -> float:
    tally = Tally(folder / "tally-drain")
    with _working(peer, folder, tally) as process:
        spawn.wait("the worker's first job", lambda: tally.count > 0, process)
        end = time.monotonic() + DRAIN_SECONDS
        spawn.wait(
            "the worker to empty the queue",
            lambda: tally.count >= count or time.monotonic() > end,
            process,
            seconds=2 * DRAIN_SECONDS,
        )
        handled, last_ns = tally.count, tally.last_ns
        if handled < count:
            _empty(peer, tally, process, count)
    return (handled - 1) * 1e9 / (last_ns - tally.first_ns)


def _empty(peer: Peer, tally: Tally, process: spawn.Process, count: int) -> None:
    """A drain that was cut off leaves jobs that the probes would have to queue behind."""
    spawn.wait("the rest of the jobs", lambda: tally.count >= count, process, seconds=10 * DRAIN_SECONDS)


def _idle(peer: Peer, folder: Path, probes: int) -> list[float]:
    tally = Tally(folder / "tally-idle")
    with _working(peer, folder, tally) as process:
        peer.probe(1, WARM_UP, lambda: tally.count)
        process.check()
        tally.clear()
        peer.probe(1, probes, lambda: tally.count)
        return tally.samples_ms()


def numbers(start: int, count: int) -> Iterator[dict[str, Any]]:
    """So many jobs from that number on."""
    return (jobs.make(number) for number in itertools.islice(itertools.count(start), count))
