"""A delivered message, and what is decided about it.

Calls are only recorded here; `settle` turns the record of a whole batch into one settlement when the handler
has ended. The rules of precedence are those of Cloudflare's runtime: the first of `ack` and `retry` on a
message wins, over the rest and over the batch-level calls.
https://developers.cloudflare.com/queues/configuration/javascript-apis/#message
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import msgspec

from postroom.kit.clock import to_datetime
from postroom.queues import content
from postroom.queues.broker import PRIORITY_NAMES, Leased

if TYPE_CHECKING:
    from postroom.queues.batch import MessageBatch


class Decision(IntEnum):
    """What a handler said about one message."""

    PENDING = 0
    ACKED = 1
    RETRIED = 2
    DEAD_LETTERED = 3


class DeadLettered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a dead letter carries with it beyond its body."""

    queue: str
    """The queue it failed on."""
    reason: str
    attempts: int
    """Deliveries it had there."""
    at_us: int
    """When it was moved, microseconds since 1970 UTC."""
    details: Any = None
    """What the handler gave to `dead_letter(details=...)`."""
    earlier: Sequence["DeadLettered"] = ()
    """Its former failures, oldest first, when it was redriven and failed again; at most 10."""


class Metadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """Postroom's own metadata of a message, kept beside the body."""

    dead: DeadLettered | None = None
    trace: Mapping[str, str] | None = None
    """Headers that continue the sender's trace."""


_read_metadata = msgspec.json.Decoder(Metadata).decode
_write_metadata = msgspec.json.Encoder().encode


def read_metadata(meta: bytes | None) -> Metadata:
    """Decode what `write_metadata` wrote; nothing stored means nothing known."""
    return _read_metadata(meta) if meta else Metadata()


def write_metadata(metadata: Metadata) -> bytes:
    """Encode for the store."""
    return _write_metadata(metadata)


class Message:
    """One message of a batch.

    `leased`, `retry_delay_seconds`, `reason` and `details` are the record that `settle` reads.
    """

    __slots__ = ("_batch", "_body", "_decision", "details", "leased", "reason", "retry_delay_seconds")

    def __init__(self, leased: Leased, batch: "MessageBatch") -> None:
        self.leased = leased
        self._batch = batch
        self._decision = Decision.PENDING
        self.retry_delay_seconds: float | None = None
        self.reason = ""
        self.details: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        return f"<Message {self.id} of {self._batch.queue}, attempt {self.attempts}, {self.content_type}>"

    @property
    def id(self) -> str:
        """32 lower-case hex digits, the same on every delivery and in the dead-letter queue."""
        return self.leased.id

    @property
    def timestamp(self) -> datetime:
        """When it was sent (UTC), the same on every delivery."""
        return to_datetime(self.leased.sent_us)

    @property
    def body(self) -> Any:
        """What was sent, decoded by its content type; decoded once."""
        try:
            return self._body
        except AttributeError:
            self._body: Any = content.decode(self.leased.body, self.leased.content_type)
            return self._body

    @property
    def raw(self) -> bytes:
        """The body as it is stored, for handlers that decode it into types of their own."""
        return self.leased.body

    @property
    def content_type(self) -> str:
        """`json`, `text` or `bytes`."""
        return self.leased.content_type

    @property
    def attempts(self) -> int:
        """Deliveries so far, this one included: 1 on the first."""
        return self.leased.attempts

    @property
    def priority(self) -> str:
        """`high`, `normal` or `low`."""
        return PRIORITY_NAMES[self.leased.priority]

    @property
    def dead_lettered(self) -> DeadLettered | None:
        """Why and whence it came here, when this is a dead-letter queue."""
        return read_metadata(self.leased.meta).dead

    @property
    def trace(self) -> Mapping[str, str]:
        """The headers that its sender gave to continue a trace (`traceparent`, `sentry-trace`); may be empty."""
        return read_metadata(self.leased.meta).trace or {}

    @property
    def decision(self) -> Decision:
        """What has been decided about it by a call of its own."""
        return self._decision

    def ack(self) -> None:
        """Handled: delete it when the batch is settled, whatever happens to the others.

        Without effect after `retry`, `dead_letter`, or `retry_all` on the batch.
        """
        batch = self._batch
        if self._decision is Decision.PENDING:
            if not batch.decided_all:
                self._decision = Decision.ACKED
            elif batch.retries_all:
                batch.ignored(self.id, "ack", "retry_all")
        elif self._decision is not Decision.ACKED:
            batch.ignored(self.id, "ack", _WORDS[self._decision])

    def retry(self, *, delay_seconds: float | None = None) -> None:
        """Deliver it again, after so many seconds (else the batch's or the consumer's delay).

        A second `retry` replaces the first with its delay. Without effect after `ack`, `dead_letter`, or
        `ack_all` on the batch. Raises ConfigurationError for a delay out of range.
        """
        self._batch.check_delay(delay_seconds)
        if self._may_not("retry", Decision.RETRIED):
            return
        self._decision = Decision.RETRIED
        self.retry_delay_seconds = delay_seconds

    def dead_letter(self, reason: str, *, details: Mapping[str, Any] | None = None) -> None:
        """Move it to the dead-letter queue now, with a reason and details (JSON types) that stay with it.

        An extension. Where the consumer has no dead-letter queue it is dropped, with an event. Without effect
        after `ack`, `retry`, or `ack_all` on the batch. Raises ContentTypeError for what JSON cannot hold.
        """
        # Checked while the handler can still be told: later it would hurt the settlement of the whole batch.
        content.encode(reason, "text")
        content.encode(details)
        if self._may_not("dead_letter", Decision.PENDING):
            return
        self._decision = Decision.DEAD_LETTERED
        self.reason = reason
        self.details = details

    async def extend(self, seconds: float) -> bool:
        """Let its lease end so many seconds from now; False when the lease was lost already. An extension.

        A push handler's leases are renewed by themselves; this is for a handler that wants a longer one.
        """
        return await self._batch.extend(self.leased, seconds)

    def _may_not(self, call: str, repeatable: Decision) -> bool:
        if self._batch.acks_all:
            self._batch.ignored(self.id, call, "ack_all")
            return True
        if self._decision not in (Decision.PENDING, repeatable):
            self._batch.ignored(self.id, call, _WORDS[self._decision])
            return True
        return False


_WORDS = {Decision.ACKED: "ack", Decision.RETRIED: "retry", Decision.DEAD_LETTERED: "dead_letter"}
