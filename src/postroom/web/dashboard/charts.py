"""Small exact charts as SVG: lines, stacked areas, bars and sparklines, with axes, units, hover titles and a table.

Pure: values in, markup out. Nothing is smoothed, and what was not measured is a gap, not a zero. Every chart has the
same figures as a table below it, so that it can be read by a screen reader and copied.
"""

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from postroom.kit.clock import MICROSECOND, to_datetime
from postroom.web.dashboard.words import NONE, compact, number

Kind: TypeAlias = Literal["line", "area", "bars"]

LEFT: Final = 44
RIGHT: Final = 10
TOP: Final = 8
BOTTOM: Final = 20
TICKS_Y: Final = 3
TICKS_X: Final = 5
TABLE_ROWS_MAX: Final = 120
"""Of more points the newest are in the table; the chart has them all."""
_STEPS_SECONDS: Final = (
    60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 432_000, 604_800,
)  # fmt: skip
_DAY: Final = 86_400


class Series(NamedTuple):
    """Figures over time; None where nothing was measured."""

    name: str
    values: Sequence[float | None]
    tone: str = "1"
    """Of the style sheet's colours of series: 1 to 6, or good, warn, bad, quiet."""


class Chart(NamedTuple):
    """What is drawn: every series has a value for each of the moments, which are in order."""

    title: str
    unit: str
    moments: Sequence[int]
    """Microseconds since 1970."""
    series: Sequence[Series]
    zone: ZoneInfo
    kind: Kind = "line"
    width: int = 480
    height: int = 140
    format: Callable[[float | None], str] | None = None
    """How a value is written; by default as a number with the unit."""
    empty: str = "Nothing was measured in this time."
    marks: Sequence[tuple[int, str]] = ()
    """Moments at which something else happened, and what: a thin line each."""


def draw(chart: Chart) -> Markup:
    """The chart with its legend and table, as a `<figure>`."""
    known = [value for one in chart.series for value in one.values if value is not None]
    head = Markup('<figcaption class="chart-title">{}{}</figcaption>').format(chart.title, _legend(chart))
    if not known or len(chart.moments) < 2:
        text = Markup('<p class="chart-empty">{}</p>').format(chart.empty)
        return Markup('<figure class="chart">{}{}</figure>').format(head, text)
    plot = _Plot(chart)
    parts = [*plot.grid(), *plot.happenings(), *plot.marks(), *plot.slots()]
    svg = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        chart.width, chart.height, summary(chart), Markup("").join(parts)
    )
    return Markup('<figure class="chart">{}{}{}</figure>').format(head, svg, _table(chart))


def summary(chart: Chart) -> str:
    """The chart in a sentence, for who cannot see it."""
    write, parts = _writer(chart), []
    for one in chart.series:
        known = [value for value in one.values if value is not None]
        if known:
            parts.append(
                f"{one.name}: last {write(known[-1])}, lowest {write(min(known))}, highest {write(max(known))}"
            )
    return f"{chart.title}. {'; '.join(parts)}."


def sparkline(values: Sequence[float | None], title: str, *, width: int = 96, height: int = 22) -> Markup:
    """A line without axes, in the height of a line of text."""
    known = [value for value in values if value is not None]
    if not known:
        return Markup('<span class="none">{}</span>').format(NONE)
    top = max(max(known), 1e-9)
    step = width / max(1, len(values) - 1)
    xy = [
        None if v is None else (i * step, height - 2 - (height - 4) * v / top) for i, v in enumerate(values)
    ]
    return Markup(
        '<svg class="spark" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" aria-label="{t}">'
        '<title>{t}</title><path class="mark-line tone-1" d="{d}"/></svg>'
    ).format(w=width, h=height, t=title, d=_path(xy))


def meter(share: float | None, title: str, *, tone: str = "1", width: int = 96) -> Markup:
    """How full something is: a bar from 0 to 1."""
    filled = 0.0 if share is None else min(1.0, max(0.0, share)) * width
    return Markup(
        '<svg class="meter" viewBox="0 0 {w} 8" width="{w}" height="8" role="img" aria-label="{t}"><title>{t}</title>'
        '<rect class="meter-track" width="{w}" height="8" rx="2"/>'
        '<rect class="mark-fill tone-{tone}" width="{f:.1f}" height="8" rx="2"/></svg>'
    ).format(w=width, t=title, tone=tone, f=filled)


