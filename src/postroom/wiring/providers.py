"""From settings to routes: which providers there are, what is agreed about each, and in which order they are tried."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from postroom.delivery import Channel, ConfigurationError, ProviderContext, Verdict, load
from postroom.delivery.routing import Override, Route
from postroom.kit.clock import Clock
from postroom.settings import Settings

OURS: Final = frozenset({"phi", "rate", "burst", "name", "wait", "outcome"})
"""Options of a provider's URL that are about routing and not the provider's."""
TRUSTED: Final = frozenset({"smtp", "smtps", "noop"})
"""One's own relay and nobody at all may carry health data unless told otherwise; a vendor, also one that is reached by
SMTP (`relay=`), only with `phi=yes`."""
NEVER: Final = frozenset({"sendgrid"})
"""Whose own terms forbid health data in any context: no contract helps."""
BAD_ADDRESS: Final = "bad_address"
"""As an outcome: refused for good, and nobody writes to that address any more."""
VERDICTS: Final = {
    **{str(one): (one, False) for one in Verdict if one is not Verdict.ACCEPTED},
    BAD_ADDRESS: (Verdict.REJECTED_PERMANENT, True),
}
WAIT_SECONDS: Final = 900.0
"""How long a vendor's callback is waited for before a call in doubt is decided by policy."""


class Terms(NamedTuple):
    """What a URL says of routing."""

    url: str
    """The rest, for the provider."""
    name: str | None
    health_data: bool
    rate: float | None
    burst: int
    wait_seconds: float
    overrides: tuple[Override, ...] = ()


def make_routes(settings: Settings, clock: Clock, *, smtp_url: str | None = None) -> list[Route]:
    """Every route, by channel in order of preference; `smtp_url` stands in for the setting.

    Raises ConfigurationError, naming the channel and the option.
    """
    context = ProviderContext(_credentials(settings), settings.public_url)
    email = [smtp_url] if smtp_url else settings.email_providers or (settings.smtp_url or "noop",)
    return [
        *_channel("email", email, clock, context),
        *_channel("sms", settings.sms_providers or ("noop",), clock, context),
    ]


def _channel(channel: Channel, urls: Sequence[str], clock: Clock, context: ProviderContext) -> list[Route]:
    routes = []
    for url in urls:
        terms = read_terms(url, channel)
        provider = load(terms.url, channel=channel, name=terms.name, clock=clock, context=context)
        routes.append(Route(provider, *terms[2:]))
    names = [route.name for route in routes]
    if len(set(names)) < len(names):
        raise ConfigurationError(
            "two providers have the same name; give each its own with name=", key=channel
        )
    return routes


def read_terms(url: str, channel: str) -> Terms:
    """A provider's URL, taken apart. Raises ConfigurationError."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    given = {name: value for name, value in pairs if name in OURS}
    # As they stand: what a plus or a percent sign means in them is the provider's business.
    rest = "&".join(part for part in parts.query.split("&") if part.partition("=")[0] not in OURS)
    scheme = parts.scheme or url.partition(":")[0]
    phi = given.get("phi")
    if phi not in (None, "yes", "no"):
        raise ConfigurationError("phi must be yes or no: may this provider carry health data?", key=channel)
    relay = dict(pairs).get("relay")
    if (parts.hostname or "").endswith(".sendgrid.net"):
        relay = "sendgrid"
    if phi == "yes" and {scheme, relay} & NEVER:
        raise ConfigurationError(
            f"{relay or scheme} may not carry health data in any context, so it cannot have phi=yes",
            key=channel,
        )
    rate = _number(given, "rate", 0.001, 100_000, channel)
    burst = _number(given, "burst", 1, 100_000, channel)
    wait = _number(given, "wait", 0, 604_800, channel)
    own = scheme in TRUSTED and relay is None
    plain = url if not given else urlunsplit(parts._replace(query=rest))
    return Terms(
        url=plain if "?" in url or not given else url,
        name=given.get("name") or None,
        health_data=own if phi is None else phi == "yes",
        rate=rate,
        burst=int(burst or max(1.0, rate or 1.0)),
        wait_seconds=wait if wait is not None else 0.0 if own else WAIT_SECONDS,
        overrides=tuple(_override(value, channel) for name, value in pairs if name == "outcome"),
    )


def _override(text: str, channel: str) -> Override:
    code, _, verdict = text.rpartition(":")
    if not code or verdict not in VERDICTS:
        raise ConfigurationError(
            f"outcome must be CODE:OUTCOME, for example 5.7.1:rejected_temporary; OUTCOME is one of "
            f"{', '.join(VERDICTS)}", key=channel,
        )  # fmt: skip
    return Override(code, *VERDICTS[verdict])


def _number(given: Mapping[str, str], name: str, low: float, high: float, channel: str) -> float | None:
    raw = given.get(name)
    if raw is None:
        return None
    try:
        value = float(raw)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise ConfigurationError(f"{name} must be a number from {low:g} to {high:g}", key=channel)
    return value


def _credentials(settings: Settings) -> dict[str, str]:
    found = {
        "SENDGRID_API_KEY": settings.sendgrid_api_key,
        "RESEND_API_KEY": settings.resend_api_key,
        "AWS_ACCESS_KEY_ID": settings.aws_access_key_id,
        "AWS_SECRET_ACCESS_KEY": settings.aws_secret_access_key,
        "AWS_SESSION_TOKEN": settings.aws_session_token,
        "TWILIO_ACCOUNT_SID": settings.twilio_account_sid,
        "TWILIO_AUTH_TOKEN": settings.twilio_auth_token,
        "VONAGE_API_KEY": settings.vonage_api_key,
        "VONAGE_API_SECRET": settings.vonage_api_secret,
    }
    return {name: value for name, value in found.items() if value}
