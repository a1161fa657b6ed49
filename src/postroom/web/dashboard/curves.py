"""The charts of queues, from the figures of `services.watching.series`.

Drawing takes longer than reading, and many look at the same figures: what was drawn of the same figures for the same zone
is kept for a while.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

from markupsafe import Markup

from postroom.web.dashboard.charts import Chart, Series, draw
from postroom.web.dashboard.words import compact, span

WINDOWS: Final = (("15m", "15 min"), ("1h", "1 h"), ("24h", "24 h"), ("30d", "30 d"))
MICROSECONDS: Final = 1_000_000
KEPT_MAX: Final = 64
"""Sets of charts that are kept; the one that was drawn first goes first."""
_kept: dict[tuple[str, str, str, str], list[Markup]] = {}


def drawn(curves: dict[str, Any], name: str, zone: ZoneInfo, make: Callable[[], Sequence[Chart]]) -> list[Markup]:
    """The charts of these figures, from what is kept or drawn now; `name` tells which charts they are."""
    key = (curves["window"], curves["at"], zone.key, name)
    found = _kept.get(key)
    if found is None:
        found = [draw(chart) for chart in make()]
        while len(_kept) >= KEPT_MAX:
            _kept.pop(next(iter(_kept)))
        _kept[key] = found
    return found


def of_queue(curves: dict[str, Any], queue: str, zone: ZoneInfo) -> list[Chart]:
    """Every chart of one queue."""
    own = curves["queues"].get(queue, {})
    return [
        _flow(curves, own, zone),
        _failures(curves, own, zone),
        _chart(curves, zone, "Backlog", "msg", "line", [
            ("all that waits", _of(curves, own, "backlog"), "1"), ("in flight", _of(curves, own, "inFlight"), "3")]),
        _chart(curves, zone, "Age of the oldest that is due", "s", "line",
               [("oldest", _of(curves, own, "oldestSeconds"), "4")], format_=span),
        _percentiles(curves, own, zone, "wait", "Time that jobs waited"),
        _percentiles(curves, own, zone, "run", "Time that attempts took"),
    ]  # fmt: skip


def of_all(curves: dict[str, Any], working: Sequence[str], main: str, zone: ZoneInfo) -> list[Chart]:
    """In and out over all working queues together, how full each is, how long jobs of the main one took."""
    together = {
        name: [
            sum(value or 0.0 for value in values)
            for values in zip(*(_of(curves, curves["queues"].get(q, {}), name, 0.0) for q in working), strict=True)
        ]
        for name in ("in", "out", "failed", "retried")
    } if working else {}  # fmt: skip
    own = curves["queues"].get(main, {})
    backlogs = [
        (queue, _of(curves, curves["queues"].get(queue, {}), "backlog"), str(1 + i % 6))
        for i, queue in enumerate(working)
    ]
    return [
        _flow(curves, together, zone),
        _failures(curves, together, zone),
        _chart(curves, zone, "Backlog", "msg", "area", backlogs),
        _chart(curves, zone, "Age of the oldest that is due", "s", "line", [
            (queue, _of(curves, curves["queues"].get(queue, {}), "oldestSeconds"), str(1 + i % 6))
            for i, queue in enumerate(working)], format_=span),
        _percentiles(curves, own, zone, "wait", f"Time that jobs waited in {main}"),
        _percentiles(curves, own, zone, "run", f"Time that attempts took in {main}"),
    ]  # fmt: skip


def _flow(curves: dict[str, Any], own: dict[str, Any], zone: ZoneInfo) -> Chart:
    return _chart(curves, zone, "In and out", "msg/min", "line", [
        ("in", _per_minute(curves, own, "in"), "1"), ("out", _per_minute(curves, own, "out"), "2")])  # fmt: skip


def _failures(curves: dict[str, Any], own: dict[str, Any], zone: ZoneInfo) -> Chart:
    return _chart(curves, zone, "Failed and retried", "msg/min", "bars", [
        ("failed", _per_minute(curves, own, "failed"), "bad"),
        ("retried", _per_minute(curves, own, "retried"), "warn"),
    ])  # fmt: skip


def _percentiles(curves: dict[str, Any], own: dict[str, Any], zone: ZoneInfo, what: str, title: str) -> Chart:
    series = [
        (part.lower(), _of(curves, own, f"{what}{part}"), tone)
        for part, tone in (("P50", "2"), ("P95", "1"), ("P99", "4"))
    ]
    return _chart(curves, zone, title, "p50, p95, p99", "line", series, format_=span)


def _chart(
    curves: dict[str, Any], zone: ZoneInfo, title: str, unit: str, kind: Any,
    series: Sequence[tuple[str, Sequence[float | None], str]], format_: Any = None,
) -> Chart:  # fmt: skip
    step_us = curves["stepSeconds"] * MICROSECONDS
    moments = [curves["fromUs"] + number * step_us for number in range(curves["points"])]
    return Chart(
        title=title, unit=unit, moments=moments, series=[Series(*one) for one in series], zone=zone, kind=kind,
        format=format_ or compact, marks=[(one["atUs"], f"Postroom {one['version']}") for one in curves["deploys"]],
    )  # fmt: skip


def _of(
    curves: dict[str, Any], own: dict[str, Any], name: str, missing: float | None = None
) -> list[float | None]:
    found: list[float | None] = own.get(name) or [missing] * curves["points"]
    return found


def _per_minute(curves: dict[str, Any], own: dict[str, Any], name: str) -> list[float | None]:
    minutes = curves["stepSeconds"] / 60
    return [None if value is None else value / minutes for value in _of(curves, own, name, 0.0)]
