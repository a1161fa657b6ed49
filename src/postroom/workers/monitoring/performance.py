"""Reading how the work goes: figures of a window, and the health of everything that can be ill."""

import time
from typing import Any, Final

import msgspec

from postroom.delivery.routing import Router
from postroom.kit.clock import MICROSECOND, Clock, isoformat
from postroom.queues import Queues
from postroom.store import Store
from postroom.workers.monitoring.histogram import Histogram
from postroom.workers.monitoring.meter import ALIVE_US, MINUTE_US

WINDOWS: Final = {"5m": 5, "15m": 15, "1h": 60, "24h": 1440}
"""Names of windows to their minutes."""
PARTS: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
DISK_LOW_BYTES: Final = 1_000_000_000
WAL_LARGE_BYTES: Final = 512 * 1024 * 1024
LATE_SECONDS: Final = 600
CLOCK_STEP_SECONDS: Final = 2.0
CONNECTIONS_PART: Final = 0.8
SNAPSHOT_OLD_SECONDS: Final = 600


class Monitor:
    """Looks at the queues, the store and what meters have written."""

    def __init__(
        self, store: Store, queues: Queues, router: Router, clock: Clock, dead_letters: str | None
    ) -> None:
        self._store = store
        self._queues = queues
        self._router = router
        self._clock = clock
        self._dead_letters = dead_letters
        # The wall clock should go on as evenly as the other.
        self._began = time.time() - time.monotonic()

    async def performance(self, window: str) -> dict[str, Any]:
        """Figures of each queue over a window of WINDOWS, and of the workers."""
        now_us, minutes = self._clock.now_us(), WINDOWS[window]
        until_us = now_us // MINUTE_US * MINUTE_US + MINUTE_US
        since_us = until_us - minutes * MINUTE_US
        rows = await self._store.read(
            lambda t: t.all("list_metrics", span_us=MINUTE_US, since_us=since_us, until_us=until_us)
        )
        seconds = (now_us - since_us) / MICROSECOND
        queues = [await self._queue(name, rows, seconds) for name in await self._queues.names()]
        return {
            "window": window, "from": isoformat(since_us), "to": isoformat(now_us), "toUs": now_us, "queues": queues,
            "workers": await self.workers(),
        }  # fmt: skip

    async def workers(self) -> list[dict[str, Any]]:
        """Workers that are alive."""
        now_us = self._clock.now_us()
        rows = await self._store.read(lambda t: t.all("list_workers", since_us=now_us - ALIVE_US))
        return [
            {
                "id": row["id"], "host": row["host"], "pid": row["pid"], "version": row["version"],
                "queues": msgspec.json.decode(row["queues"]), "running": row["running"], "slots": row["slots"],
                "memoryBytes": row["memory_bytes"], "leasesLost": row["leases_lost"], "stopBy": row["stop_by"],
                "work": [
                    {**one, "since": isoformat(one["sinceUs"])} for one in msgspec.json.decode(row["work"])
                ],
                "startedAt": isoformat(row["started_us"]), "seenAt": isoformat(row["seen_us"]),
                "startedUs": row["started_us"], "seenUs": row["seen_us"],
            }
            for row in rows
        ]  # fmt: skip

    async def _queue(self, name: str, rows: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
        own = [row for row in rows if row["queue"] == name]
        done, failed, retried = (sum(row[what] for row in own) for what in ("done", "failed", "retried"))
        waits, runs = Histogram(), Histogram()
        for row in own:
            waits.merge(msgspec.json.decode(row["waits"]))
            runs.merge(msgspec.json.decode(row["runs"]))
        info = await self._queues.info(name)
        ended, now_us = done + failed, self._clock.now_us()
        rate = ended / seconds
        oldest = info.backlog.oldest_us
        return {
            "queue": name, "paused": info.paused, "backlog": info.backlog.messages, "ready": info.ready,
            "delayed": info.delayed, "inFlight": info.in_flight, "backlogBytes": info.backlog.bytes,
            "oldestSeconds": max(0.0, (now_us - oldest) / MICROSECOND) if oldest is not None and info.ready else 0.0,
            "entered": sum(row["entered"] for row in own),
            "done": done, "failed": failed, "retried": retried, "throughputPerSecond": round(rate, 4),
            "successRate": round(done / ended, 4) if ended else None,
            "failureRate": round(failed / ended, 4) if ended else None,
            "waitSeconds": {part: waits.percentile(share) for part, share in PARTS.items()},
            "runSeconds": {part: runs.percentile(share) for part, share in PARTS.items()},
            "drainSeconds": round(info.ready / rate, 1) if rate and info.ready else (0.0 if not info.ready else None),
        }  # fmt: skip

    async def providers(self) -> list[dict[str, Any]]:
        """Each provider, whether calls are let through to it, and how many failed in a row."""
        now_us = self._clock.now_us()
        return [
            {
                "channel": route.channel, "provider": route.provider, "available": int(route.circuit == "closed"),
                "failures": route.failures,
            }
            for route in await self._store.read(lambda t: self._router.health(t, now_us))
        ]  # fmt: skip

    async def storage(self) -> dict[str, Any]:
        """What the store tells of its room, and whether the wall clock was set since this process began."""
        step = time.time() - time.monotonic() - self._began
        return {**await self._store.storage(), "clockStepSeconds": round(step, 3) + 0.0}

    async def tables(self) -> dict[str, Any]:
        """What the store tells of its room, and how many rows the tables have at most."""
        keys = await self._store.read(lambda transaction: transaction.all("table_keys"))
        return {
            **await self.storage(), "at": isoformat(self._clock.now_us()), "store": self._store.name,
            "tables": [
                {"name": row["name"], "rowsAtMost": 0 if row["last"] is None else row["last"] - row["first"] + 1}
                for row in keys
            ],
        }  # fmt: skip

    async def health(self) -> dict[str, Any]:
        """Checks with a sentence each; `status` is the worst: ok, warn or fail."""
        now_us, storage = self._clock.now_us(), await self.storage()
        checks = [
            *_storage_checks(storage),
            _check("clock", "warn" if abs(storage["clockStepSeconds"]) > CLOCK_STEP_SECONDS else "ok",
                   f"the wall clock was moved by {storage['clockStepSeconds']:g} s since this process began"),
        ]  # fmt: skip
        workers = await self.workers()
        consumed = {queue for worker in workers for queue in worker["queues"]}
        names = await self._queues.names()
        checks += [await self._queue_check(name, name in consumed, now_us) for name in names]
        for route in await self._store.read(lambda t: self._router.health(t, now_us)):
            state = "ok" if route.circuit == "closed" else "warn"
            said = (
                "answers" if state == "ok" else f"has failed {route.failures} times in a row ({route.code})"
            )
            checks.append(
                _check(f"provider {route.channel} {route.provider}", state, f"{route.provider} {said}")
            )
        worst = next(
            (state for state in ("fail", "warn") if any(one["status"] == state for one in checks)), "ok"
        )
        return {
            "status": worst,
            "at": isoformat(now_us),
            "checks": checks,
            "storage": storage,
            "workers": workers,
        }

    async def _queue_check(self, name: str, consumed: bool, now_us: int) -> dict[str, str]:
        info = await self._queues.info(name)
        label = f"queue {name}"
        if name == self._dead_letters:
            count = info.backlog.messages
            return _check(label, "warn" if count else "ok", f"{count} dead letters wait for a person")
        if info.paused:
            return _check(label, "warn", f"{name} is paused; {info.backlog.messages} messages wait")
        oldest = info.backlog.oldest_us
        age = (now_us - oldest) / MICROSECOND if oldest is not None and info.ready else 0.0
        if info.ready and not consumed:
            return _check(
                label,
                "fail" if age > LATE_SECONDS else "warn",
                f"nobody consumes {name}; {info.ready} messages are due",
            )
        if age > LATE_SECONDS:
            return _check(label, "warn", f"the oldest message of {name} has waited for {age:.0f} s")
        return _check(label, "ok", f"{name} has {info.ready} messages due and {info.in_flight} in flight")


def _storage_checks(storage: dict[str, Any]) -> list[dict[str, str]]:
    """Of what the store tells: a file has a disk and a log, a server has connections and old snapshots."""
    checks = []
    if "diskFreeBytes" in storage:
        state = "fail" if storage["diskFreeBytes"] < DISK_LOW_BYTES else "ok"
        room = storage["diskFreeBytes"] / 1e9
        checks.append(_check("disk", state, f"{room:.1f} GB are free where the database lies"))
    if "walBytes" in storage:
        state = "warn" if storage["walBytes"] > WAL_LARGE_BYTES else "ok"
        checks.append(_check("wal", state, f"the write-ahead log has {storage['walBytes'] / 1e6:.1f} MB"))
    if "connections" in storage:
        used, most = storage["connections"], storage["connectionsMax"]
        state = "warn" if used > CONNECTIONS_PART * most else "ok"
        checks.append(_check("connections", state, f"{used} of {most} connections of the server are open"))
    if "oldestSnapshotSeconds" in storage:
        age = storage["oldestSnapshotSeconds"]
        said = f"the oldest open transaction of the database is {age:.0f} s old; dead rows stay that long"
        checks.append(_check("snapshot", "warn" if age > SNAPSHOT_OLD_SECONDS else "ok", said))
    return checks


def _check(name: str, status: str, sentence: str) -> dict[str, str]:
    return {"name": name, "status": status, "sentence": f"{sentence[0].upper()}{sentence[1:]}."}
