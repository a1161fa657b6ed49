"""Times, numbers and names as a reader wants them; every number with its unit. Pure."""

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from markupsafe import Markup

from postroom.kit.clock import MICROSECOND, to_datetime

NONE: Final = "–"
NARROW: Final = "\N{NARROW NO-BREAK SPACE}"
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60))
_KILO: Final = 1_000


def number(value: float | None, unit: str = "") -> str:
    """`12,345 msg`; fractions only where they tell something. An en dash for None."""
    if value is None:
        return NONE
    text = (
        f"{value:,.0f}"
        if isinstance(value, int) or abs(value) >= 100 or value == int(value)
        else f"{value:,.1f}"
    )
    return f"{text}{NARROW}{unit}" if unit else text


def compact(value: float | None, unit: str = "") -> str:
    """`12.3 k`: three figures, for where there is little room."""
    if value is None:
        return NONE
    for prefix, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size:
            return f"{value / size:.3g}{NARROW}{prefix}{unit}"
    return number(value, unit)


def size(count: float | None) -> str:
    """Bytes in a fitting unit: powers of a thousand."""
    if count is None:
        return NONE
    for unit, length in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= length:
            return f"{count / length:.1f}{NARROW}{unit}"
    return f"{count:.0f}{NARROW}B"


def span(seconds: float | None) -> str:
    """A duration in its largest fitting unit: `350 ms`, `4.2 s`, `12 min`, `3 h`, `2 d`."""
    if seconds is None:
        return NONE
    for unit, length in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:.0f}{NARROW}{unit}"
    if 0 < seconds < 1:
        return f"{seconds * _KILO:.0f}{NARROW}ms"
    return (
        f"{seconds:.1f}{NARROW}s"
        if 0 < seconds < 10 and seconds != int(seconds)
        else f"{seconds:.0f}{NARROW}s"
    )


def percent(share: float | None) -> str:
    """A share of 1."""
    if share is None:
        return NONE
    return f"{share * 100:.0f}{NARROW}%" if share in (0, 1) or share >= 0.1 else f"{share * 100:.1f}{NARROW}%"


def ago(moment: datetime, now: datetime) -> str:
    """`3 min ago`, `in 5 s`, `just now`."""
    seconds = (now - moment).total_seconds()
    if abs(seconds) < 2:
        return "just now"
    return f"in {span(round(-seconds))}" if seconds < 0 else f"{span(round(seconds))} ago"


def exact(moment: datetime, zone: ZoneInfo) -> str:
    """`Wed 25 Nov 2026, 14:03:07 CET`."""
    local = moment.astimezone(zone)
    return local.strftime("%a %-d %b %Y, %H:%M:%S ") + (local.tzname() or "")


def moment_of(value: datetime | int | None) -> datetime | None:
    """An aware moment; whole numbers are microseconds since 1970, as the store has them."""
    return to_datetime(value) if isinstance(value, int) else value


def time_tag(value: datetime | int | None, now_us: int, zone: ZoneInfo, *, absolute: bool = False) -> Markup:
    """`<time>`: relative, with the exact moment on hover; the other way round with `absolute`."""
    moment = moment_of(value)
    if moment is None:
        return Markup('<span class="none">{}</span>').format(NONE)
    near = ago(moment, to_datetime(now_us))
    far = exact(moment, zone)
    shown, hover = (far, near) if absolute else (near, far)
    kind = "absolute" if absolute else "relative"
    iso = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Markup('<time datetime="{}" title="{}" data-time="{}">{}</time>').format(iso, hover, kind, shown)


def age_seconds(value: datetime | int | None, now_us: int) -> float | None:
    """Seconds that have passed since."""
    moment = moment_of(value)
    return None if moment is None else now_us / MICROSECOND - moment.timestamp()


def plain_state(state: str) -> str:
    """`retry scheduled` for `retry_scheduled`."""
    return state.replace("_", " ")


TONES: Final = {
    "draft": "quiet", "pending_review": "wait", "rejected": "bad", "queued": "move", "scheduled": "wait",
    "processing": "move", "retry_scheduled": "warn", "sent": "move", "delivered": "good", "bounced": "bad",
    "failed": "bad", "cancelled": "quiet", "expired": "quiet", "uncertain": "warn", "unconfirmed": "warn",
    "done": "good", "ready": "good", "expired_file": "quiet", "open": "bad", "closed": "good", "half_open": "warn",
    "paused": "warn", "delivering": "good", "active": "good", "disabled": "quiet",
}  # fmt: skip
"""The tone of a state's chip: good, move, wait, warn, bad or quiet."""


def tone(state: str) -> str:
    """The tone of a state; quiet for one that is not known."""
    return TONES.get(state, "quiet")