class _Plot:
    """Scales, and the parts of a drawing."""

    def __init__(self, chart: Chart) -> None:
        self._chart = chart
        self._write = _writer(chart)
        self._first, self._last = chart.moments[0], chart.moments[-1]
        self._stacked = chart.kind == "area"
        self._top = nice_top(self._highest())
        self._base = chart.height - BOTTOM

    def _highest(self) -> float:
        if not self._stacked:
            return max((v for one in self._chart.series for v in one.values if v is not None), default=0.0)
        columns = zip(*(one.values for one in self._chart.series), strict=True)
        return max((sum(v or 0.0 for v in column) for column in columns), default=0.0)

    def _x(self, moment: int) -> float:
        room = float(self._chart.width - LEFT - RIGHT)
        if self._chart.kind == "bars":
            # A bar stands in the middle of its slot.
            slot = room / len(self._chart.moments)
            room, left = room - slot, LEFT + slot / 2
        else:
            left = float(LEFT)
        return left + room * (moment - self._first) / (self._last - self._first)

    def _y(self, value: float) -> float:
        return self._base - (self._base - TOP) * value / self._top

    def grid(self) -> list[Markup]:
        """Lines and their figures."""
        parts = []
        for i in range(TICKS_Y + 1):
            value = self._top * i / TICKS_Y
            y = self._y(value)
            parts.append(
                Markup('<line class="grid" x1="{}" x2="{}" y1="{y:.1f}" y2="{y:.1f}"/>').format(
                    LEFT, self._chart.width - RIGHT, y=y
                )
            )
            text = self._chart.format(value) if self._chart.format is not None else compact(round(value, 6))
            parts.append(
                Markup('<text class="tick tick-y" x="{}" y="{:.1f}">{}</text>').format(
                    LEFT - 6, y + 3.5, text
                )
            )
        for moment, label in time_ticks(self._first, self._last, self._chart.zone):
            parts.append(
                Markup('<text class="tick tick-x" x="{:.1f}" y="{}">{}</text>').format(
                    self._x(moment), self._chart.height - 5, label
                )
            )
        return parts

    def happenings(self) -> list[Markup]:
        """What else happened."""
        return [
            Markup(
                '<g class="happening"><line x1="{x:.1f}" x2="{x:.1f}" y1="{}" y2="{}"/>'
                '<path d="M{x:.1f},{}l-3.500,-6h7z"/><title>{}</title></g>'
            ).format(TOP, self._base, self._base, what, x=self._x(moment))
            for moment, what in self._chart.marks
            if self._first <= moment <= self._last
        ]

    def marks(self) -> list[Markup]:
        """The figures themselves."""
        match self._chart.kind:
            case "line":
                return [self._line(one) for one in self._chart.series]
            case "area":
                return self._areas()
            case "bars":
                return self._bars()

    def _line(self, one: Series) -> Markup:
        xy = [
            None if v is None else (self._x(m), self._y(v))
            for m, v in zip(self._chart.moments, one.values, strict=True)
        ]
        return Markup('<path class="mark-line tone-{}" d="{}"/>').format(one.tone, _path(xy))

    def _areas(self) -> list[Markup]:
        below = [0.0] * len(self._chart.moments)
        parts = []
        for one in self._chart.series:
            above = [low + (value or 0.0) for low, value in zip(below, one.values, strict=True)]
            upper = [(self._x(m), self._y(v)) for m, v in zip(self._chart.moments, above, strict=True)]
            lower = [(self._x(m), self._y(v)) for m, v in zip(self._chart.moments, below, strict=True)]
            outline = _path([*upper, *reversed(lower)]) + "Z"
            parts.append(Markup('<path class="mark-area tone-{}" d="{}"/>').format(one.tone, outline))
            parts.append(Markup('<path class="mark-line tone-{}" d="{}"/>').format(one.tone, _path(upper)))
            below = above
        return parts

    def _bars(self) -> list[Markup]:
        slot = (self._chart.width - LEFT - RIGHT) / len(self._chart.moments)
        wide = max(1.0, slot * 0.72 / len(self._chart.series))
        parts = []
        for place, one in enumerate(self._chart.series):
            for moment, value in zip(self._chart.moments, one.values, strict=True):
                if value:
                    x = self._x(moment) - wide * len(self._chart.series) / 2 + wide * place
                    y = self._y(value)
                    parts.append(
                        Markup('<rect class="mark-fill tone-{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>')
                        .format(one.tone, x, y, wide, self._base - y)
                    )  # fmt: skip
        return parts

    def slots(self) -> list[Markup]:
        """What tells the figures of a moment when one points at it."""
        count = len(self._chart.moments)
        wide = (self._chart.width - LEFT - RIGHT) / max(1, count - (self._chart.kind != "bars"))
        parts = []
        for i, moment in enumerate(self._chart.moments):
            told = " · ".join(f"{one.name} {self._write(one.values[i])}" for one in self._chart.series)
            x = self._x(moment)
            parts.append(
                Markup(
                    '<g class="slot"><rect x="{:.1f}" y="{}" width="{:.1f}" height="{}"/>'
                    '<line x1="{x:.1f}" x2="{x:.1f}" y1="{}" y2="{}"/><title>{} · {}</title></g>'
                ).format(
                    max(LEFT, x - wide / 2), TOP, wide, self._base - TOP, TOP, self._base,
                    _label(moment, self._chart.zone), told, x=x,
                )
            )  # fmt: skip
        return parts


