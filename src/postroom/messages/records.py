"""The records of messages: reading, writing, and the one function that moves them from state to state.

Everything here runs inside a transaction of the caller's, so that a move, its entry in the timeline and what caused
it commit together. Recipients and contents are sealed on the way in and opened on the way out.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

import msgspec

from postroom.jobs.models import Priority
from postroom.kit.actor import Actor
from postroom.kit.redact import Discreet
from postroom.messages.states import MessageState, moves_of_people, target
from postroom.store import Conflict, StoreTransaction
from postroom.store.vault import Sealing

SEALED: Final = ("recipient", "subject", "content", "html", "review_note")
"""Fields that hold health data."""
EARLIER_MAX: Final = 100
"""Earlier texts that are shown of a message."""


class MessageRecord(Discreet, frozen=True, kw_only=True):
    """A message as it is on record, opened. Its repr shows no recipient and no content."""

    shown: ClassVar[tuple[str, ...]] = ("id", "channel", "status", "version")

    seq: int
    id: str
    channel: str
    recipient: str
    recipient_key: str | None
    subject: str | None
    content: str
    html: str | None
    status: MessageState
    version: int
    priority: Priority
    author: str | None
    topic: str | None
    health_data: bool
    policy: str | None
    answers: str | None
    """The word of a person that it answers: stop, start or help."""
    template: str | None
    template_version: int | None
    zone: str | None
    send_at_us: int | None
    expires_us: int | None
    content_sha256: str | None
    submitted_us: int | None
    review_note: str | None
    approved_by: str | None
    approved_us: int | None
    approved_sha256: str | None
    approval_ends_us: int | None
    generation: int
    job_id: str | None
    provider: str | None
    provider_id: str | None
    code: str | None
    reason: str | None
    possible_duplicate: bool
    complained: bool
    opened: bool
    created_us: int
    updated_us: int
    sent_us: int | None
    delivered_us: int | None


class EarlierText(Discreet, frozen=True, kw_only=True):
    """What a message said, and to whom, until somebody edited it; opened. Its repr shows neither."""

    shown: ClassVar[tuple[str, ...]] = ("version", "editor")

    version: int
    at_us: int
    """When it was replaced."""
    editor: str
    """Who replaced it."""
    recipient: str
    subject: str | None
    content: str
    html: str | None


class MessageMoved(msgspec.Struct, frozen=True, kw_only=True):
    """A message came into another state."""

    message_id: str
    channel: str
    move: str
    before: str
    after: str
    at_us: int
    actor: str
    seq: int
    """Of the timeline's entry: the order of all that happened."""
    provider: str | None = None
    code: str | None = None


class IllegalMove(Exception):
    """The table of states has no such move; `possible` names what can be done instead."""

    def __init__(self, move: str, state: MessageState) -> None:
        self.move = move
        self.state = state
        self.possible = moves_of_people(state)
        instead = (
            f"possible now: {', '.join(self.possible)}"
            if self.possible
            else "nothing can be done with it now"
        )
        super().__init__(f"a message that is {state} cannot be moved by {move}; {instead}")


def content_sha256(channel: str, recipient: str, subject: str | None, content: str, html: str | None) -> str:
    """What an approval binds to: the rendered content with the recipient and the channel, in hex."""
    parts = msgspec.json.encode([channel, recipient, subject, content, html])
    return hashlib.sha256(parts).hexdigest()


