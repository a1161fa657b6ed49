"""Webhooks: what providers post to us, verified over the bytes as they came, and turned into events.

A receiver verifies first and reads afterwards; junk is SignatureInvalid or WebhookMalformed and nothing else. It stores
nothing and decides nothing.
"""

from importlib import import_module
from typing import Final

from postroom.delivery.errors import ConfigurationError
from postroom.delivery.webhooks.received import Received
from postroom.delivery.webhooks.receiver import Receiver, ReceiverOptions
from postroom.kit.clock import Clock

RECEIVERS: Final = {
    name: f"postroom.delivery.webhooks.{module}"
    for name, module in (
        ("generic", "generic"), ("mailgun", "mailgun"), ("postmark", "postmark"), ("resend", "resend"),
        ("sendgrid", "sendgrid"), ("ses", "ses"), ("standard", "standard"), ("twilio", "twilio"),
        ("vonage", "vonage"),
    )
}  # fmt: skip
"""From the name in the path to the receiver."""


def load_receiver(name: str, options: ReceiverOptions, clock: Clock) -> Receiver:
    """The receiver of that name. Raises ConfigurationError for an unknown one, or options that cannot be."""
    if name not in RECEIVERS:
        raise ConfigurationError(f"unknown webhook {name!r}; known: {', '.join(RECEIVERS)}", key="webhooks")
    made: Receiver = import_module(RECEIVERS[name]).make(options, clock)
    return made


__all__ = ["RECEIVERS", "Received", "Receiver", "ReceiverOptions", "load_receiver"]
