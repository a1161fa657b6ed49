"""Cron expressions: Cloudflare's examples, and time zones on days when clocks change (workers/cron/expression.py)."""

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.kit.clock import to_datetime, to_us
from postroom.workers.cron import Cron, CronInvalid

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "America/Sao_Paulo",
]
START = to_us(datetime(2026, 11, 23, 12, tzinfo=UTC))
moments = st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)).map(to_us)


def fires(text: str, count: int = 2, zone: str = "UTC", start: int = START) -> list[str]:
    return [f"{to_datetime(at):%Y-%m-%dT%H:%M}" for at in Cron(text, zone).upcoming(start, count)]


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        # The examples of Cloudflare's page.
        ("* * * * *", "2026-11-23T12:01", "2026-11-23T12:02"),
        ("*/30 * * * *", "2026-11-23T12:30", "2026-11-23T13:00"),
        ("45 * * * *", "2026-11-23T12:45", "2026-11-23T13:45"),
        ("0 17 * * sun", "2026-11-29T17:00", "2026-12-06T17:00"),
        ("0 17 * * 1", "2026-11-29T17:00", "2026-12-06T17:00"),
        ("10 7 * * mon-fri", "2026-11-24T07:10", "2026-11-25T07:10"),
        ("10 7 * * 2-6", "2026-11-24T07:10", "2026-11-25T07:10"),
        ("0 15 1 * *", "2026-12-01T15:00", "2027-01-01T15:00"),
        ("0 18 * * 6L", "2026-11-27T18:00", "2026-12-25T18:00"),
        ("0 18 * * friL", "2026-11-27T18:00", "2026-12-25T18:00"),
        ("59 23 LW * *", "2026-11-30T23:59", "2026-12-31T23:59"),
        ("0 9 * * 2#1", "2026-12-07T09:00", "2027-01-04T09:00"),
        # Those of its parser: https://github.com/cloudflare/saffron .
        ("0 0 15W * *", "2026-12-15T00:00", "2027-01-15T00:00"),
        ("0 0 1W * *", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("0 0 1W MAY *", "2027-05-03T00:00", "2028-05-01T00:00"),
        ("0 0 31W * *", "2026-12-31T00:00", "2027-01-29T00:00"),
        ("0 0 L-1 FEB *", "2027-02-27T00:00", "2028-02-28T00:00"),
        ("0 0 L-1W MAY *", "2027-05-31T00:00", "2028-05-30T00:00"),
        ("0 22-2/2 * * *", "2026-11-23T22:00", "2026-11-24T00:00"),
        ("0 0 * nov-jan 7-1", "2026-11-28T00:00", "2026-11-29T00:00"),
        # One of the two days has to fit, unless one of them allows every day.
        ("0 0 */15 * mon", "2026-11-30T00:00", "2026-12-01T00:00"),
        ("0 0 1-31 * mon", "2026-11-30T00:00", "2026-12-07T00:00"),
        ("0 0 15W * fri", "2026-11-27T00:00", "2026-12-04T00:00"),
    ],
)
def test_cloudflare_s_examples(text: str, first: str, second: str) -> None:
    """1 is Sunday."""
    assert fires(text) == [first, second]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("60 * * * *", "minute of '60 * * * *' is '60'; it may be 0 to 59"),
        ("* 24 * * *", "hour of"),
        ("* * 0 * *", "day of the month of"),
        ("* * * 13 *", "month of"),
        ("* * * * 8", "day of the week of '* * * * 8' is '8'"),
        ("* * * * 0", "1 (Sunday) to 7"),
        ("* * * *", "has 4 fields"),
        ("0 * * * * *", "has 6 fields"),
        ("*/0 * * * *", "minute of"),
        ("0 0 32W * *", "day of the month of"),
        ("0 0 L-31 * *", "day of the month of"),
        ("0 0 L-0W * *", "day of the month of"),
        ("0 0 1,15W * *", "day of the month of"),
        ("70-2 * * * *", "minute of"),
        ("0 0 31 2 *", "day of the month|never comes"),
        ("", "has 1 fields"),
    ],
)
def test_what_is_no_expression_is_explained(text: str, complaint: str) -> None:
    """By field, value and range."""
    with pytest.raises(CronInvalid) as raised:
        Cron(text)
    assert any(part in str(raised.value) for part in complaint.split("|"))


def test_zone_that_is_none() -> None:
    """Is named."""
    with pytest.raises(CronInvalid, match="'Berlin' is no IANA time zone"):
        Cron("* * * * *", "Berlin")


@settings(max_examples=200, deadline=None)
@given(start=moments, zone=st.sampled_from(ZONES), hour=st.integers(0, 23), minute=st.integers(0, 59))
def test_daily_fires_once_a_day(start: int, zone: str, hour: int, minute: int) -> None:
    """On every local day that there is, at its time or, where that is skipped, right after the gap."""
    cron = Cron(f"{minute} {hour} * * *", zone)
    local = ZoneInfo(zone)
    found = [to_datetime(at).astimezone(local) for at in cron.upcoming(start, 10)]

    assert all(at < later for at, later in itertools.pairwise(found))
    days = [at.date() for at in found]
    assert len(set(days)) == len(days)
    for day, later in itertools.pairwise(days):
        skipped = datetime(2011, 12, 30).date()
        between = day + timedelta(days=1)
        assert later == between or (zone == "Pacific/Apia" and between == skipped)
    for at in found:
        early = timedelta(hours=at.hour - hour, minutes=at.minute - minute)
        assert timedelta(0) <= early <= timedelta(hours=1)


@settings(max_examples=100, deadline=None)
@given(start=moments, zone=st.sampled_from(ZONES), step=st.sampled_from([1, 5, 15, 30]))
def test_every_so_many_minutes_never_stops(start: int, zone: str, step: int) -> None:
    """Clocks that change neither stop nor double it."""
    at = Cron(f"*/{step} * * * *", zone).upcoming(start, 50)
    gaps = {later - before for before, later in itertools.pairwise(at)}
    assert min(gaps) > 0
    # Lord Howe moves its clock by half an hour.
    assert max(gaps) <= max(step, 30) * 60_000_000


@settings(max_examples=100, deadline=None)
@given(start=moments, zone=st.sampled_from(ZONES))
def test_after_goes_on_from_each_fire(start: int, zone: str) -> None:
    """One after the other they are those that are upcoming."""
    cron = Cron("30 2 * * *", zone)
    walked, at = [], start
    for _ in range(5):
        at = cron.after(at)
        walked.append(at)
    assert walked == cron.upcoming(start, 5)
