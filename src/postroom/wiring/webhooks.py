"""From settings to receivers of webhooks."""

from typing import Final

import httpx2

from postroom.delivery.webhooks import Receiver, ReceiverOptions, load_receiver
from postroom.kit.clock import Clock
from postroom.settings import Settings

FETCH_SECONDS: Final = 5.0
CERTIFICATE_BYTES_MAX: Final = 64 * 1024
MODULES: Final = {"delivery": "generic"}
"""Names in paths that are not the receiver's own."""


def make_receivers(settings: Settings, clock: Clock, local_secret: str) -> dict[str, Receiver]:
    """The receivers that are configured, by the name in their path. Raises ConfigurationError.

    In the local environment the generic one is always there, with a secret of this machine's.
    """
    secrets: dict[str, list[str]] = {}
    for name, secret in settings.webhooks:
        secrets.setdefault(name, []).append(secret)
    if settings.twilio_auth_token and "twilio" not in secrets:
        secrets["twilio"] = [settings.twilio_auth_token]
    if settings.local:
        secrets.setdefault("delivery", [local_secret])
    return {
        name: load_receiver(MODULES.get(name, name), _options(name, given), clock)
        for name, given in secrets.items()
    }


def _options(name: str, given: list[str]) -> ReceiverOptions:
    if name == "ses":
        return ReceiverOptions(topics=given, fetch=fetch)
    return ReceiverOptions(secrets=given)


async def fetch(url: str) -> bytes:
    """Get a certificate, or confirm a subscription; the receiver has made sure that the address is Amazon's.

    Raises OSError.
    """
    try:
        async with httpx2.AsyncClient(
            timeout=FETCH_SECONDS, trust_env=False, follow_redirects=False
        ) as client:
            answer = await client.get(url)
    except httpx2.HTTPError as error:
        raise OSError(f"{type(error).__name__}") from None
    if answer.status_code != 200 or len(answer.content) > CERTIFICATE_BYTES_MAX:
        raise OSError(f"status {answer.status_code}")
    return answer.content
