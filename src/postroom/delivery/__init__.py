"""Outbound delivery: the port to providers, the outcomes of attempts and the providers themselves.

Owns how a message leaves the house and what the answer means. It does not know jobs, retries, states or people's
wishes. `postroom.delivery.mailbox`, the local SMTP server for demo and tests, is imported by its own name.
"""

from postroom.delivery.errors import (
    ConfigurationError,
    DeliveryError,
    LookupFailed,
    MissingDependency,
    SignatureInvalid,
    Unsendable,
    WebhookMalformed,
)
from postroom.delivery.events import DeliveryEvent, EventKind
from postroom.delivery.outcome import Failover, Outcome, Verdict
from postroom.delivery.provider import (
    Channel,
    Email,
    Envelope,
    Idempotent,
    Provider,
    ProviderContext,
    Searchable,
    Sought,
    Text,
)
from postroom.delivery.providers import load

__all__ = [
    "Channel",
    "ConfigurationError",
    "DeliveryError",
    "DeliveryEvent",
    "Email",
    "Envelope",
    "EventKind",
    "Failover",
    "Idempotent",
    "LookupFailed",
    "MissingDependency",
    "Outcome",
    "Provider",
    "ProviderContext",
    "Searchable",
    "SignatureInvalid",
    "Sought",
    "Text",
    "Unsendable",
    "Verdict",
    "WebhookMalformed",
    "load",
]
