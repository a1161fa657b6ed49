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


class Delivered(NamedTuple):
    """What one run came to, in emails a second."""

    whole: float
    """From the first enqueue request until every job was seen completed."""
    sending: float
    """From the first completed job seen until all were."""


@contextlib.contextmanager
def up(parent: Path, smtp_port: int) -> Iterator[Service]:
    """The service on a new database for the length of a block."""
    with spawn.scratch(parent) as folder:
        port = spawn.free_port()
        environ = environment(folder / "p.db", port, {SMTP_VARIABLE: SMTP_URL.format(port=smtp_port)})
        with spawn.running(UP, environ=environ, folder=folder) as process:
            spawn.wait("the service to listen", lambda: spawn.answers(port), process)
            yield Service(process, port)


def deliver(service: Service, first: int, count: int) -> Delivered:
    """Enqueue the jobs from number `first` on, and watch until all are completed.

    The service counts its jobs anew only every so often, so the end is seen late rather than early: against us.
    """
    before = counts(service)
    started = time.perf_counter()
    for start in range(first, first + count, BATCH):
        batch = [
            {**jobs.make(number), "priority": PRIORITY}
            for number in range(start, min(start + BATCH, first + count))
        ]
        post(service.port, BATCH_PATH, {"jobs": batch}, service.process)
    seen: list[tuple[float, int]] = []
    while not seen or seen[-1][1] < count:
        service.process.check()
        now = counts(service)
        if now.failed > before.failed:
            raise spawn.BenchFailed(f"{now.failed - before.failed} emails failed\n{service.process.tail()}")
        done = now.completed - before.completed
        if done and (not seen or done > seen[-1][1]):
            seen.append((time.perf_counter(), done))
        if time.perf_counter() - (seen[-1][0] if seen else started) > STALL_SECONDS:
            raise spawn.BenchFailed(
                f"{done} of {count} emails completed, and no more in {STALL_SECONDS:g} s\n{service.process.tail()}"
            )
        time.sleep(LOOK_SECONDS)
    (begun, had), (ended, _) = seen[0], seen[-1]
    whole = count / (ended - started)
    # Seen all at once: there is no more to know than the whole.
    return Delivered(whole, (count - had) / (ended - begun) if ended > begun else whole)


def counts(service: Service) -> Counts:
    """The service's own counts of its jobs."""
    url = f"http://127.0.0.1:{service.port}{STATUS_PATH}"
    try:
        with urllib.request.urlopen(url, timeout=spawn.START_SECONDS) as answer:
            health: dict[str, Any] = json.load(answer)["health"]
    except OSError as error:
        raise spawn.BenchFailed(f"GET {STATUS_PATH} failed: {error}\n{service.process.tail()}") from error
    return Counts(health["completed"], health["failed"])
