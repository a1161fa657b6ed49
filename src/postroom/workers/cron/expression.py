"""Cron expressions in Cloudflare's syntax, in any time zone.

Five fields: minute, hour, day of the month, month, day of the week (1 is Sunday, 7 is Saturday, or SUN to SAT), with `*`,
lists, ranges, steps, `L`, `LW`, `6L` or `friL` (the last one of the month) and `2#1` (the first Monday).
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

FIELDS: Final = (
    ("minute", "0 to 59"), ("hour", "0 to 23"),
    ("day of the month", "1 to 31, L or LW"), ("month", "1 to 12 or JAN to DEC"),
    ("day of the week", "1 (Sunday) to 7 (Saturday) or SUN to SAT, also 6L, friL, 2#1"),
)  # fmt: skip
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
        parts[4] = _days(parts[4])
        for number, (name, allowed) in enumerate(FIELDS):
            alone = ["*"] * len(FIELDS)
            alone[number] = parts[number]
            try:
                CronSim(" ".join(alone), datetime(2026, 1, 1, tzinfo=UTC))
            except (CronSimError, ValueError):
                given = self.text.split(" ")[number]
                raise CronInvalid(f"{name} of {self.text!r} is {given!r}; it may be {allowed}") from None
        self._parts = " ".join(parts)
        try:
            next(self._fires(datetime(2026, 1, 1, tzinfo=UTC)))
        except (CronSimError, StopIteration):
            raise CronInvalid(f"{self.text!r} never comes") from None

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
        for fire in CronSim(self._parts, moment.astimezone(self._zone)):
            yield fire.astimezone(UTC)


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise CronInvalid(f"{name!r} is no IANA time zone such as Europe/Berlin") from None


def _days(text: str) -> str:
    """The day of the week as cronsim counts: names become numbers, and 1 to 7 become 0 to 6."""
    found = []
    for term in text.split(","):
        days, mark, rest = next(
            (
                (term[:place], term[place], term[place + 1 :])
                for place in range(len(term))
                if term[place] in "/#"
            ),
            (term, "", ""),
        )
        for number, name in enumerate(DAYS):
            days = days.replace(name, str(number + 1))
        days = _NUMBER.sub(lambda digits: str(int(digits[0]) - 1) if 1 <= int(digits[0]) <= 7 else "99", days)
        found.append(f"{days}{mark}{rest}")
    return ",".join(found)
