"""Providers, one module or package each, chosen by URL or name through one table and imported on use.

Owns the table and nothing else. Providers never import one another.
"""

from importlib import import_module
from typing import Final, NamedTuple

from postroom.delivery.errors import ConfigurationError, MissingDependency
from postroom.delivery.provider import Channel, Provider, ProviderContext
from postroom.kit.clock import Clock, SystemClock


class Place(NamedTuple):
    """Where a provider lives: the module whose `from_url` makes it, and the extra that it needs, if any."""

    module: str
    channels: tuple[Channel, ...]
    extra: str | None = None


PROVIDERS: Final[dict[str, Place]] = {
    "noop": Place("postroom.delivery.providers.noop", ("email", "sms")),
    "resend": Place("postroom.delivery.providers.resend", ("email",), "service"),
    "sendgrid": Place("postroom.delivery.providers.sendgrid", ("email",), "service"),
    "ses": Place("postroom.delivery.providers.ses", ("email",), "aws"),
    "smtp": Place("postroom.delivery.providers.smtp", ("email",), "service"),
    "smtps": Place("postroom.delivery.providers.smtp", ("email",), "service"),
    "twilio": Place("postroom.delivery.providers.twilio", ("sms",), "service"),
    "vonage": Place("postroom.delivery.providers.vonage", ("sms",), "service"),
}
"""From a URL's scheme to the provider; the only place that knows them all."""


def load(
    url: str,
    *,
    channel: Channel,
    name: str | None = None,
    clock: Clock | None = None,
    context: ProviderContext | None = None,
) -> Provider:
    """The provider behind a URL (`smtp://user:secret@host`) or a bare name (`noop`), not yet open.

    `name` is what operators call it, by default the URL's scheme; `context` has what the URL may leave out. Raises
    ConfigurationError for an unknown provider, one that cannot send on the channel, or a wrong option, and
    MissingDependency with the command that installs what is missing. No text repeats the URL, which may hold a
    password.
    """
    scheme = url.partition(":")[0].lower()
    place = PROVIDERS.get(scheme)
    if place is None:
        raise ConfigurationError(f"unknown provider; known: {', '.join(sorted(PROVIDERS))}", key=channel)
    if channel not in place.channels:
        able = ", ".join(sorted(known for known, other in PROVIDERS.items() if channel in other.channels))
        text = f'the provider "{scheme}" does not send {channel}; those that do: {able}'
        raise ConfigurationError(text, key=channel)
    try:
        module = import_module(place.module)
    except ModuleNotFoundError as error:
        if place.extra is None or (error.name or "postroom").partition(".")[0] == "postroom":
            raise
        raise MissingDependency.of(
            f'{error.name}, which the provider "{scheme}" needs,', place.extra
        ) from error
    provider: Provider = module.from_url(
        url,
        channel=channel,
        name=name or scheme,
        clock=clock or SystemClock(),
        context=context or ProviderContext(),
    )
    return provider
