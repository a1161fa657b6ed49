"""The portal: a message stays here, and its recipient gets a notice with a link to it.

What travels by email or text message is the notice, which says nothing of the content. Who has the link may read; that it
was read is on record, and is the proof of delivery. A link is signed and ends with its message's portal time.
"""

import hmac
from base64 import urlsafe_b64encode
from typing import Final

from postroom.audit import record as audit
from postroom.kit.actor import Actor
from postroom.kit.clock import MICROSECOND, Clock
from postroom.messages.records import MessageRecord, Records, note
from postroom.messages.states import MessageState
from postroom.store import Store, StoreTransaction

PATH: Final = "/p/"
MAC_CHARS: Final = 32
RECIPIENT: Final = "recipient"
"""The actor of who reads by link."""
READABLE: Final = frozenset(
    {MessageState.SENT, MessageState.DELIVERED, MessageState.UNCONFIRMED, MessageState.PROCESSING}
)


class PortalLinks:
    """Makes and reads links; knows where the outside world reaches us."""

    def __init__(self, key: bytes, base_url: str) -> None:
        self._key = hmac.digest(key, b"portal", "sha256")
        self._base_url = base_url

    def __repr__(self) -> str:
        return "PortalLinks(***)"

    def link(self, message_id: str, generation: int) -> str:
        """The link to a message; a message that is sent again gets another."""
        return f"{self._base_url}{PATH}{self._token(message_id, generation)}"

    def read(self, token: str) -> tuple[str, int] | None:
        """The message and its generation; None for a link that is none of ours."""
        _mac, _, rest = token.partition(".")
        generation, _, message_id = rest.partition(".")
        if not generation.isdigit() or len(generation) > 9:
            return None
        if not hmac.compare_digest(self._token(message_id, int(generation)).encode(), token.encode()):
            return None
        return message_id, int(generation)

    def _token(self, message_id: str, generation: int) -> str:
        rest = f"{generation}.{message_id}"
        mac = urlsafe_b64encode(hmac.digest(self._key, rest.encode(), "sha256")).decode()[:MAC_CHARS]
        return f"{mac}.{rest}"


class Portal:
    """Shows messages to who has their link."""

    def __init__(
        self, store: Store, records: Records, links: PortalLinks, clock: Clock, *, open_seconds: float
    ) -> None:
        """`open_seconds`: how long after it was sent a message can be read; 0: for ever."""
        self._store = store
        self._records = records
        self._links = links
        self._clock = clock
        self._open_us = round(open_seconds * MICROSECOND)

    async def open(self, token: str, address: str | None, request_id: str | None) -> MessageRecord | None:
        """The message behind a link, its reading on record; None when the link is wrong or its time is over."""
        found = self._links.read(token)
        if found is None:
            return None
        now_us = self._clock.now_us()
        actor = Actor(RECIPIENT, None, address, request_id)
        return await self._store.write(lambda transaction: self._open(transaction, *found, actor, now_us))

    def _open(
        self, transaction: StoreTransaction, message_id: str, generation: int, actor: Actor, now_us: int
    ) -> MessageRecord | None:
        record = self._records.find(transaction, message_id)
        if record is None or record.channel != "portal" or record.generation != generation:
            return None
        over = self._open_us and now_us > (record.sent_us or record.updated_us) + self._open_us
        if record.status not in READABLE or over:
            return None
        audit(
            transaction, at_us=now_us, actor=actor, action="message.viewed", object_type="message",
            object_id=message_id, after_sha256=record.content_sha256,
        )  # fmt: skip
        note(transaction, message_id=message_id, at_us=now_us, kind="viewed", actor=actor.name)
        transaction.run("flag_opened", id=message_id)
        if record.status is not MessageState.DELIVERED:
            self._records.move(
                transaction, message_id, "report_delivered", actor=actor, now_us=now_us, delivered_us=now_us
            )
        return record
