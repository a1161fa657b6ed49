"""Ours: the whole service as its users run it, from the HTTP request to the recorded status.

`postroom up` runs as a process; jobs are enqueued through `POST /api/enqueue-batch` and watched through
`GET /debug/queue-status`. Nothing of Postroom is imported here.
"""

import contextlib
import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.http import environment, post
from bench.kit import jobs, spawn

UP: Final = spawn.module("postroom", "up")
"""The command that runs the API and the consumer in one process."""
SMTP_VARIABLE: Final = "POSTROOM_SMTP_URL"
SMTP_URL: Final = "smtp://127.0.0.1:{port}?tls=none"
BATCH_PATH: Final = "/api/enqueue-batch"
BATCH: Final = 100
STATUS_PATH: Final = "/debug/queue-status"
PRIORITY: Final = "high"
"""Due at once: the other priorities wait on purpose."""
LOOK_SECONDS: Final = 0.02
STALL_SECONDS: Final = 60.0
"""A service that completes nothing for so long has failed."""


class Service(NamedTuple):
    """A running service."""

    process: spawn.Process
    port: int


class Counts(NamedTuple):
    """Jobs by what became of them."""

    completed: int
    failed: int


@contextlib.contextmanager
def up(parent: Path, smtp_port: int) -> Iterator[Service]:
    """The service on a new database for the length of a block."""
    with spawn.scratch(parent) as folder:
        port = spawn.free_port()
        environ = environment(folder / "p.db", port, {SMTP_VARIABLE: SMTP_URL.format(port=smtp_port)})
        with spawn.running(UP, environ=environ, folder=folder) as process:
            spawn.wait("the service to listen", lambda: spawn.answers(port), process)
            yield Service(process, port)


def deliver(service: Service, first: int, count: int) -> float:
    """Enqueue the jobs from number `first` on, and watch until all are completed; emails a second.

    The time begins with the first request. The service counts its jobs anew only every so often, so the end is
    seen late rather than early: against us.
    """
    before = counts(service)
    started = time.perf_counter()
    for start in range(first, first + count, BATCH):
        batch = [
            {**jobs.make(number), "priority": PRIORITY}
            for number in range(start, min(start + BATCH, first + count))
        ]
        post(service.port, BATCH_PATH, {"jobs": batch}, service.process)
    done, moved = 0, time.perf_counter()
    while True:
        service.process.check()
        now = counts(service)
        moment = time.perf_counter()
        if now.failed > before.failed:
            raise spawn.BenchFailed(f"{now.failed - before.failed} emails failed\n{service.process.tail()}")
        if now.completed - before.completed >= count:
            return count / (moment - started)
        if now.completed - before.completed > done:
            done, moved = now.completed - before.completed, moment
        if moment - moved > STALL_SECONDS:
            raise spawn.BenchFailed(
                f"{done} of {count} emails completed, and no more in {STALL_SECONDS:g} s\n{service.process.tail()}"
            )
        time.sleep(LOOK_SECONDS)


def counts(service: Service) -> Counts:
    """The service's own counts of its jobs."""
    url = f"http://127.0.0.1:{service.port}{STATUS_PATH}"
    try:
        with urllib.request.urlopen(url, timeout=spawn.START_SECONDS) as answer:
            health: dict[str, Any] = json.load(answer)["health"]
    except OSError as error:
        raise spawn.BenchFailed(f"GET {STATUS_PATH} failed: {error}\n{service.process.tail()}") from error
    return Counts(health["completed"], health["failed"])
