"""How the service is doing: counts, failure rate and what happened last, as `queue status` shows it."""

from typing import Any

import msgspec

from postroom.jobs.states import JobState
from postroom.kit.clock import Clock, isoformat
from postroom.queues import Queues
from postroom.store import Store, StoreTransaction

RECENT = 10
"""Jobs in the recent activity."""
FRESH_US = 500_000
"""Counts of jobs are taken anew at most this often."""


class Health(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Jobs by what became of them."""

    total: int
    queued: int
    """Waiting, whether at once, for their moment or for another try."""
    processing: int
    completed: int
    failed: int
    """Failed for good, or uncertain."""
    failure_rate: float
    """Failed among those that have ended, 0..1; 0 when none has."""


class QueueFacts(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One queue."""

    name: str
    ready: int
    delayed: int
    in_flight: int
    backlog_bytes: int
    oldest_message_at: str | None
    paused: bool
    consumer: bool
    """Whether this process consumes it."""


class Activity(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One of the last jobs; without its message's recipient and content."""

    job_id: str
    type: str
    reference: str | None
    status: str
    priority: str
    attempts: int
    enqueued_at: str
    updated_at: str
    code: str | None
    reason: str | None


class QueueStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The whole answer of `/debug/queue-status`."""

    health: Health
    queues: list[QueueFacts]
    recent_activity: list[Activity]
    environment: dict[str, Any]
    at: str


class StatusReader:
    """Reads the status; counts are cached for half a second, so that watching never slows the work."""

    def __init__(self, store: Store, queues: Queues, clock: Clock, environment: dict[str, Any]) -> None:
        self._store = store
        self._queues = queues
        self._clock = clock
        self._environment = environment
        self._counted_us = 0
        self._counts: dict[str, int] = {}

    async def read(self) -> QueueStatus:
        """The status now."""
        now_us = self._clock.now_us()
        if not self._counts or now_us - self._counted_us >= FRESH_US:
            rows = await self._store.read(lambda transaction: transaction.all("count_jobs"))
            self._counts = {row["status"]: row["count"] for row in rows}
            self._counted_us = now_us
        recent = await self._store.read(_recent)
        return QueueStatus(
            health=health_of(self._counts),
            queues=[await self._facts(name) for name in await self._queues.names()],
            recent_activity=[_activity(row) for row in recent],
            environment=self._environment,
            at=isoformat(now_us) or "",
        )

    async def _facts(self, name: str) -> QueueFacts:
        info = await self._queues.info(name)
        return QueueFacts(
            name=name,
            ready=info.ready,
            delayed=info.delayed,
            in_flight=info.in_flight,
            backlog_bytes=info.backlog.bytes,
            oldest_message_at=isoformat(info.backlog.oldest_us),
            paused=info.paused,
            consumer=any(c.options.queue == name and c.running for c in self._queues.consumers),
        )


def health_of(counts: dict[str, int]) -> Health:
    """Jobs by status, summed up."""
    waiting = (JobState.QUEUED, JobState.SCHEDULED, JobState.RETRY_SCHEDULED)
    failed = counts.get(JobState.FAILED, 0) + counts.get(JobState.UNCERTAIN, 0)
    completed = counts.get(JobState.DONE, 0)
    return Health(
        total=sum(counts.values()),
        queued=sum(counts.get(state, 0) for state in waiting),
        processing=counts.get(JobState.PROCESSING, 0),
        completed=completed,
        failed=failed,
        failure_rate=round(failed / (failed + completed), 4) if failed + completed else 0.0,
    )


def _recent(transaction: StoreTransaction) -> list[dict[str, Any]]:
    return transaction.all("recent_jobs", limit=RECENT)


def _activity(row: dict[str, Any]) -> Activity:
    return Activity(
        job_id=row["id"],
        type=row["type"],
        reference=row["reference"],
        status=row["status"],
        priority=row["priority"],
        attempts=row["attempts"],
        enqueued_at=isoformat(row["created_us"]) or "",
        updated_at=isoformat(row["updated_us"]) or "",
        code=row["code"],
        reason=row["reason"],
    )
