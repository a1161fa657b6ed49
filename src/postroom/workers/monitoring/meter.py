"""Counting: each process counts its jobs in memory and adds them to the minute's row every few seconds.

The same write is the worker's heartbeat and tells what it is at. What could not be written is kept and written with the
next. How full the queues are is noted by one process of the fleet at a time.
"""

import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from postroom import __version__
from postroom.jobs.events import JobFinished, JobStarted
from postroom.kit.clock import MICROSECOND, Clock
from postroom.kit.ids import new_id
from postroom.kit.service import Service
from postroom.queues import BrokerUnavailable, QueueInfo, Queues
from postroom.queues.events import BatchHandled, LeaseLost, MessageDeadLettered, MessagesRedriven
from postroom.queues.limits import CONCURRENCY_MAX
from postroom.store import Store, StoreTransaction
from postroom.workers.monitoring.histogram import Histogram

FLUSH_SECONDS: Final = 5.0
METRICS: Final = "metrics"
"""What who adds to the counts has to itself."""
MINUTE_US: Final = 60 * MICROSECOND
QUARTER_US: Final = 15 * MINUTE_US
"""Of an hour: what the curves of days and months are drawn from."""
DAY_US: Final = 86_400 * MICROSECOND
KEPT_US: Final = 2 * DAY_US
"""How long minutes are kept; days are kept for ever, one row a queue."""
QUARTERS_KEPT_US: Final = 32 * DAY_US
HOURS_KEPT_US: Final = 8 * DAY_US
"""How long it is known in which hour a failure came."""
GAUGE_SECONDS: Final = 5.0
WORK_MAX: Final = 50
"""Jobs that a worker tells of."""
ALIVE_US: Final = 30 * MICROSECOND
"""A worker that was seen within this time is alive."""
_encode = msgspec.json.Encoder().encode


class _Counts:
    """Of one queue and minute."""

    __slots__ = ("backlog", "done", "entered", "failed", "in_flight", "oldest_us", "retried", "runs", "waits")

    def __init__(self) -> None:
        self.done = self.failed = self.retried = self.entered = 0
        self.backlog: int | None = None
        self.in_flight: int | None = None
        self.oldest_us: int | None = None
        self.waits, self.runs = Histogram(), Histogram()

    def add(self, row: dict[str, Any]) -> None:
        """Add a row of the table."""
        self.done += row["done"]
        self.failed += row["failed"]
        self.retried += row["retried"]
        self.entered += row["entered"]
        self.note(row["backlog"], row["in_flight"], row["oldest_us"])
        self.waits.merge(msgspec.json.decode(row["waits"]))
        self.runs.merge(msgspec.json.decode(row["runs"]))

    def note(self, backlog: int | None, in_flight: int | None, oldest_us: int | None) -> None:
        """How full it was; the highest counts."""
        self.backlog = _higher(self.backlog, backlog)
        self.in_flight = _higher(self.in_flight, in_flight)
        self.oldest_us = _higher(self.oldest_us, oldest_us)

    def values(self) -> dict[str, Any]:
        """As the table has it."""
        return {
            "done": self.done, "failed": self.failed, "retried": self.retried, "entered": self.entered,
            "backlog": self.backlog, "in_flight": self.in_flight, "oldest_us": self.oldest_us,
            "waits": _encode(self.waits.counts).decode(), "runs": _encode(self.runs.counts).decode(),
        }  # fmt: skip


