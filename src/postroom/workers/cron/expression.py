"""Cron expressions in Cloudflare's syntax, in any time zone.

Five fields: minute, hour, day of the month, month, day of the week (1 is Sunday, 7 is Saturday, or SUN to SAT), with `*`,
lists, ranges, steps, `L`, `LW`, `15W`, `L-3`, `6L` or `friL` (the last one of the month) and `2#1` (the first Monday).
https://developers.cloudflare.com/workers/configuration/cron-triggers/ . Cloudflare's fire in UTC; in other zones a fixed
time fires once on days when clocks change, as in Debian's cron: a time that is skipped fires at once after the gap.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from postroom.kit.clock import to_datetime, to_us
from postroom.workers.cron.days import CloudflareDays, Rule, day_rule, unwrapped

FIELDS: Final = (
    ("minute", "0 to 59"), ("hour", "0 to 23"),
    ("day of the month", "1 to 31, L, LW, 15W or L-3"), ("month", "1 to 12 or JAN to DEC"),
    ("day of the week", "1 (Sunday) to 7 (Saturday) or SUN to SAT, also 6L, friL, 2#1"),
)  # fmt: skip
RANGES: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (1, 7))
DAY, WEEKDAY = 2, 4
DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_NUMBER = re.compile(r"[0-9]+")


class CronInvalid(ValueError):
    """It is no cron expression; the text names the field, what it was and what it may be."""


class Cron:
    """One expression in one zone; two are equal when they read the same."""

    def __init__(self, text: str, zone: str = "UTC") -> None:
        """Raises CronInvalid."""
        self.text = " ".join(text.split())
        self.zone = zone
        self._zone = _zone(zone)
        parts = self.text.upper().split(" ")
        if len(parts) != len(FIELDS):
            raise CronInvalid(f"{self.text!r} has {len(parts)} fields; a cron expression has five")
        self._rule: Rule | None = None
        for number, (name, allowed) in enumerate(FIELDS):
            try:
                parts[number] = self._read(number, parts[number])
            except (CronSimError, ValueError):
                given = self.text.split(" ")[number]
                raise CronInvalid(f"{name} of {self.text!r} is {given!r}; it may be {allowed}") from None
        self._parts = " ".join(parts)
        try:
            next(self._fires(datetime(2026, 1, 1, tzinfo=UTC)))
        except (CronSimError, StopIteration):
            raise CronInvalid(f"{self.text!r} never comes") from None

    def _read(self, number: int, part: str) -> str:
        """A field as cronsim takes it; raises CronSimError or ValueError."""
        if number == WEEKDAY:
            part = _days(unwrapped(_weekday_numbers(part), *RANGES[number]))
        elif number == DAY and (rule := day_rule(part)) is not None:
            self._rule, part = rule, "*"
        else:
            part = unwrapped(part, *RANGES[number])
        alone = ["*"] * len(FIELDS)
        alone[number] = part
        CronSim(" ".join(alone), datetime(2026, 1, 1, tzinfo=UTC))
        return part

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cron) and (self.text, self.zone) == (other.text, other.zone)

    def __hash__(self) -> int:
        return hash((self.text, self.zone))

    def __repr__(self) -> str:
        return f"Cron({self.text!r}, {self.zone!r})"

    def after(self, moment_us: int) -> int:
        """The next fire that is later than a moment, both in microseconds."""
        return next(to_us(fire) for fire in self._fires(to_datetime(moment_us)) if to_us(fire) > moment_us)

    def upcoming(self, moment_us: int, count: int) -> list[int]:
        """The next fires after a moment."""
        return [to_us(fire) for fire in islice(self._fires(to_datetime(moment_us)), count)]

    def _fires(self, moment: datetime) -> Iterator[datetime]:
        for fire in CloudflareDays(self._parts, moment.astimezone(self._zone), self._rule):
            yield fire.astimezone(UTC)


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise CronInvalid(f"{name!r} is no IANA time zone such as Europe/Berlin") from None


def _weekday_numbers(text: str) -> str:
    """Names of days as Cloudflare's numbers."""
    for number, name in enumerate(DAYS):
        text = text.replace(name, str(number + 1))
    return text


def _days(text: str) -> str:
    """The day of the week as cronsim counts: 1 to 7 become 0 to 6."""
    found = []
    for term in text.split(","):
        mark = next((one for one in term if one in "/#"), "")
        days, _, rest = term.partition(mark) if mark else (term, "", "")
        days = _NUMBER.sub(lambda digits: str(int(digits[0]) - 1) if 1 <= int(digits[0]) <= 7 else "99", days)
        found.append(f"{days}{mark}{rest}")
    return ",".join(found)
