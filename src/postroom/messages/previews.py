"""What a recipient would see of a message, made by what will send it; and whether and when it would leave.

Nothing is stored or sent. A preview is of a draft while it is being written, or of a message on record.
"""

from typing import Any, ClassVar, Final

import msgspec

from postroom.delivery import Email
from postroom.delivery.segments import Segments, segments
from postroom.kit.redact import Discreet
from postroom.messages.drafts import Draft, row_of
from postroom.messages.envelopes import RecordEnvelopes
from postroom.messages.records import MessageRecord
from postroom.messages.states import MessageState
from postroom.messages.template_versions import Templates, filling
from postroom.messages.templates import Rendered
from postroom.messages.wishes import Refused, Wait, Wishes
from postroom.store import StoreTransaction

NOBODY: Final = "somebody@example.com"
NO_NUMBER: Final = "+14155550100"
"""Stand in for a recipient that is not typed in yet; nothing is asked about them."""


class Preview(Discreet, frozen=True, kw_only=True):
    """What the recipient gets, by which way, and what speaks against it. Its repr shows none of it."""

    shown: ClassVar[tuple[str, ...]] = ("way",)

    way: str
    """`email` or `sms`; a portal's notice travels by either."""
    sender: str | None
    """None: the provider's own."""
    recipient: str | None
    subject: str | None
    content: str
    html: str | None
    unsubscribes: bool
    """Whether the mail program offers to unsubscribe."""
    segments: Segments | None
    """Of a text message."""
    behind: Rendered | None
    """What a portal's link leads to."""
    refused: str | None
    """Why it would not be sent at all."""
    waits_until_us: int | None
    """When it would leave, should it have to wait for the end of quiet hours."""
    leaves_us: int | None
    """When it is planned to leave; None: as soon as it may."""


class Previews:
    """Makes previews; every method runs inside a transaction of the caller's, and only reads."""

    def __init__(self, envelopes: RecordEnvelopes, wishes: Wishes, templates: Templates) -> None:
        self._envelopes = envelopes
        self._wishes = wishes
        self._templates = templates

    def of_draft(self, transaction: StoreTransaction, draft: Draft, now_us: int) -> Preview:
        """Of what is being written; raises MessageInvalid when its template cannot be filled in."""
        row = filling(self._templates, draft)(transaction, row_of(draft))
        known = bool(draft.recipient.strip())
        recipient = draft.recipient.strip() or (NO_NUMBER if draft.channel == "sms" else NOBODY)
        return self._preview(transaction, _as_record({**row, "recipient": recipient}, now_us), known, now_us)

    def of_record(self, transaction: StoreTransaction, record: MessageRecord, now_us: int) -> Preview:
        """Of a message on record."""
        return self._preview(transaction, record, True, now_us)

    def _preview(
        self, transaction: StoreTransaction, record: MessageRecord, known: bool, now_us: int
    ) -> Preview:
        envelope = self._envelopes.make(transaction, record, "preview", "preview")
        mail = envelope if isinstance(envelope, Email) else None
        wish = self._wishes.check(transaction, record, max(now_us, record.send_at_us or 0)) if known else None
        portal = record.channel == "portal"
        return Preview(
            way="email" if mail is not None else "sms",
            sender=envelope.sender,
            recipient=record.recipient if known else None,
            subject=mail.subject if mail is not None else None,
            content=envelope.content,
            html=mail.html if mail is not None else None,
            unsubscribes=bool(mail is not None and mail.headers),
            segments=None if mail is not None else segments(envelope.content),
            behind=Rendered(record.subject, record.content, record.html) if portal else None,
            refused=wish.reason if isinstance(wish, Refused) else None,
            waits_until_us=wish.until_us if isinstance(wish, Wait) else None,
            leaves_us=record.send_at_us,
        )


def _as_record(row: dict[str, Any], now_us: int) -> MessageRecord:
    values = {
        **dict.fromkeys(MessageRecord.__struct_fields__), **row, "seq": 0, "status": MessageState.DRAFT, "version": 0,
        "generation": 0, "possible_duplicate": False, "complained": False, "opened": False, "created_us": now_us,
        "updated_us": now_us,
    }  # fmt: skip
    return msgspec.convert(values, MessageRecord, strict=False)
