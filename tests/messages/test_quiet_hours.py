"""When people are left alone (messages/quiet_hours.py; delivery 6.6): DST, zones that are guessed, the earliest minute."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.messages.quiet_hours import (
    MINUTE,
    NoCommonHour,
    QuietHours,
    next_allowed,
    read_quiet_hours,
    zones_of,
)

NIGHT = read_quiet_hours("21:00-08:00")
ZONES = (
    "Europe/Berlin", "America/New_York", "America/Los_Angeles", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia",
    "Africa/Casablanca", "America/St_Johns", "UTC", "America/Santiago",
)  # fmt: skip


def at(text: str, zone: str = "UTC", fold: int = 0) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(dt.UTC)


@pytest.mark.parametrize(
    ("now", "zones", "hours", "then"),
    [
        pytest.param("2026-07-01T12:00", ["Europe/Berlin"], "21:00-08:00", None, id="day"),
        pytest.param("2026-07-01T18:59:59", ["Europe/Berlin"], "21:00-08:00", None, id="last-second"),
        pytest.param("2026-07-01T19:00", ["Europe/Berlin"], "21:00-08:00", "2026-07-02T06:00", id="evening"),
        pytest.param("2026-07-02T05:59:59", ["Europe/Berlin"], "21:00-08:00", "2026-07-02T06:00", id="morning"),
        pytest.param("2026-07-02T06:00", ["Europe/Berlin"], "21:00-08:00", None, id="first-minute"),
        pytest.param("2026-01-15T23:30", ["Europe/Berlin"], "00:00-07:30", "2026-01-16T06:30", id="not-over-midnight"),
        pytest.param("2026-01-15T22:30", ["Europe/Berlin"], "00:00-07:30", None, id="before-midnight"),
        # Every zone of the continental US: 8:00 in California is 11:00 in New York.
        pytest.param("2026-07-01T13:00", ["America/New_York", "America/Los_Angeles"], "21:00-08:00", "2026-07-01T15:00",
                     id="two-zones"),
        pytest.param("2026-07-02T01:00", ["America/New_York", "America/Los_Angeles"], "21:00-08:00", "2026-07-02T15:00",
                     id="over-in-the-east"),
        pytest.param("2026-07-01T03:00", [], "21:00-08:00", None, id="no-zone"),
        # 2026-03-29 02:00 becomes 03:00 in Berlin: what would end at 02:30 ends with the gap.
        pytest.param("2026-03-29T00:10", ["Europe/Berlin"], "21:00-02:30", "2026-03-29T01:00", id="end-in-the-gap"),
        pytest.param("2026-03-28T22:00", ["Europe/Berlin"], "21:00-08:00", "2026-03-29T06:00", id="short-night"),
        pytest.param("2026-10-24T22:00", ["Europe/Berlin"], "21:00-08:00", "2026-10-25T07:00", id="long-night"),
        # 2026-10-25 03:00 becomes 02:00: 02:30 comes twice, and between them it is quiet again.
        pytest.param("2026-10-24T23:00", ["Europe/Berlin"], "21:00-02:30", "2026-10-25T00:30", id="first-of-the-fold"),
        pytest.param("2026-10-25T00:45", ["Europe/Berlin"], "21:00-02:30", None, id="between-the-fold"),
        pytest.param("2026-10-25T01:10", ["Europe/Berlin"], "21:00-02:30", "2026-10-25T01:30", id="second-of-the-fold"),
        # Samoa left out 2011-12-30.
        pytest.param("2011-12-30T07:30", ["Pacific/Apia"], "21:00-08:00", "2011-12-30T18:00", id="a-day-left-out"),
    ],
)  # fmt: skip
def test_next_moment_is_found(now: str, zones: list[str], hours: str, then: str | None) -> None:
    """All moments are UTC."""
    found = next_allowed(at(now), zones, read_quiet_hours(hours))

    assert found == (None if then is None else at(then))


def test_no_hour_suits_the_ends_of_the_earth() -> None:
    """That is said, and not guessed."""
    with pytest.raises(NoCommonHour):
        next_allowed(
            at("2026-07-01T12:00"), ["Pacific/Kiritimati", "Europe/London"], read_quiet_hours("15:00-10:00")
        )


times = st.builds(dt.time, st.integers(0, 23), st.integers(0, 59))
moments = st.datetimes(dt.datetime(1995, 1, 1), dt.datetime(2037, 1, 1), timezones=st.just(dt.UTC))
DAYS_OF_CHANGE = [
    at("2026-03-29T01:00"),
    at("2026-10-25T01:00"),
    at("2026-11-01T06:00"),
    at("2026-04-04T15:00"),
]
near_a_change = st.builds(
    lambda day, seconds: day + dt.timedelta(seconds=seconds),
    st.sampled_from(DAYS_OF_CHANGE), st.integers(-100_000, 100_000),
)  # fmt: skip


def allowed(moment: dt.datetime, zones: list[str], hours: QuietHours) -> bool:
    """By the plainest definition."""
    for zone in zones:
        wall = moment.astimezone(ZoneInfo(zone)).time()
        after, before = wall >= hours.start, wall < hours.end
        if (after and before) if hours.start < hours.end else (after or before):
            return False
    return True


@given(
    now=moments | near_a_change,
    zones=st.lists(st.sampled_from(ZONES), min_size=1, max_size=3, unique=True),
    start=times,
    end=times,
)
@settings(max_examples=120, deadline=None)
def test_result_is_the_earliest_minute_that_suits_all(
    now: dt.datetime, zones: list[str], start: dt.time, end: dt.time
) -> None:
    """Allowed in every zone, no minute before it is, and asking again changes nothing."""
    if start == end:
        return
    hours = QuietHours(start, end)
    try:
        found = next_allowed(now, zones, hours)
    except NoCommonHour:
        found = None
        assert not any(allowed(now + minutes * MINUTE, zones, hours) for minutes in range(0, 2 * 1440, 7))
        return

    if found is None:
        assert allowed(now, zones, hours)
        return
    assert allowed(found, zones, hours)
    assert next_allowed(found, zones, hours) is None
    assert found.tzinfo is dt.UTC
    assert (found.second, found.microsecond) == (0, 0)
    minute = found - MINUTE
    while minute > now:
        assert not allowed(minute, zones, hours)
        minute -= MINUTE


@pytest.mark.parametrize("text", ["", "21:00", "21:00-21:00", "21-8", "25:00-08:00", "21:00-08:00-09:00"])
def test_hours_that_are_none_are_refused(text: str) -> None:
    """With an example of what would do."""
    with pytest.raises(ValueError, match="for example 21:00-08:00"):
        read_quiet_hours(text)


def test_zone_on_record_wins() -> None:
    """Whatever the number says."""
    assert zones_of("+12125551234", "Europe/Paris") == ("Europe/Paris",)


def test_zones_come_from_the_number() -> None:
    """A landline's area code says where it is; a number that may be carried along only says which country."""
    assert zones_of("+4930901820") == ("Europe/Berlin",)
    assert zones_of("+4915112345678") == ("Europe/Berlin", "Europe/Busingen")
    assert zones_of("+442071838750") == ("Europe/London",)
    american = zones_of("+12125551234")
    assert {"America/New_York", "America/Los_Angeles", "Pacific/Honolulu"} <= set(american)
    assert "America/Toronto" not in american
    assert zones_of("+390612345678") == ("Europe/Rome",)


@pytest.mark.parametrize("number", ["+80012345678", "+88213123456", "not a number", ""])
def test_number_of_no_country_has_the_fallback(number: str) -> None:
    """Also what is no number."""
    assert zones_of(number, fallback=["Europe/Berlin"]) == ("Europe/Berlin",)


def test_night_over_the_whole_us_is_found() -> None:
    """8:00 in Honolulu and Adak is the earliest for a number that may be anywhere."""
    zones = zones_of("+18005551234")

    assert next_allowed(at("2026-01-15T12:00"), zones, NIGHT) == at("2026-01-15T18:00")
