"""Curves: what came in, what was done, how full it was, how long it took; over a quarter of an hour, a day, a month.

Drawn from the rows that meters write: minutes for the first, quarters of an hour for the others. A point without rows has
zeros for what is counted and nothing for what is measured.
"""

import asyncio
from typing import Any, Final, NamedTuple

import msgspec

from postroom.kit.cached import Cached
from postroom.kit.clock import MICROSECOND, Clock, isoformat
from postroom.store import Row, Store, StoreTransaction
from postroom.workers.monitoring.histogram import Histogram
from postroom.workers.monitoring.meter import MINUTE_US, QUARTER_US

PARTS: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
COUNTED: Final = {"in": "entered", "out": "done", "failed": "failed", "retried": "retried"}
MEASURED: Final = {"backlog": "backlog", "inFlight": "in_flight", "oldestSeconds": "oldest_us"}


class Window(NamedTuple):
    """How long, in which steps, from which rows, and how fresh."""

    points: int
    step_us: int
    span_us: int
    fresh_seconds: float


WINDOWS: Final = {
    "15m": Window(15, MINUTE_US, MINUTE_US, 2.0),
    "1h": Window(60, MINUTE_US, MINUTE_US, 5.0),
    "24h": Window(96, QUARTER_US, QUARTER_US, 30.0),
    "30d": Window(120, 24 * QUARTER_US, QUARTER_US, 300.0),
}


class Series:
    """Reads curves; each is kept for a while, so that many who look cost no more than one."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._cached = {
            name: Cached(clock, window.fresh_seconds, self._reader(window))
            for name, window in WINDOWS.items()
        }

    async def read(self, window: str) -> dict[str, Any]:
        """Every queue's curves over a window of WINDOWS, and the marks of new versions."""
        value, at_us = await self._cached[window].get()
        return {"window": window, "at": isoformat(at_us), **value}

    def _reader(self, window: Window) -> Any:
        async def read() -> dict[str, Any]:
            now_us = self._clock.now_us()
            until_us = now_us // window.step_us * window.step_us + window.step_us
            since_us = until_us - window.points * window.step_us
            rows, deploys = await self._store.read(lambda t: _rows(t, window.span_us, since_us, until_us))
            with self._clock.working():
                # A month takes tenths of a second: the event loop does not wait for it.
                queues = await asyncio.to_thread(_by_queue, window, rows, since_us)
            return {
                "from": isoformat(since_us), "fromUs": since_us, "stepSeconds": window.step_us // MICROSECOND,
                "points": window.points, "queues": queues,
                "deploys": [
                    {"at": isoformat(one["at_us"]), "atUs": one["at_us"], "version": one["version"]} for one in deploys
                ],
            }  # fmt: skip

        return read


def _rows(
    transaction: StoreTransaction, span_us: int, since_us: int, until_us: int
) -> tuple[list[Row], list[Row]]:
    rows = transaction.all("list_metrics", span_us=span_us, since_us=since_us, until_us=until_us)
    return rows, transaction.all("list_deploys", since_us=since_us)


def _by_queue(window: Window, rows: list[Row], since_us: int) -> dict[str, dict[str, list[float | None]]]:
    bins: dict[str, list[list[Row]]] = {}
    for row in rows:
        own = bins.setdefault(row["queue"], [[] for _ in range(window.points)])
        own[(row["minute_us"] - since_us) // window.step_us].append(row)
    return {name: _curves(own) for name, own in sorted(bins.items())}


def _curves(bins: list[list[Row]]) -> dict[str, list[float | None]]:
    curves: dict[str, list[float | None]] = {
        name: [float(sum(row[column] for row in rows)) for rows in bins] for name, column in COUNTED.items()
    }
    for name, column in MEASURED.items():
        unit = MICROSECOND if column.endswith("_us") else 1
        curves[name] = [_highest([row[column] for row in rows], unit) for rows in bins]
    for name in ("waits", "runs"):
        merged = [_merged([row[name] for row in rows]) for rows in bins]
        for part, share in PARTS.items():
            curves[f"{name.removesuffix('s')}{part.upper()}"] = [one.percentile(share) for one in merged]
    return curves


def _highest(values: list[int | None], unit: int) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) / unit if known else None


def _merged(texts: list[str]) -> Histogram:
    merged = Histogram()
    for text in texts:
        if text != "{}":
            merged.merge(msgspec.json.decode(text))
    return merged
