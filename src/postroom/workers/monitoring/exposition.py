"""Figures for Prometheus beside the counters of `telemetry.metrics`: what a look at the queues and the store tells.

https://prometheus.io/docs/instrumenting/exposition_formats/ . docs/guides/monitoring.md lists them; a test compares.
"""

from collections.abc import Iterator
from typing import Any, Final

from postroom.kit.clock import MICROSECOND
from postroom.workers.monitoring.performance import Monitor

QUEUE: Final = {
    "ready": ("postroom_queue_ready_messages", "Messages that are due."),
    "delayed": ("postroom_queue_delayed_messages", "Messages that are for later."),
    "inFlight": ("postroom_queue_in_flight_messages", "Messages in the hands of consumers."),
    "oldestSeconds": (
        "postroom_queue_oldest_due_seconds",
        "How long the oldest message that is due has waited.",
    ),
    "entered": (
        "postroom_queue_entered_5m",
        "Messages that came in, over 5 minutes; of a dead-letter queue, its growth.",
    ),
    "throughputPerSecond": ("postroom_jobs_per_second", "Jobs that ended, over 5 minutes."),
    "successRate": ("postroom_job_success_ratio", "Part of them that succeeded, from 0 to 1."),
    "failureRate": ("postroom_job_failure_ratio", "Part of them that failed, from 0 to 1."),
    "retried": ("postroom_jobs_retried_5m", "Attempts that are tried again, over 5 minutes."),
    "drainSeconds": ("postroom_queue_drain_seconds", "When what is due will be done at that rate."),
}
PERCENTILES: Final = {
    "waitSeconds": ("postroom_job_wait_seconds", "How long jobs were due before they began, over 5 minutes."),
    "runSeconds": ("postroom_job_run_seconds", "How long attempts took, over 5 minutes."),
}
STORAGE: Final = {
    "databaseBytes": ("postroom_database_bytes", "Size of the database."),
    "walBytes": ("postroom_wal_bytes", "Size of its write-ahead log."),
    "diskFreeBytes": ("postroom_disk_free_bytes", "Room that is left beside it."),
    "connections": ("postroom_server_connections", "Connections to the PostgreSQL server."),
    "oldestSnapshotSeconds": (
        "postroom_oldest_transaction_seconds",
        "Age of the database's oldest open transaction.",
    ),
    "clockStepSeconds": (
        "postroom_clock_step_seconds",
        "How far the wall clock was moved since the process began.",
    ),
}
PROVIDER: Final = {
    "available": ("postroom_provider_available", "1 while calls to a provider are let through."),
    "failures": ("postroom_provider_failures", "Calls to it that failed in a row."),
}
HEARTBEAT: Final = ("postroom_worker_heartbeat_age_seconds", "How long ago a worker was last heard of.")
WORKERS: Final = ("postroom_workers", "Workers that were seen in the last 30 s.")


async def exposition(monitor: Monitor) -> str:
    """The text."""
    performance = await monitor.performance("5m")
    lines = [
        *_lines(performance, await monitor.storage()),
        *_provider_lines(await monitor.providers()),
        *_worker_lines(performance),
    ]
    return "".join(f"{line}\n" for line in lines)


def _provider_lines(providers: list[dict[str, Any]]) -> Iterator[str]:
    for field, (name, said) in PROVIDER.items():
        yield from _head(name, said)
        for one in providers:
            yield f'{name}{{channel="{one["channel"]}",provider="{one["provider"]}"}} {one[field]}'


def _worker_lines(performance: dict[str, Any]) -> Iterator[str]:
    yield from _head(*WORKERS)
    yield f"{WORKERS[0]} {len(performance['workers'])}"
    yield from _head(*HEARTBEAT)
    for one in performance["workers"]:
        age = max(0.0, (performance["toUs"] - one["seenUs"]) / MICROSECOND)
        yield f'{HEARTBEAT[0]}{{worker="{one["id"]}"}} {age:g}'


def _lines(performance: dict[str, Any], storage: dict[str, Any]) -> Iterator[str]:
    for field, (name, said) in QUEUE.items():
        yield from _head(name, said)
        for one in performance["queues"]:
            if one[field] is not None:
                yield f'{name}{{queue="{one["queue"]}"}} {one[field]}'
    for field, (name, said) in PERCENTILES.items():
        yield from _head(name, said)
        for one in performance["queues"]:
            for part, value in one[field].items():
                if value is not None:
                    yield f'{name}{{queue="{one["queue"]}",quantile="0.{part[1:]}"}} {value}'
    for field, (name, said) in STORAGE.items():
        if field in storage:
            yield from _head(name, said)
            yield f"{name} {storage[field]}"


def _head(name: str, said: str) -> tuple[str, str]:
    return f"# HELP {name} {said}", f"# TYPE {name} gauge"
