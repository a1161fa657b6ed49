"""Envelopes keep quiet, and providers are found by name through one table (delivery/provider, delivery/providers)."""

import importlib
import sys
from types import ModuleType

import pytest
from email_support import an_email
from rich.pretty import pretty_repr

import postroom.delivery
import postroom.delivery.providers.smtp
from postroom.delivery import ConfigurationError, MissingDependency, Provider, Text, load
from postroom.delivery.providers.noop import NoopProvider
from postroom.delivery.providers.smtp import SmtpProvider


@pytest.mark.parametrize("envelope", [an_email(html="<p>x</p>"), Text("m1", "+12125551234", "hello")])
def test_envelope_shows_its_message_id_alone(envelope: object) -> None:
    """Neither recipient nor content is in a repr, a format or rich's rendering."""
    shown = f"{envelope!r} {envelope!s} {pretty_repr(envelope)}"

    assert "m1" in shown
    assert not any(word in shown for word in ("anna", "appointment", "Tomorrow", "1212", "hello", "<p>"))


def test_each_email_has_its_own_headers() -> None:
    """The default is not shared between emails."""
    first, second = an_email(), an_email()
    first.headers["X-Note"] = "x"

    assert second.headers == {}


@pytest.mark.parametrize(
    ("url", "channel", "kind"),
    [("noop", "sms", NoopProvider), ("noop://", "email", NoopProvider),
     ("smtp://mail.example", "email", SmtpProvider), ("SMTPS://mail.example", "email", SmtpProvider)],
)  # fmt: skip
def test_url_finds_its_provider(url: str, channel: postroom.delivery.Channel, kind: type) -> None:
    """The scheme, or a bare name, says which."""
    provider: Provider = load(url, channel=channel)

    assert isinstance(provider, kind)
    assert (provider.name, provider.channel) == (url.partition(":")[0].lower(), channel)


def test_provider_can_be_given_a_name() -> None:
    """Two relays need two names."""
    assert load("smtp://mail.example", channel="email", name="backup").name == "backup"


@pytest.mark.parametrize(
    ("url", "channel", "text"),
    [
        (
            "pigeon://hunter2@loft",
            "email",
            "unknown provider; known: noop, resend, sendgrid, ses, smtp, smtps, twilio, vonage",
        ),
        ("smtp://user:hunter2@mail.example", "sms", 'provider "smtp" does not send sms; those that do: noop'),
        ("noop://hunter2", "sms", "takes no options"),
        ("smtp://user:hunter2@mail.example?x=1", "email", 'unknown option "x"'),
    ],
)
def test_wrong_provider_is_refused_without_repeating_the_url(
    url: str, channel: postroom.delivery.Channel, text: str
) -> None:
    """The error says what there is."""
    with pytest.raises(ConfigurationError, match=text) as caught:
        load(url, channel=channel)

    assert "hunter2" not in str(caught.value)


def test_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without aiosmtplib the error is the command that brings it."""
    for name in [name for name in sys.modules if name.startswith("postroom.delivery.providers.smtp")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "aiosmtplib", None)

    with pytest.raises(MissingDependency, match=r'aiosmtplib.*pip install "postroom\[service\]"'):
        load("smtp://mail.example", channel="email")


def test_missing_mailbox_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without aiosmtpd the error is the command that brings it."""
    for name in [name for name in sys.modules if name.startswith("postroom.delivery.mailbox")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "aiosmtpd.smtp", None)

    with pytest.raises(MissingDependency, match=r'aiosmtpd.*pip install "postroom\[demo\]"'):
        importlib.import_module("postroom.delivery.mailbox")


@pytest.mark.parametrize("module", [postroom.delivery, postroom.delivery.providers.smtp])
def test_door_exports_what_it_lists(module: ModuleType) -> None:
    """Every listed name is there, in order."""
    assert all(hasattr(module, name) for name in module.__all__)
    assert module.__all__ == sorted(module.__all__)
