"""When to try again and when to give up. Promised in `postroom.jobs.policy`, figures from the reference document."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.jobs.outcome import Done, Failed, RetryAfter
from postroom.jobs.policy import (
    PRIORITY_DELAY_SECONDS,
    DeadLetter,
    PriorityDelays,
    Retry,
    RetryPolicy,
    Settle,
)
from postroom.queues.errors import ConfigurationError

quick = settings(deadline=None, database=None)


def middle() -> float:
    """Draw the middle of the jitter: no spread."""
    return 0.5


@pytest.mark.parametrize(
    ("attempt", "minutes"), [(1, 2), (2, 4), (3, 8), (5, 32), (10, 1024)], ids=lambda n: str(n)
)
def test_delay_is_two_to_the_attempt_minutes(attempt, minutes):
    """The reference document's backoff."""
    assert minutes * 60 == pytest.approx(RetryPolicy().delay_seconds(attempt, random=middle))


@pytest.mark.parametrize(
    ("drawn", "expected"), [(0.0, 108), (0.5, 120), (1.0, 132)], ids=["low", "middle", "high"]
)
def test_delay_is_spread_by_the_jitter(drawn, expected):
    """A jitter of 0.1 spreads over 90 % to 110 %."""
    assert pytest.approx(RetryPolicy().delay_seconds(1, random=lambda: drawn)) == expected


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [
        pytest.param(1, 1, id="shorter-than-backoff"),
        pytest.param(0.5, 0.5, id="a-fraction"),
        pytest.param(7_200, 7_200, id="longer-than-backoff"),
        pytest.param(1_000_000, 86_400, id="capped"),
        pytest.param(math.inf, 86_400, id="infinite"),
        pytest.param(0, 120, id="zero-is-no-wish"),
        pytest.param(-5, 120, id="negative-is-no-wish"),
        pytest.param(math.nan, 120, id="nan-is-no-wish"),
        pytest.param(None, 120, id="none"),
    ],
)
def test_delay_obeys_the_provider(retry_after, expected):
    """A Retry-After above 0 is obeyed exactly, without jitter, up to the ceiling."""
    assert pytest.approx(RetryPolicy().delay_seconds(1, retry_after, random=middle)) == expected


@quick
@given(
    attempt=st.integers(1, 10_000),
    base=st.floats(0.01, 3_600),
    jitter=st.floats(0, 1),
    ceiling=st.floats(3_600, 1_209_600),
    drawn=st.floats(0, 1),
)
def test_delay_stays_within_its_bounds(attempt, base, jitter, ceiling, drawn):
    """Never negative, never above the ceiling, and within the jitter of the nominal wait below it."""
    policy = RetryPolicy(base_seconds=base, jitter=jitter, ceiling_seconds=ceiling)

    delay = policy.delay_seconds(attempt, random=lambda: drawn)

    nominal = min(base * 2.0 ** min(attempt, 62), ceiling / (1 + jitter))
    assert 0 <= delay <= ceiling
    assert nominal * (1 - jitter) - 1e-6 <= delay <= nominal * (1 + jitter) + 1e-6


@quick
@given(attempt=st.integers(1, 100), drawn=st.floats(0, 1), retry_after=st.floats(allow_nan=True) | st.none())
def test_delay_never_exceeds_a_day_by_default(attempt, drawn, retry_after):
    """Cloudflare's longest delay is 24 hours."""
    assert 0 <= RetryPolicy().delay_seconds(attempt, retry_after, random=lambda: drawn) <= 86_400


@pytest.mark.parametrize("attempt", [0, -1])
def test_delay_refuses_an_attempt_below_one(attempt):
    """Attempts are counted from 1."""
    with pytest.raises(ValueError, match="counted from 1"):
        RetryPolicy().delay_seconds(attempt)


@pytest.mark.parametrize(
    ("outcome", "attempt", "expected"),
    [
        pytest.param(Done(), 1, Settle(), id="done"),
        pytest.param(Done("late"), 9, Settle(), id="done-after-too-many"),
        pytest.param(RetryAfter(None, "busy"), 1, Retry(120), id="first-failure"),
        pytest.param(RetryAfter(None, "busy"), 2, Retry(240), id="second-failure"),
        pytest.param(RetryAfter(30, "busy"), 2, Retry(30), id="provider-asks"),
        pytest.param(
            RetryAfter(30, "busy"), 3, DeadLetter("gave up after 3 attempts; last: busy"), id="last-attempt"
        ),
        pytest.param(
            RetryAfter(None, "busy"),
            7,
            DeadLetter("gave up after 7 attempts; last: busy"),
            id="beyond-the-last",
        ),
        pytest.param(
            Failed("no such mailbox", "550"), 1, DeadLetter("no such mailbox"), id="failed-for-good"
        ),
    ],
)
def test_decide(outcome, attempt, expected):
    """Done settles, temporary failures are tried three times, permanent ones are dead letters at once."""
    assert RetryPolicy().decide(outcome, attempt, random=middle) == expected


def test_decide_gives_up_at_once_where_one_attempt_is_all():
    """`max_attempts=1` means no second try."""
    decision = RetryPolicy(max_attempts=1).decide(RetryAfter(None, "busy"), 1)

    assert decision == DeadLetter("gave up after 1 attempt; last: busy")


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        pytest.param({"max_attempts": 0}, "max_attempts", id="no-attempt"),
        pytest.param({"max_attempts": 102}, "max_attempts", id="more-than-a-queue-delivers"),
        pytest.param({"max_attempts": 2.5}, "max_attempts", id="half-an-attempt"),
        pytest.param({"max_attempts": True}, "max_attempts", id="a-boolean"),
        pytest.param({"base_seconds": -1}, "base_seconds", id="negative-base"),
        pytest.param({"base_seconds": 90_000}, "base_seconds", id="base-above-ceiling"),
        pytest.param({"jitter": -0.1}, "jitter", id="negative-jitter"),
        pytest.param({"jitter": 1.1}, "jitter", id="jitter-above-one"),
        pytest.param({"jitter": math.nan}, "jitter", id="jitter-nan"),
        pytest.param({"ceiling_seconds": 0}, "ceiling_seconds", id="no-ceiling"),
        pytest.param({"ceiling_seconds": 1_209_601}, "ceiling_seconds", id="ceiling-beyond-retention"),
        pytest.param({"ceiling_seconds": "1h"}, "ceiling_seconds", id="text"),
    ],
)
def test_policy_refuses_what_is_out_of_range(settings, key):
    """A wrong setting is refused when the policy is built, by name."""
    with pytest.raises(ConfigurationError, match=key) as refusal:
        RetryPolicy(**settings)

    assert key == refusal.value.key


def test_priority_delays_are_the_reference_documents():
    """High at once, normal after 1 s, low after 5 s."""
    delays = PriorityDelays()

    assert dict(PRIORITY_DELAY_SECONDS) == {"high": 0, "normal": 1, "low": 5}
    assert [delays.seconds(priority) for priority in ("high", "normal", "low")] == [0, 1, 5]


def test_priority_delays_can_be_set():
    """The delays are an application's choice."""
    assert PriorityDelays(low=60).seconds("low") == 60


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"high": -1}, "high"),
        ({"normal": 86_401}, "normal"),
        ({"low": math.nan}, "low"),
        ({"low": None}, "low"),
    ],
    ids=["negative", "above-a-day", "nan", "none"],
)
def test_priority_delays_refuse_what_is_out_of_range(settings, key):
    """A wrong delay is refused when it is built, by name."""
    with pytest.raises(ConfigurationError, match=key):
        PriorityDelays(**settings)
