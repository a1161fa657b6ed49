"""The days of a cron expression as Cloudflare's parser counts them, on top of cronsim's fields.

https://github.com/cloudflare/saffron . What cronsim has not: `15W` (the weekday nearest to the 15th, in the same month),
`L-3` (three days before the last) and `L-3W`; ranges that go over the end (`22-4`); and that a day has to fit one of the
two fields unless one of them allows every day, also where that is written `*/1` or `1-31`.
"""

import calendar
import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Final

from cronsim import CronSim

Rule = Callable[[date], bool]

_NEAREST: Final = re.compile(r"(?:([0-9]{1,2})|L-([0-9]{1,2}))W")
_BEFORE_LAST: Final = re.compile(r"L-([0-9]{1,2})")
_RANGE: Final = re.compile(r"([0-9]{1,2})-([0-9]{1,2})(?:/([0-9]{1,2}))?")
LAST_OFFSET_MAX: Final = 30
MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


class CloudflareDays(CronSim):
    """A cronsim iterator with these days; `rule` stands in for the day of the month where it is one of ours."""

    def __init__(self, parts: str, moment: datetime, rule: Rule | None) -> None:
        self._rule = rule
        super().__init__(parts, moment)
        every_day = rule is None and set(self.days) >= set(range(1, 32))
        every_weekday = set(self.weekdays) >= set(range(7))
        self.day_and = every_day or every_weekday

    def match_dom(self, d: date) -> bool:
        """Whether the day of the month fits."""
        return super().match_dom(d) if self._rule is None else self._rule(d)


def day_rule(field: str) -> Rule | None:
    """The rule of a day-of-month field that cronsim does not know; None for what it knows. Raises ValueError."""
    if found := _NEAREST.fullmatch(field):
        day, before = found.groups()
        return _nearest(_bounded(day, 1, 31) if day else -_bounded(before, 1, LAST_OFFSET_MAX))
    if found := _BEFORE_LAST.fullmatch(field):
        offset = _bounded(found[1], 1, LAST_OFFSET_MAX)
        return lambda day: day.day == _days_in(day) - offset
    return None


def unwrapped(field: str, low: int, high: int) -> str:
    """A field without ranges that go over the end, and without names of months."""
    for number, name in enumerate(MONTHS, 1):
        field = field.replace(name, str(number)) if high == len(MONTHS) else field
    return ",".join(_unwrapped(term, low, high) for term in field.split(","))


def _unwrapped(term: str, low: int, high: int) -> str:
    found = _RANGE.fullmatch(term)
    if found is None or int(found[1]) <= int(found[2]):
        return term
    first, last, step = int(found[1]), int(found[2]), int(found[3] or 1)
    if not (low <= last and first <= high and step):
        return term
    return ",".join(map(str, [*range(first, high + 1), *range(low, last + 1)][::step]))


def _nearest(wanted: int) -> Rule:
    """The weekday nearest to a day of the month; below zero, so many before the last."""

    def fits(day: date) -> bool:
        last = _days_in(day)
        number = wanted if wanted > 0 else last + wanted
        if not 1 <= number <= last:
            return False
        weekday = day.replace(day=number).weekday()
        if weekday == calendar.SATURDAY:
            number += 2 if number == 1 else -1
        elif weekday == calendar.SUNDAY:
            number += -2 if number == last else 1
        return day.day == number

    return fits


def _bounded(text: str, low: int, high: int) -> int:
    if not low <= int(text) <= high:
        raise ValueError(f"{text} is not from {low} to {high}")
    return int(text)


def _days_in(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]
