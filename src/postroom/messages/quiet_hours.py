"""At which hours people are left alone: windows in their own time zone, and the next moment that is outside. Pure.

A message that falls into quiet hours is put off, not dropped. Where somebody lives is often only guessed: then the
moment must suit every zone that comes into question. In the US the hours are 21:00 to 8:00 (47 CFR 64.1200(c)(1)).
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

MINUTE: Final = dt.timedelta(minutes=1)
HORIZON: Final = dt.timedelta(days=3)
"""How far ahead a common hour is looked for: windows repeat daily, but an island may leave out a day."""
NOWHERE: Final = "Etc/Unknown"


class NoCommonHour(ValueError):
    """No hour of the day suits all the zones that come into question: one of them has to be chosen."""


class QuietHours(NamedTuple):
    """From `start` until before `end`, by the clock on the wall; over midnight where `end` is not later."""

    start: dt.time
    end: dt.time

    def cover(self, time: dt.time) -> bool:
        """Whether a time of day is quiet."""
        if self.start <= self.end:
            return self.start <= time < self.end
        return time >= self.start or time < self.end


def read_quiet_hours(text: str) -> QuietHours:
    """`21:00-08:00` as quiet hours. Raises ValueError for anything else, and when they would never end or begin."""
    start, dash, end = text.strip().partition("-")
    try:
        hours = QuietHours(*(dt.datetime.strptime(one.strip(), "%H:%M").time() for one in (start, end)))
    except ValueError:
        hours = None
    if not dash or hours is None or hours.start == hours.end:
        raise ValueError("must be two different times of day, for example 21:00-08:00")
    return hours


def next_allowed(now: dt.datetime, zones: Sequence[str], hours: QuietHours) -> dt.datetime | None:
    """The first full minute from now, in UTC, that is quiet in none of the zones; None when now is fine.

    `now` is aware. Clocks that are put forward or back count as they stand on the wall: an hour that comes twice is
    quiet twice, one that is left out is not waited for. Raises NoCommonHour, and ZoneInfoNotFoundError for a zone
    that is none.
    """
    known = [ZoneInfo(zone) for zone in zones]
    moment = now.astimezone(dt.UTC)
    if not any(_quiet(moment, zone, hours) for zone in known):
        return None
    last = moment + HORIZON
    moment = _full_minute(moment)
    while moment <= last:
        later = max((_end_of_quiet(moment, zone, hours) for zone in known), default=moment)
        if later == moment:
            return moment
        moment = later
    raise NoCommonHour("no hour of the day suits all zones")


def _quiet(moment: dt.datetime, zone: ZoneInfo, hours: QuietHours) -> bool:
    return hours.cover(moment.astimezone(zone).time())


def _end_of_quiet(moment: dt.datetime, zone: ZoneInfo, hours: QuietHours) -> dt.datetime:
    """The first full minute from a full minute on that is not quiet in the zone."""
    local = moment.astimezone(zone)
    if not hours.cover(local.time()):
        return moment
    end = dt.datetime.combine(local.date(), hours.end)
    wait = end - local.replace(tzinfo=None)
    if wait <= dt.timedelta():
        wait += dt.timedelta(days=1)
    later = moment + wait
    if later.astimezone(zone).utcoffset() == local.utcoffset():
        return later
    # The clocks are changed in between: the wall is read minute by minute, twice a year.
    while _quiet(moment, zone, hours):
        moment += MINUTE
    return moment


def _full_minute(moment: dt.datetime) -> dt.datetime:
    cut = moment.replace(second=0, microsecond=0)
    return cut if cut == moment else cut + MINUTE


def zones_of(number: str, zone: str | None = None, *, fallback: Iterable[str] = ()) -> tuple[str, ...]:
    """The zones in which the person with an E.164 number may be; the one that is on record for them wins.

    People take their number along when they move, so only a landline's area code says where it is: of any other number
    it is every zone of its country (https://data.iana.org/time-zones/tzdb/zone.tab). `fallback` is for numbers of no
    country, and for what is no number.
    """
    if zone is not None:
        return (zone,)
    # Part of the `service` extra, and slow to load.
    import phonenumbers
    from phonenumbers.timezone import time_zones_for_number

    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return tuple(fallback)
    found = tuple(name for name in time_zones_for_number(parsed) if name != NOWHERE)
    if phonenumbers.number_type(parsed) != phonenumbers.PhoneNumberType.FIXED_LINE:
        found = _zones_of_country(phonenumbers.region_code_for_number(parsed)) or found
    return found or tuple(fallback)


@lru_cache(maxsize=512)
def _zones_of_country(code: str | None) -> tuple[str, ...]:
    lines = files("tzdata").joinpath("zoneinfo/zone.tab").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return tuple(row[2] for row in rows if row[0] == code)
