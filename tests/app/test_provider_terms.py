"""What a provider's URL says of routing (wiring/providers.py)."""

import pytest

from postroom.delivery import ConfigurationError, Failover, Outcome, Verdict
from postroom.delivery.routing import Override
from postroom.kit.clock import SystemClock
from postroom.settings import load
from postroom.wiring.providers import make_routes, read_terms

POLICY = Outcome(Verdict.REJECTED_PERMANENT, "550 5.7.1", "refused by the server's policy")


def test_rest_of_the_url_is_the_provider_s_own() -> None:
    """A plus and a percent sign mean there what they mean to the provider."""
    terms = read_terms(
        "smtp://u:p%2B@h:587?from=Clinic%20<a%2Bb@c.example>&phi=yes&rate=5&name=relay&tls=none", "email"
    )

    assert terms.url == "smtp://u:p%2B@h:587?from=Clinic%20<a%2Bb@c.example>&tls=none"
    assert (terms.name, terms.health_data, terms.rate, terms.burst, terms.wait_seconds) == (
        "relay", True, 5, 5, 0,
    )  # fmt: skip


@pytest.mark.parametrize(("url", "allowed", "wait"), [
    ("smtp://h", True, 0), ("noop", True, 0), ("smtp://h?phi=no", False, 0), ("resend://k@", False, 900),
    ("resend://k@?phi=yes", True, 900), ("sendgrid://k@", False, 900), ("resend://k@?wait=30", False, 30),
    ("smtp://h?relay=postmark", False, 900), ("smtp://h?relay=ses&phi=yes&wait=60", True, 60),
    ("smtp://apikey:k@smtp.sendgrid.net", False, 900),
])  # fmt: skip
def test_who_may_carry_health_data(url: str, allowed: bool, wait: float) -> None:
    """One's own relay; a vendor where somebody says so."""
    terms = read_terms(url, "email")

    assert (terms.health_data, terms.wait_seconds) == (allowed, wait)


@pytest.mark.parametrize(("query", "says"), [
    ("phi=maybe", "yes or no"), ("rate=fast", "rate must be"), ("burst=0", "burst must be"), ("wait=-1", "wait must be"),
    ("outcome=x", "CODE:OUTCOME"), ("outcome=5.7.1:accepted", "CODE:OUTCOME"), ("outcome=:unknown", "CODE:OUTCOME"),
])  # fmt: skip
def test_terms_that_make_no_sense_are_refused(query: str, says: str) -> None:
    """Naming the option."""
    with pytest.raises(ConfigurationError, match=says):
        read_terms(f"resend://k@?{query}", "email")


@pytest.mark.parametrize(
    "url", ["sendgrid://k@", "smtp://h?relay=sendgrid", "smtp://smtp.sendgrid.net?tls=starttls"]
)
def test_sendgrid_cannot_be_given_health_data(url: str) -> None:
    """Its own terms forbid it, whatever somebody has signed, and by whichever way."""
    with pytest.raises(ConfigurationError, match="in any context"):
        read_terms(f"{url}{'&' if '?' in url else '?'}phi=yes", "email")


def test_codes_mean_what_one_says_they_mean() -> None:
    """Per provider, by the whole code or a word of it; the first that fits decides."""
    url = "smtp://h?tls=none&outcome=5.7.1:rejected_temporary&outcome=550:bad_address&outcome=451%204.7.0:throttled"
    (route, _) = make_routes(load({"POSTROOM_EMAIL_PROVIDERS": url}).settings, SystemClock())

    policy = route.revised(POLICY)
    unknown_user = route.revised(Outcome(Verdict.REJECTED_TEMPORARY, "550 5.2.2", elsewhere=Failover.NOW))
    slow = route.revised(Outcome(Verdict.REJECTED_TEMPORARY, "451 4.7.0"))
    other = route.revised(Outcome(Verdict.REJECTED_TEMPORARY, "452 4.2.2"))

    assert (policy.verdict, policy.failover) == (Verdict.REJECTED_TEMPORARY, Failover.LATER)
    assert (unknown_user.verdict, unknown_user.suppress) == (Verdict.REJECTED_PERMANENT, True)
    assert unknown_user.failover is Failover.NEVER
    assert (slow.verdict, other.verdict) == (Verdict.THROTTLED, Verdict.REJECTED_TEMPORARY)


@pytest.mark.parametrize("verdict", [Verdict.ACCEPTED, Verdict.UNKNOWN])
def test_what_may_have_left_stays_as_it_is(verdict: Verdict) -> None:
    """No setting makes a second copy possible."""
    (route, *_) = make_routes(load({"POSTROOM_SMTP_URL": "smtp://h"}).settings, SystemClock())
    route = route._replace(overrides=(Override("500", Verdict.REJECTED_TEMPORARY),))

    assert route.revised(Outcome(verdict, "500")).verdict is verdict
