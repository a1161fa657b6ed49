"""Counting: each process counts its jobs in memory and adds them to the minute's row every few seconds.

The same write is the worker's heartbeat. What could not be written is kept and written with the next.
"""

import contextlib
import os
import socket
from typing import Any, Final

import msgspec

from postroom import __version__
from postroom.jobs.events import JobFinished, JobStarted
from postroom.kit.clock import MICROSECOND, Clock
from postroom.kit.ids import new_id
from postroom.kit.service import Service
from postroom.queues import BrokerUnavailable, Queues
from postroom.store import Store, StoreTransaction
from postroom.workers.monitoring.histogram import Histogram

FLUSH_SECONDS: Final = 5.0
MINUTE_US: Final = 60 * MICROSECOND
DAY_US: Final = 86_400 * MICROSECOND
KEPT_US: Final = 2 * DAY_US
"""How long minutes are kept; days are kept for ever, one row a queue."""
ALIVE_US: Final = 30 * MICROSECOND
"""A worker that was seen within this time is alive."""
_encode = msgspec.json.Encoder().encode


class _Counts:
    """Of one queue and minute."""

    __slots__ = ("done", "failed", "retried", "runs", "waits")

    def __init__(self) -> None:
        self.done = self.failed = self.retried = 0
        self.waits, self.runs = Histogram(), Histogram()

    def add(self, row: dict[str, Any]) -> None:
        """Add a row of the table."""
        self.done += row["done"]
        self.failed += row["failed"]
        self.retried += row["retried"]
        self.waits.merge(msgspec.json.decode(row["waits"]))
        self.runs.merge(msgspec.json.decode(row["runs"]))

    def values(self) -> dict[str, Any]:
        """As the table has it."""
        return {
            "done": self.done, "failed": self.failed, "retried": self.retried,
            "waits": _encode(self.waits.counts).decode(), "runs": _encode(self.runs.counts).decode(),
        }  # fmt: skip


class Meter(Service):
    """Listens from when it is made; `start` begins to write."""

    name = "meter"

    def __init__(self, store: Store, queues: Queues, clock: Clock) -> None:
        super().__init__()
        self._store = store
        self._queues = queues
        self._clock = clock
        self._counts: dict[tuple[int, str], _Counts] = {}
        self._running = 0
        self.worker = {
            "id": new_id(), "host": socket.gethostname(), "pid": os.getpid(), "version": __version__,
            "started_us": clock.now_us(),
        }  # fmt: skip
        queues.events.subscribe(JobStarted, self._started)
        queues.events.subscribe(JobFinished, self._finished)

    async def flush(self) -> None:
        """Write what was counted, and that this worker is alive."""
        counted, self._counts = self._counts, {}
        now_us = self._clock.now_us()
        consumed = sorted({consumer.options.queue for consumer in self._queues.consumers if consumer.running})

        def write(transaction: StoreTransaction) -> None:
            for (minute_us, queue), counts in counted.items():
                key = {"span_us": MINUTE_US, "minute_us": minute_us, "queue": queue}
                total = _Counts()
                for row in (transaction.one("find_metrics", **key), counts.values()):
                    if row is not None:
                        total.add(row)
                transaction.run("write_metrics", **key, **total.values())
            transaction.run(
                "see_worker",
                **self.worker,
                queues=_encode(consumed).decode(),
                seen_us=now_us,
                running=self._running,
            )

        try:
            await self._store.write(write)
        except BrokerUnavailable:
            for key, counts in counted.items():
                self._counts.setdefault(key, _Counts()).add(counts.values())

    async def stop(self) -> None:
        """Write the last of it and leave the list of workers."""
        await super().stop()
        await self.flush()
        await self._store.write(lambda transaction: transaction.run("leave_worker", id=self.worker["id"]))

    async def _run(self) -> None:
        while True:
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
        self._running += 1
        if event.wait_seconds is not None:
            self._now(event.queue).waits.add(event.wait_seconds)

    def _finished(self, event: JobFinished) -> None:
        if event.outcome == "skipped":
            return
        self._running = max(0, self._running - 1)
        counts = self._now(event.queue)
        counts.runs.add(event.duration_seconds)
        match event.outcome:
            case "done":
                counts.done += 1
            case "retry":
                counts.retried += 1
            case _:
                counts.failed += 1


def roll_up(transaction: StoreTransaction, now_us: int) -> int:
    """Make days of minutes that are older than two days; returns how many rows there were."""
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
    transaction.run("forget_workers", before_us=now_us - DAY_US)
    return len(rows)