class Meter(Service):
    """Listens from when it is made; `start` begins to write."""

    name = "meter"

    def __init__(self, store: Store, queues: Queues, clock: Clock, jobs: str, *, works: bool = True) -> None:
        """`jobs` is the queue of jobs; `works` is whether this process is a worker and not just a door."""
        super().__init__()
        self._jobs = jobs
        self._works = works
        self._store = store
        self._queues = queues
        self._clock = clock
        self._counts: dict[tuple[int, str], _Counts] = {}
        self._work: dict[str, dict[str, Any]] = {}
        self._leases_lost = 0
        self._sent: dict[str, int] = {}
        self.when_asked_to_stop: Callable[[str], None] | None = None
        """Called with who asks, once, when somebody wants this worker to stop."""
        self.worker = {
            "id": new_id(), "host": socket.gethostname(), "pid": os.getpid(), "version": __version__,
            "started_us": clock.now_us(),
        }  # fmt: skip
        queues.events.subscribe(JobStarted, self._started)
        queues.events.subscribe(JobFinished, self._finished)
        queues.events.subscribe(BatchHandled, self._handled)
        queues.events.subscribe(MessageDeadLettered, self._buried)
        queues.events.subscribe(MessagesRedriven, self._redriven)
        queues.events.subscribe(LeaseLost, self._lost)

    async def flush(self) -> None:
        """Write what was counted, and that this worker is alive."""
        self._count_sent()
        counted, self._counts = self._counts, {}
        seen = self._seen() if self._works else None

        def write(transaction: StoreTransaction) -> str | None:
            if counted:
                transaction.lock(METRICS)
            for (minute_us, queue), counts in counted.items():
                _add(transaction, MINUTE_US, minute_us, queue, counts)
                _add(transaction, QUARTER_US, minute_us // QUARTER_US * QUARTER_US, queue, counts)
            if seen is None:
                return None
            transaction.run("see_worker", **seen)
            row = transaction.one("find_worker", id=self.worker["id"])
            return row["stop_by"] if row is not None else None

        try:
            asked = await self._store.write(write)
        except BrokerUnavailable:
            for key, counts in counted.items():
                self._counts.setdefault(key, _Counts()).add(counts.values())
            return
        if asked is not None and self.when_asked_to_stop is not None:
            stop, self.when_asked_to_stop = self.when_asked_to_stop, None
            stop(asked)

    async def gauge(self) -> bool:
        """Note how full the queues are, unless another process just has."""
        now_us = self._clock.now_us()
        before_us = now_us - round(GAUGE_SECONDS * MICROSECOND) + MICROSECOND
        turn = {"name": "gauges", "now_us": now_us, "before_us": before_us}
        if not await self._store.write(lambda transaction: transaction.run("take_turn", **turn)):
            return False
        for name in await self._queues.names():
            info = await self._queues.info(name)
            self._now(name).note(info.backlog.messages, info.in_flight, _age_us(info, now_us))
        return True

    def _seen(self) -> dict[str, Any]:
        """What this worker tells of itself."""
        consumers = [consumer for consumer in self._queues.consumers if consumer.running]
        return {
            **self.worker,
            "queues": _encode(sorted({one.options.queue for one in consumers})).decode(),
            "seen_us": self._clock.now_us(), "running": len(self._work),
            "slots": sum(one.options.max_concurrency or CONCURRENCY_MAX for one in consumers),
            "work": _encode(list(self._work.values())[:WORK_MAX]).decode(),
            "memory_bytes": _memory_bytes(), "leases_lost": self._leases_lost,
        }  # fmt: skip

    def _count_sent(self) -> None:
        totals = dict(self._queues.sent.totals())
        for queue, total in totals.items():
            new = total - self._sent.get(queue, 0)
            if new:
                self._now(queue).entered += new
        self._sent = totals

    def _note_version(self, transaction: StoreTransaction) -> None:
        """A mark in the curves when another version begins to work."""
        last = transaction.one("last_deploy")
        if last is None or last["version"] != __version__:
            transaction.run("note_deploy", now_us=self._clock.now_us(), version=__version__)

    async def stop(self) -> None:
        """Write the last of it and leave the list of workers."""
        await super().stop()
        await self.flush()
        await self._store.write(lambda transaction: transaction.run("leave_worker", id=self.worker["id"]))

    async def _run(self) -> None:
        if self._works:
            with contextlib.suppress(BrokerUnavailable):
                await self._store.write(self._note_version)
        while True:
            with contextlib.suppress(BrokerUnavailable):
                await self.gauge()
            await self.flush()
            with contextlib.suppress(BrokerUnavailable):
                await self._store.write(self._roll_up_daily)
            await self._clock.sleep(FLUSH_SECONDS)

    def _roll_up_daily(self, transaction: StoreTransaction) -> None:
        """Once a day in the whole fleet."""
        now_us = self._clock.now_us()
        if transaction.run("take_turn", name="metrics_rollup", now_us=now_us, before_us=now_us - DAY_US):
            roll_up(transaction, now_us)

    def _now(self, queue: str) -> _Counts:
        key = (self._clock.now_us() // MINUTE_US * MINUTE_US, queue)
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = _Counts()
        return counts

    def _started(self, event: JobStarted) -> None:
        self._work[event.job_id] = {
            "jobId": event.job_id, "type": event.type, "queue": event.queue, "attempt": event.attempt,
            "sinceUs": self._clock.now_us(),
        }  # fmt: skip
        if event.wait_seconds is not None:
            self._now(event.queue).waits.add(event.wait_seconds)

    def _finished(self, event: JobFinished) -> None:
        self._work.pop(event.job_id, None)
        if event.outcome == "skipped":
            return
        counts = self._now(event.queue)
        counts.runs.add(event.duration_seconds)
        match event.outcome:
            case "done":
                counts.done += 1
            case "retry":
                counts.retried += 1
            case _:
                counts.failed += 1

    def _handled(self, event: BatchHandled) -> None:
        """A batch of a queue that is not of jobs: those are counted one by one."""
        if event.queue == self._jobs:
            return
        counts = self._now(event.queue)
        counts.done += event.acked
        counts.retried += event.retried
        counts.failed += event.dead_lettered + event.dropped
        if event.size:
            counts.runs.add(event.duration_seconds)

    def _buried(self, event: MessageDeadLettered) -> None:
        self._now(event.dead_letter_queue).entered += 1

    def _redriven(self, event: MessagesRedriven) -> None:
        self._now(event.queue).done += event.count

    def _lost(self, event: LeaseLost) -> None:
        self._leases_lost += len(event.ids)


def _add(transaction: StoreTransaction, span_us: int, from_us: int, queue: str, counts: _Counts) -> None:
    """Add to a row of the table."""
    key = {"span_us": span_us, "minute_us": from_us, "queue": queue}
    total = _Counts()
    for row in (transaction.one("find_metrics", **key), counts.values()):
        if row is not None:
            total.add(row)
    transaction.run("write_metrics", **key, **total.values())


def _higher(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else max(one, other)


def _age_us(info: QueueInfo, now_us: int) -> int:
    """How old the oldest message is, where one is due."""
    oldest = info.backlog.oldest_us
    return max(0, now_us - oldest) if oldest is not None and info.ready else 0


def _memory_bytes() -> int | None:
    """What this process has in memory, where the system tells."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def roll_up(transaction: StoreTransaction, now_us: int) -> int:
    """Make days of minutes that are older than two days; returns how many rows there were."""
    transaction.lock(METRICS)
    until_us = (now_us - KEPT_US) // DAY_US * DAY_US
    rows = transaction.all("list_metrics", span_us=MINUTE_US, since_us=0, until_us=until_us)
    days: dict[tuple[int, str], _Counts] = {}
    for row in rows:
        days.setdefault((row["minute_us"] // DAY_US * DAY_US, row["queue"]), _Counts()).add(row)
    for (day_us, queue), counts in days.items():
        key = {"span_us": DAY_US, "minute_us": day_us, "queue": queue}
        known = transaction.one("find_metrics", **key)
        if known is not None:
            counts.add(known)
        transaction.run("write_metrics", **key, **counts.values())
    transaction.run("forget_metrics", span_us=MINUTE_US, before_us=until_us)
    transaction.run("forget_metrics", span_us=QUARTER_US, before_us=now_us - QUARTERS_KEPT_US)
    transaction.run("forget_failure_hours", before_us=now_us - HOURS_KEPT_US)
    transaction.run("forget_workers", before_us=now_us - DAY_US)
    return len(rows)