class Records:
    """The messages' table, with what seals it and who listens to moves."""

    def __init__(self, vault: Sealing, announce: Callable[[StoreTransaction, MessageMoved], None]) -> None:
        self.vault = vault
        self._announce = announce

    def find(self, transaction: StoreTransaction, message_id: str) -> MessageRecord | None:
        """The record, opened; None when there is none."""
        row = transaction.one("find_record", id=message_id)
        return None if row is None else self.opened(transaction, row)

    def opened(self, transaction: StoreTransaction, row: Mapping[str, Any]) -> MessageRecord:
        """A row of the table as a record."""
        sealed = {name: row[name] for name in SEALED if row[name] is not None}
        found = self.vault.open_all(transaction, row["id"], sealed)
        return msgspec.convert({**row, **found}, MessageRecord, strict=False)

    def insert(self, transaction: StoreTransaction, message_id: str, values: Mapping[str, Any]) -> None:
        """A new message; `values` are columns by name, those that are left out have their defaults."""
        row = {**_DEFAULTS, **values, "id": message_id}
        row["content_sha256"] = content_sha256(
            row["channel"], row["recipient"], row["subject"], row["content"], row["html"]
        )
        row["recipient_key"] = self.vault.index(row["recipient"])
        if not transaction.run("insert_message", **self._sealed(transaction, row)):
            raise Conflict(f"another transaction has made the message {message_id}")

    def rewrite(
        self, transaction: StoreTransaction, record: MessageRecord, editor: str, now_us: int, **changes: Any
    ) -> str:
        """Change what a message says, to whom, or how it is to be sent; returns the content's new hash.

        The approval goes when the hash changes: it was given to something else. What it said before is kept.
        """
        row = {name: getattr(record, name) for name in _EDITABLE} | changes
        row["content_sha256"] = content_sha256(
            row["channel"], row["recipient"], row["subject"], row["content"], row["html"]
        )
        row["recipient_key"] = self.vault.index(row["recipient"])
        if row["content_sha256"] != record.content_sha256:
            self._keep(transaction, record, editor, now_us)
        sealed = self._sealed(transaction, {**row, "id": record.id})
        transaction.run("rewrite_message", now_us=now_us, **sealed)
        return str(row["content_sha256"])

    def earlier(self, transaction: StoreTransaction, message_id: str) -> list[EarlierText]:
        """What it said before each edit, oldest first; at most the first `EARLIER_MAX`."""
        rows = transaction.all("list_message_versions", message_id=message_id, limit=EARLIER_MAX)
        found = []
        for row in rows:
            sealed = {name: row[name] for name in _KEPT if row[name] is not None}
            opened = self.vault.open_all(transaction, message_id, sealed)
            found.append(msgspec.convert({**row, **opened}, EarlierText))
        return found

    def is_edited(self, transaction: StoreTransaction, message_id: str) -> bool:
        """Whether it ever said something else than now."""
        return bool(transaction.all("list_message_versions", message_id=message_id, limit=1))

    def _keep(self, transaction: StoreTransaction, record: MessageRecord, editor: str, now_us: int) -> None:
        values = {name: getattr(record, name) for name in (*_KEPT, "id", "version", "content_sha256")}
        transaction.run(
            "insert_message_version", **self._sealed(transaction, values), editor=editor, now_us=now_us
        )

    def move(
        self,
        transaction: StoreTransaction,
        message_id: str,
        move: str,
        *,
        actor: Actor,
        now_us: int,
        wanted: MessageState | None = None,
        job_id: str | None = None,
        **changed: Any,
    ) -> MessageMoved | None:
        """Make a move if the table has it; else record that it was refused and return None.

        `job_id`: only if that job is in charge of the message. `changed` are columns that change with the move:
        provider, provider_id, code, reason, sent_us, delivered_us, possible_duplicate, new_job_id, delivery_id.
        """
        row = transaction.one("find_message_state", id=message_id)
        if row is None or (job_id is not None and row["job_id"] != job_id):
            return None
        before = MessageState(row["status"])
        after = target(move, before, wanted)
        delivery_id = changed.pop("delivery_id", None)
        fact = {
            "message_id": message_id, "at_us": now_us, "before": before, "actor": actor.name,
            "delivery_id": delivery_id, "provider": changed.get("provider"), "code": changed.get("code"),
            "reason": changed.get("reason"),
        }  # fmt: skip
        if after is None:
            note(transaction, **fact, kind="refused", details={"move": move})
            return None
        transaction.run(
            "move_message", **{**_UNCHANGED, **changed}, id=message_id, status=after, now_us=now_us
        )
        seq = note(transaction, **fact, kind="moved", after=after, details={"move": move})
        moved = MessageMoved(
            message_id=message_id, channel=row["channel"], move=move, before=before, after=after, at_us=now_us,
            actor=actor.name, seq=seq, provider=changed.get("provider"), code=changed.get("code"),
        )  # fmt: skip
        self._announce(transaction, moved)
        return moved

    def _sealed(self, transaction: StoreTransaction, row: Mapping[str, Any]) -> dict[str, Any]:
        open_ = {name: row[name] for name in SEALED if row.get(name) is not None}
        return {**row, **self.vault.seal_all(transaction, row["id"], open_)}


def note(
    transaction: StoreTransaction, *, message_id: str, at_us: int, kind: str, actor: str, **facts: Any
) -> int:
    """Add an entry to a message's timeline; returns its number."""
    details = msgspec.json.encode(facts.pop("details", {})).decode()
    row = {**_NO_FACTS, **facts}
    made = transaction.one(
        "append_message_event",
        message_id=message_id,
        at_us=at_us,
        kind=kind,
        actor=actor,
        details=details,
        **row,
    )
    assert made is not None
    return int(made["seq"])


_KEPT: Final = ("recipient", "subject", "content", "html")
_NO_FACTS: Final = dict.fromkeys(("before", "after", "delivery_id", "provider", "code", "reason"))
_UNCHANGED: Final = dict.fromkeys(
    (
        "provider",
        "provider_id",
        "code",
        "reason",
        "sent_us",
        "delivered_us",
        "possible_duplicate",
        "new_job_id",
    )
)
_DEFAULTS: Final[Mapping[str, Any]] = {
    **dict.fromkeys(
        (
            "subject", "html", "author", "topic", "policy", "template", "template_version", "zone", "send_at_us",
            "expires_us", "job_id", "answers",
        )
    ),
    "priority": "normal",
    "health_data": True,
}  # fmt: skip
_EDITABLE: Final = (
    "channel", "recipient", "subject", "content", "html", "review_note", "priority", "topic", "health_data", "policy",
    "template", "template_version", "zone", "send_at_us", "expires_us",
)  # fmt: skip