def nice_top(highest: float) -> float:
    """The end of an axis that begins at 0: the next of 3, 6, 9, 12, 15, 18, 24, 30 times a power of ten."""
    if highest <= 0:
        return float(TICKS_Y)
    power = 10.0 ** math.floor(math.log10(highest / TICKS_Y))
    for step in (1, 2, 2.5, 3, 4, 5, 6, 8, 10):
        if step * power * TICKS_Y >= highest * (1 - 1e-9):
            return step * power * TICKS_Y
    return 10 * power * TICKS_Y


def time_ticks(first_us: int, last_us: int, zone: ZoneInfo) -> list[tuple[int, str]]:
    """Full minutes, hours or days of the zone between two moments, at most about five, with their labels."""
    seconds = (last_us - first_us) / MICROSECOND
    step = next((one for one in _STEPS_SECONDS if seconds / one <= TICKS_X), _STEPS_SECONDS[-1])
    begin = to_datetime(first_us).astimezone(zone)
    midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    after = (begin - midnight).total_seconds()
    tick = midnight + timedelta(seconds=math.ceil(after / step) * step)
    found = []
    while (at := round(tick.timestamp() * MICROSECOND)) <= last_us:
        found.append((at, tick.strftime("%-d %b") if step >= _DAY else tick.strftime("%H:%M")))
        tick += timedelta(seconds=step)
    return found


def _path(points: Sequence[tuple[float, float] | None]) -> str:
    """Straight lines between neighbours; a gap begins a new line, a lone point is a dot."""
    parts, drawing = [], False
    for i, point in enumerate(points):
        if point is None:
            drawing = False
            continue
        x, y = point
        parts.append(f"{'L' if drawing else 'M'}{x:.1f},{y:.1f}")
        if not drawing and (i + 1 == len(points) or points[i + 1] is None):
            parts.append("h0.1")
        drawing = True
    return "".join(parts)


def _legend(chart: Chart) -> Markup:
    if len(chart.series) == 1:
        return Markup(' <span class="chart-unit">{}</span>').format(chart.unit)
    keys = Markup("").join(
        Markup('<span class="key"><i class="key-mark tone-{}"></i>{}</span>').format(one.tone, one.name)
        for one in chart.series
    )
    return Markup(' <span class="chart-unit">{}</span><span class="legend">{}</span>').format(
        chart.unit, keys
    )


def _table(chart: Chart) -> Markup:
    write = _writer(chart)
    heads = Markup("").join(
        Markup('<th scope="col" class="num">{}</th>').format(one.name) for one in chart.series
    )
    rows = []
    for i in range(len(chart.moments) - 1, max(-1, len(chart.moments) - 1 - TABLE_ROWS_MAX), -1):
        cells = Markup("").join(
            Markup('<td class="num">{}</td>').format(write(one.values[i])) for one in chart.series
        )
        rows.append(
            Markup('<tr><th scope="row">{}</th>{}</tr>').format(_label(chart.moments[i], chart.zone), cells)
        )
    return Markup(
        '<details class="chart-table"><summary>Table</summary>'
        '<div class="scroll" tabindex="0" role="region" aria-label="{}">'
        '<table class="plain"><thead><tr><th scope="col">at</th>{}</tr></thead><tbody>{}</tbody></table></div></details>'
    ).format(f"Figures of {chart.title}", heads, Markup("").join(rows))


def _writer(chart: Chart) -> Callable[[float | None], str]:
    return chart.format or (lambda value: number(value, chart.unit))


def _label(moment: int, zone: ZoneInfo) -> str:
    local: datetime = to_datetime(moment).astimezone(zone)
    return str(escape(local.strftime("%-d %b %H:%M:%S" if local.second else "%-d %b %H:%M")))
