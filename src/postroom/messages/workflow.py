"""What people do with messages: write, submit, review, send, plan, call off, send again, read.

Each act is one transaction: the record, the timeline, the audit entry and the job commit together or not at all. An act
that is refused (by the table of states, by a rule, by a version that has moved on) changes nothing and is itself
recorded. What a role may do is the accounts' business; it comes in as the person's permissions.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from postroom.audit import record as audit
from postroom.kit.actor import Actor
from postroom.kit.clock import MICROSECOND, Clock, isoformat
from postroom.messages.drafts import Changes, Draft, changed_columns, check, row_of
from postroom.messages.outbox import Outbox
from postroom.messages.records import EarlierText, IllegalMove, MessageRecord, Records, note
from postroom.messages.states import MessageState, target
from postroom.store import Store, StoreTransaction

DRAFT, SUBMIT, REVIEW, SEND_DIRECTLY, READ_BODIES = (
    "draft",
    "submit",
    "review",
    "send_directly",
    "read_bodies",
)
"""Permissions, by the accounts' names for them."""
NOTE_CHARS_MAX: Final = 2_000
DAY_SECONDS: Final = 86_400


class Person(NamedTuple):
    """Who acts, and what they may do."""

    actor: Actor
    permissions: Collection[str]

    def may(self, permission: str) -> bool:
        """Whether their role allows it."""
        return permission in self.permissions


class ReviewRules(msgspec.Struct, frozen=True, kw_only=True):
    """What an approval is worth; each rule may be relaxed."""

    four_eyes: bool = True
    """Nobody approves a message of their own."""
    binding: bool = True
    """An approval is of the content and recipient as they were; any later change takes it away."""
    approval_seconds: float = 7 * DAY_SECONDS
    """How long an approval holds, counted from the moment that the message was to leave; 0: for ever."""


class NoSuchMessage(LookupError):
    """There is no message with that id, or none that this person may know of."""


