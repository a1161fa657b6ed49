"""From a message's record to the envelope that a provider is handed."""

from typing import Protocol

from postroom.delivery import Channel, Email, Envelope, Text
from postroom.messages.records import MessageRecord
from postroom.store import StoreTransaction


class Envelopes(Protocol):
    """Makes envelopes."""

    def way(self, record: MessageRecord) -> tuple[Channel, bool]:
        """The channel that it travels by, and whether what travels is health data."""

    def make(
        self, transaction: StoreTransaction, record: MessageRecord, delivery_id: str, key: str
    ) -> Envelope:
        """The envelope of one call."""


class PlainEnvelopes:
    """Email and SMS as they are on record; `sender` is the From of emails, else the provider's own."""

    def __init__(self, *, sender: str | None = None) -> None:
        self._sender = sender

    def way(self, record: MessageRecord) -> tuple[Channel, bool]:
        """By its own channel."""
        return ("sms" if record.channel == "sms" else "email"), record.health_data

    def make(
        self, transaction: StoreTransaction, record: MessageRecord, delivery_id: str, key: str
    ) -> Envelope:
        """The same at every try, apart from the correlation token."""
        if record.channel == "sms":
            return Text(
                message_id=record.id,
                recipient=record.recipient,
                content=record.content,
                attempt_id=delivery_id,
                idempotency_key=key,
            )
        return Email(
            message_id=record.id,
            recipient=record.recipient,
            subject=record.subject or "",
            content=record.content,
            html=record.html,
            sender=self._sender,
            attempt_id=delivery_id,
            idempotency_key=key,
        )
