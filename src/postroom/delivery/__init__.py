"""Outbound delivery: the port to providers, the outcomes of attempts and the providers themselves.

Owns how a message leaves the house and what the answer means. It does not know jobs, retries, states or people's
wishes. `postroom.delivery.mailbox`, the local SMTP server for demo and tests, is imported by its own name.
"""

from postroom.delivery.errors import ConfigurationError, DeliveryError, MissingDependency, Unsendable
from postroom.delivery.outcome import Outcome, Verdict
from postroom.delivery.provider import Channel, Email, Envelope, Provider, Text
from postroom.delivery.providers import load

__all__ = [
    "Channel",
    "ConfigurationError",
    "DeliveryError",
    "Email",
    "Envelope",
    "MissingDependency",
    "Outcome",
    "Provider",
    "Text",
    "Unsendable",
    "Verdict",
    "load",
]