class NotAllowed(PermissionError):
    """A rule or a missing permission forbids it; the text says which."""

    def __init__(self, reason: str, permission: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permission = permission


class VersionMoved(Exception):
    """Somebody has changed the message since this person looked at it; `version` is the present one."""

    def __init__(self, version: int) -> None:
        super().__init__(f"the message has changed meanwhile and is at version {version}; look at it again")
        self.version = version


class Reading(NamedTuple):
    """A message as it is, and as it was before each edit, oldest first."""

    now: MessageRecord
    earlier: Sequence[EarlierText]


class _Refusal(NamedTuple):
    error: Exception


class Desk:
    """The acts. Each takes the person, the message's id and, where it matters, the version they saw."""

    def __init__(
        self,
        store: Store,
        records: Records,
        outbox: Outbox,
        clock: Clock,
        *,
        rules: ReviewRules | None = None,
    ) -> None:
        self._store = store
        self._records = records
        self._outbox = outbox
        self._clock = clock
        self._rules = rules or ReviewRules()

    async def draft(
        self, person: Person, draft: Draft, fill: Callable[[StoreTransaction, dict[str, Any]], dict[str, Any]]
    ) -> MessageRecord:
        """A new draft; `fill` completes its columns from a template, where it names one.

        Raises NotAllowed, MessageInvalid, and IllegalMove when the id is taken.
        """
        if not person.may(DRAFT):
            raise NotAllowed("this needs the permission to draft messages", DRAFT)

        def act(transaction: StoreTransaction) -> MessageRecord | _Refusal:
            now_us = self._clock.now_us()
            row = check(fill(transaction, row_of(draft)), self._clock)
            taken = transaction.one("find_message_state", id=row["id"])
            if taken is not None:
                error = IllegalMove("draft", MessageState(taken["status"]))
                self._refused(transaction, person, row["id"], "draft", error.state, error, now_us)
                return _Refusal(error)
            values = {**row, "status": MessageState.DRAFT, "author": person.actor.name, "now_us": now_us}
            self._records.insert(transaction, row["id"], values)
            made = self._records.find(transaction, row["id"])
            assert made is not None
            note(
                transaction, message_id=made.id, at_us=now_us, kind="created", after=made.status,
                actor=person.actor.name, details={"sha256": made.content_sha256},
            )  # fmt: skip
            self._audit(
                transaction, person, "message.drafted", made.id, now_us, after_sha256=made.content_sha256
            )
            return made

        return _unwrap(await self._store.write(act))

    async def edit(
        self, person: Person, message_id: str, changes: Changes, version: int | None
    ) -> MessageRecord:
        """Change what it says, to whom, or how it is sent. Raises as `draft` does, and VersionMoved.

        Its author may, and during review a reviewer. What was approved loses its approval and is a draft again.
        """

        def act(transaction: StoreTransaction, before: MessageRecord, now_us: int) -> None:
            changed = changed_columns(changes)
            row = check({name: getattr(before, name) for name in _CHECKED} | changed, self._clock)
            values = {name: row[name] for name in {*changed, "recipient"}}
            sha256 = self._records.rewrite(transaction, before, person.actor.name, now_us, **values)
            bound = self._rules.binding and sha256 != before.content_sha256
            leaving = before.status in (MessageState.QUEUED, MessageState.SCHEDULED)
            if leaving and not bound:
                transaction.run("renew_approval", id=before.id, sha256=sha256)
            wanted = before.status if leaving and not bound else None
            self._moved(transaction, person, before, "edit", now_us, wanted=wanted)
            if leaving and bound:
                self._call_off(transaction, before, now_us)
            details = {
                "fields": sorted(changed), "beforeSha256": before.content_sha256, "afterSha256": sha256,
                "beforeCharacters": len(before.content), "afterCharacters": len(row["content"]),
            }  # fmt: skip
            note(
                transaction,
                message_id=before.id,
                at_us=now_us,
                kind="edited",
                actor=person.actor.name,
                details=details,
            )
            self._audit(
                transaction, person, "message.edited", before.id, now_us, before_sha256=before.content_sha256,
                after_sha256=sha256, details={"fields": sorted(changed)},
            )  # fmt: skip

        return await self._act(person, message_id, "edit", version, act)

    async def submit(self, person: Person, message_id: str, version: int | None = None) -> MessageRecord:
        """Ask for a review."""

        def act(transaction: StoreTransaction, before: MessageRecord, now_us: int) -> None:
            self._moved(transaction, person, before, "submit", now_us)
            transaction.run("set_submitted", id=before.id, now_us=now_us)
            self._audit(
                transaction,
                person,
                "message.submitted",
                before.id,
                now_us,
                after_sha256=before.content_sha256,
            )

        return await self._act(person, message_id, "submit", version, act)

    async def approve(
        self, person: Person, message_id: str, version: int | None, note_: str | None = None
    ) -> MessageRecord:
        """Approve what this version says, to whom; it is sent at once, or when it was planned."""

        def act(transaction: StoreTransaction, before: MessageRecord, now_us: int) -> None:
            self._leave(transaction, person, before, "approve", now_us, before.send_at_us)
            self._review_note(transaction, before.id, note_)
            self._audit(
                transaction, person, "message.approved", before.id, now_us, after_sha256=before.content_sha256
            )

        return await self._act(person, message_id, "approve", version, act)

    async def reject(
        self, person: Person, message_id: str, version: int | None, note_: str | None = None
    ) -> MessageRecord:
        """Send it back to its author, with a note that says why."""

        def act(transaction: StoreTransaction, before: MessageRecord, now_us: int) -> None:
            self._moved(transaction, person, before, "reject", now_us)
            self._review_note(transaction, before.id, note_)
            self._audit(
                transaction, person, "message.rejected", before.id, now_us, after_sha256=before.content_sha256
            )

        return await self._act(person, message_id, "reject", version, act)

    async def send(
        self, person: Person, message_id: str, version: int | None, send_at_us: int | None = None
    ) -> MessageRecord:
        """Send it without a review: at once, at a moment, or when it was planned."""

        def act(transaction: StoreTransaction, before: MessageRecord, now_us: int) -> None:
            self._leave(transaction, person, before, "send", now_us, send_at_us or before.send_at_us)
            self._audit(
                transaction, person, "message.sent", before.id, now_us, after_sha256=before.content_sha256
            )

        return await self._act(person, message_id, "send", version, act)

    async def schedule(
        self,
        person: Person,
        message_id: str,
        version: int | None,
        send_at_us: int | None,
        zone: str | None = None,
    ) -> MessageRecord:
        """Plan when it is to leave: any moment; a past one or None means as soon as it may.

        A message that is not approved yet keeps the plan; one that waits for its moment gets another.
        """

        def act(transaction: StoreTransaction, before: MessageRecord, now_us: int) -> None:
            check(
                {name: getattr(before, name) for name in _CHECKED} | {"send_at_us": send_at_us}, self._clock
            )
            later = send_at_us is not None and send_at_us > now_us
            leaving = before.status in (MessageState.QUEUED, MessageState.SCHEDULED)
            wanted = (MessageState.SCHEDULED if later else MessageState.QUEUED) if leaving else None
            transaction.run("plan_message", id=before.id, send_at_us=send_at_us, zone=zone or before.zone)
            job_id = None
            if leaving:
                self._call_off(transaction, before, now_us)
                job_id = self._outbox.put(
                    transaction, before.id, before.priority, now_us=now_us, send_at_us=send_at_us
                ).job_id
                transaction.run(
                    "extend_approval", id=before.id, ends_us=self._approval_ends_us(send_at_us, now_us)
                )
            self._moved(transaction, person, before, "schedule", now_us, wanted=wanted, new_job_id=job_id)
            self._audit(
                transaction,
                person,
                "message.scheduled",
                before.id,
                now_us,
                details={"sendAt": isoformat(send_at_us)},
            )

        return await self._act(person, message_id, "schedule", version, act)

    async def cancel(
        self, person: Person, message_id: str, version: int | None = None, reason: str | None = None
    ) -> MessageRecord:
        """Call it off while it has not left."""

        def act(transaction: StoreTransaction, before: MessageRecord, now_us: int) -> None:
            self._moved(transaction, person, before, "cancel", now_us, code="cancelled")
            self._call_off(transaction, before, now_us)
            self._audit(transaction, person, "message.cancelled", before.id, now_us)

        return await self._act(person, message_id, "cancel", version, act)

    async def resend(self, person: Person, message_id: str, version: int | None = None) -> MessageRecord:
        """Send it once more after it failed, bounced, expired or was never confirmed.

        Needs the permission to send directly, or an approval that still holds.
        """

        def act(transaction: StoreTransaction, before: MessageRecord, now_us: int) -> None:
            transaction.run("next_generation", id=before.id)
            self._leave(transaction, person, before, "resend", now_us, None)
            doubtful = before.status in (MessageState.UNCERTAIN, MessageState.UNCONFIRMED)
            if doubtful:
                transaction.run("mark_duplicate", id=before.id)
            self._audit(
                transaction, person, "message.resent", before.id, now_us, after_sha256=before.content_sha256,
                details={"possibleDuplicate": doubtful},
            )  # fmt: skip

        return await self._act(person, message_id, "resend", version, act)

    async def resolve(
        self,
        person: Person,
        message_id: str,
        arrived: bool,
        version: int | None = None,
        note_: str | None = None,
    ) -> MessageRecord:
        """Say what became of a message that nobody was sure of, for example because its recipient was asked.

        Needs the permission to send directly: who may decide to send it again may decide that it need not be.
        """

        def act(transaction: StoreTransaction, before: MessageRecord, now_us: int) -> None:
            self._moved(
                transaction, person, before, "resolve", now_us, code="resolved",
                wanted=MessageState.DELIVERED if arrived else MessageState.FAILED,
                reason="a person found out that it arrived" if arrived else "a person found out that it did not arrive",
                delivered_us=now_us if arrived else None,
            )  # fmt: skip
            self._review_note(transaction, before.id, note_)
            self._audit(
                transaction, person, "message.resolved", before.id, now_us, details={"arrived": arrived}
            )

        return await self._act(person, message_id, "resolve", version, act)

    async def read(self, person: Person, message_id: str) -> MessageRecord:
        """The message with recipient and content; that it was read is audited before anything is shown."""
        return (await self.compare(person, message_id)).now

    async def compare(self, person: Person, message_id: str) -> Reading:
        """The same, with what it said before each edit."""

        def act(transaction: StoreTransaction) -> Reading | _Refusal:
            now_us = self._clock.now_us()
            found = self._records.find(transaction, message_id)
            if found is None:
                return _Refusal(NoSuchMessage(message_id))
            allowed = person.may(READ_BODIES) or found.author == person.actor.name
            action = "message.read" if allowed else "message.read_refused"
            self._audit(transaction, person, action, message_id, now_us, after_sha256=found.content_sha256)
            if not allowed:
                return _Refusal(
                    NotAllowed("only its author and those who may read contents see it", READ_BODIES)
                )
            note(transaction, message_id=message_id, at_us=now_us, kind="viewed", actor=person.actor.name)
            return Reading(found, self._records.earlier(transaction, message_id))

        result = await self._store.write(act)
        if isinstance(result, _Refusal):
            raise result.error
        return result

    # The parts of acts.

    async def _act(
        self,
        person: Person,
        message_id: str,
        move: str,
        version: int | None,
        act: Callable[[StoreTransaction, MessageRecord, int], None],
    ) -> MessageRecord:
        def run(transaction: StoreTransaction) -> MessageRecord | _Refusal:
            now_us = self._clock.now_us()
            before = self._records.find(transaction, message_id)
            if before is None:
                return _Refusal(NoSuchMessage(message_id))
            error = self._objection(person, before, move, version, now_us)
            if error is not None:
                self._refused(transaction, person, message_id, move, before.status, error, now_us)
                return _Refusal(error)
            act(transaction, before, now_us)
            after = self._records.find(transaction, message_id)
            assert after is not None
            return after

        return _unwrap(await self._store.write(run))

    def _refused(
        self,
        transaction: StoreTransaction,
        person: Person,
        message_id: str,
        move: str,
        state: MessageState,
        error: Exception,
        now_us: int,
    ) -> None:
        """Record that a move was refused, and why."""
        details = {"move": move, "state": state, "because": type(error).__name__}
        note(
            transaction, message_id=message_id, at_us=now_us, kind="refused", actor=person.actor.name, before=state,
            reason=str(error), details=details,
        )  # fmt: skip
        self._audit(transaction, person, "message.refused", message_id, now_us, details=details)

    def _objection(
        self, person: Person, message: MessageRecord, move: str, version: int | None, now_us: int
    ) -> Exception | None:
        """What speaks against a move, or None."""
        reason = self._forbidden(person, message, move, now_us)
        if reason is not None:
            return reason
        if version is not None and version != message.version:
            return VersionMoved(message.version)
        if target(move, message.status) is None:
            return IllegalMove(move, message.status)
        return None

    def _forbidden(self, person: Person, message: MessageRecord, move: str, now_us: int) -> NotAllowed | None:
        own = message.author == person.actor.name
        match move:
            case "approve" | "reject":
                if not person.may(REVIEW):
                    return NotAllowed("this needs the permission to review messages", REVIEW)
                if move == "approve" and own and self._rules.four_eyes:
                    return NotAllowed("nobody approves a message of their own; somebody else has to")
            case "resolve":
                if not person.may(SEND_DIRECTLY):
                    return NotAllowed("this needs the permission to send without a review", SEND_DIRECTLY)
            case "send":
                if not person.may(SEND_DIRECTLY):
                    return NotAllowed(
                        "this needs the permission to send without a review; submit it instead", SEND_DIRECTLY
                    )
            case "resend":
                if not person.may(SEND_DIRECTLY) and not (own and self._approved(message, now_us)):
                    return NotAllowed(
                        "its approval holds no more, and sending without a review needs permission",
                        SEND_DIRECTLY,
                    )
            case "edit":
                reviewing = message.status is MessageState.PENDING_REVIEW and person.may(REVIEW)
                if not (own and person.may(DRAFT)) and not reviewing:
                    return NotAllowed(
                        "only its author may edit it, and a reviewer while it is under review", DRAFT
                    )
            case _:
                needed = SUBMIT if move == "submit" else DRAFT
                if not (own and person.may(needed)) and not person.may(SEND_DIRECTLY):
                    return NotAllowed(
                        "only its author may do that, or somebody who may send directly", needed
                    )
        return None

    def _approved(self, message: MessageRecord, now_us: int) -> bool:
        holds = message.approved_sha256 is not None and message.approved_sha256 == message.content_sha256
        return holds and (message.approval_ends_us is None or message.approval_ends_us > now_us)

    def _leave(
        self,
        transaction: StoreTransaction,
        person: Person,
        before: MessageRecord,
        move: str,
        now_us: int,
        send_at_us: int | None,
    ) -> None:
        """Approve the content as it is and put the job into the queue."""
        if not (move == "resend" and self._approved(before, now_us)):
            transaction.run(
                "approve_message", id=before.id, approved_by=person.actor.name, now_us=now_us,
                sha256=before.content_sha256, ends_us=self._approval_ends_us(send_at_us, now_us),
            )  # fmt: skip
        put = self._outbox.put(transaction, before.id, before.priority, now_us=now_us, send_at_us=send_at_us)
        transaction.run(
            "plan_message", id=before.id, send_at_us=send_at_us if put.scheduled else None, zone=before.zone
        )
        wanted = MessageState.SCHEDULED if put.scheduled else MessageState.QUEUED
        self._moved(transaction, person, before, move, now_us, wanted=wanted, new_job_id=put.job_id)

    def _approval_ends_us(self, send_at_us: int | None, now_us: int) -> int | None:
        if not self._rules.approval_seconds:
            return None
        return max(now_us, send_at_us or 0) + round(self._rules.approval_seconds * MICROSECOND)

    def _call_off(self, transaction: StoreTransaction, before: MessageRecord, now_us: int) -> None:
        """Its job, if it has one, does nothing when its turn comes."""
        if before.job_id is not None:
            transaction.run("cancel_job", id=before.job_id, now_us=now_us)

    def _review_note(self, transaction: StoreTransaction, message_id: str, text: str | None) -> None:
        if text is not None:
            sealed = self._records.vault.seal_all(transaction, message_id, {"review_note": text})
            transaction.run("set_review_note", id=message_id, review_note=sealed["review_note"])

    def _moved(
        self,
        transaction: StoreTransaction,
        person: Person,
        before: MessageRecord,
        move: str,
        now_us: int,
        **changed: Any,
    ) -> None:
        moved = self._records.move(transaction, before.id, move, actor=person.actor, now_us=now_us, **changed)
        assert moved is not None, "the objection was looked for before"

    def _audit(
        self,
        transaction: StoreTransaction,
        person: Person,
        action: str,
        message_id: str,
        now_us: int,
        **facts: Any,
    ) -> None:
        audit(
            transaction, at_us=now_us, actor=person.actor, action=action, object_type="message",
            object_id=message_id, **facts,
        )  # fmt: skip


_CHECKED: Final = (
    "id", "channel", "recipient", "subject", "content", "html", "zone", "topic", "expires_us", "send_at_us",
)  # fmt: skip


def _unwrap(result: MessageRecord | _Refusal) -> MessageRecord:
    if isinstance(result, _Refusal):
        raise result.error
    return result
