"""From a message's record to the envelope that a provider is handed."""

from typing import Final, Protocol

from postroom.delivery import Channel, Email, Envelope, Text
from postroom.messages.portal import PortalLinks
from postroom.messages.records import MessageRecord
from postroom.messages.suppressions import Suppressions
from postroom.messages.template_versions import NoSuchTemplate, Templates
from postroom.messages.unsubscribing import Subscription, Unsubscribing
from postroom.store import StoreTransaction

NOTICE: Final = "You have a new message. You can read it here: {link}"
NOTICE_SUBJECT: Final = "You have a new message"


class Envelopes(Protocol):
    """Makes envelopes."""

    def way(self, record: MessageRecord) -> tuple[Channel, bool]:
        """The channel that it travels by, and whether what travels is health data."""

    def make(
        self, transaction: StoreTransaction, record: MessageRecord, delivery_id: str, key: str
    ) -> Envelope:
        """The envelope of one call."""


class RecordEnvelopes:
    """Emails and text messages as they are on record, with a way out; of portal messages only a notice."""

    def __init__(
        self,
        suppressions: Suppressions,
        templates: Templates,
        *,
        sender: str | None = None,
        unsubscribing: Unsubscribing | None = None,
        links: PortalLinks | None = None,
        notice: str = NOTICE,
        notice_subject: str = NOTICE_SUBJECT,
    ) -> None:
        """`sender` is the From of emails, else the provider's own. `notice` has `{link}` where the link goes."""
        self._suppressions = suppressions
        self._templates = templates
        self._sender = sender
        self._unsubscribing = unsubscribing
        self._links = links
        self._notice = notice
        self._notice_subject = notice_subject

    def way(self, record: MessageRecord) -> tuple[Channel, bool]:
        """By its own channel; a portal's notice by whichever the recipient has, and without health data."""
        if record.channel == "portal":
            return ("email" if "@" in record.recipient else "sms"), False
        return ("sms" if record.channel == "sms" else "email"), record.health_data

    def make(
        self, transaction: StoreTransaction, record: MessageRecord, delivery_id: str, key: str
    ) -> Envelope:
        """The same at every try, apart from the correlation token."""
        content, subject, html = record.content, record.subject or "", record.html
        if record.channel == "portal":
            link = self._links.link(record.id, record.generation) if self._links is not None else ""
            content, subject, html = self._notice.replace("{link}", link), self._notice_subject, None
        own = self._own_sender(transaction, record)
        if self.way(record)[0] == "sms":
            return Text(
                message_id=record.id, recipient=record.recipient, content=content, sender=own,
                attempt_id=delivery_id, idempotency_key=key,
            )  # fmt: skip
        return Email(
            message_id=record.id, recipient=record.recipient, subject=subject, content=content, html=html,
            sender=own or self._sender, headers=self._headers(record), attempt_id=delivery_id, idempotency_key=key,
        )  # fmt: skip

    def _own_sender(self, transaction: StoreTransaction, record: MessageRecord) -> str | None:
        """Who its template says it comes from."""
        if record.template is None:
            return None
        try:
            return self._templates.find(transaction, record.template, record.template_version).text.sender
        except NoSuchTemplate:
            return None

    def _headers(self, record: MessageRecord) -> dict[str, str]:
        """The way out of what has a topic (RFC 8058)."""
        if record.topic is None or self._unsubscribing is None:
            return {}
        key = self._suppressions.key("email", record.recipient)
        return self._unsubscribing.headers(Subscription(key, "email", record.topic, record.id))
