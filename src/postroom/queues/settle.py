"""What becomes of a batch: decided here, purely; carried out by the broker in one act.

The table of precedence (single call before batch call, first call before later ones, an ended handler's own
fate last) is Cloudflare's, with its documentation preferred to its local simulator where the two differ:
an `ack` before an exception counts, and so does `ack_all`.
https://developers.cloudflare.com/queues/configuration/batching-retries/
"""

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from msgspec import structs

from postroom.kit.clock import MICROSECOND
from postroom.queues.batch import MessageBatch
from postroom.queues.broker import DeadLetter, Leased, Settlement
from postroom.queues.events import Event, MessageDeadLettered, MessageDropped
from postroom.queues.limits import REASON_CHARS_MAX
from postroom.queues.message import DeadLettered, Decision, Message, Metadata, read_metadata, write_metadata
from postroom.queues.options import ConsumerOptions

FAILURES_KEPT = 10
"""Former failures that a dead letter carries along when it fails again."""


class Ending(Enum):
    """How a handler ended."""

    RETURNED = "returned"
    RAISED = "raised"
    INTERRUPTED = "interrupted"
    """Cancelled by a shutdown: what it did not decide is given back without spending an attempt."""


class Verdict(NamedTuple):
    """A settlement, and what to announce once it is carried out."""

    settlement: Settlement
    events: tuple[Event, ...]

    @property
    def dropped(self) -> int:
        """Messages deleted undelivered."""
        return sum(isinstance(event, MessageDropped) for event in self.events)


def decide(
    batch: MessageBatch, ending: Ending, options: ConsumerOptions, *, now_us: int, error: str | None = None
) -> Verdict:
    """The settlement of a batch whose handler has ended.

    `error` names the class of what the handler raised; it becomes the reason of messages that had their last
    attempt.
    """
    acks: list[Leased] = []
    retries: list[tuple[Leased, int]] = []
    fatal: list[tuple[Message, str]] = []
    released: list[Leased] = []
    for message in batch.messages:
        fate = _fate(message, batch, ending)
        if fate is Decision.ACKED:
            acks.append(message.leased)
        elif fate is Decision.RETRIED:
            if message.attempts > options.max_retries:
                fatal.append((message, _exhausted(message.attempts, error)))
            else:
                retries.append((message.leased, _delay_us(message, batch, options)))
        elif fate is Decision.DEAD_LETTERED:
            fatal.append((message, message.reason))
        else:
            released.append(message.leased)
    if not fatal:
        return Verdict(Settlement(acks, retries, (), released), ())
    dead, dropped, events = _bury(fatal, batch.queue, options.dead_letter_queue, now_us)
    return Verdict(Settlement([*acks, *dropped], retries, dead, released), events)


def overdue(leased: Iterable[Leased], queue: str, options: ConsumerOptions, *, now_us: int) -> Verdict | None:
    """The settlement of messages that were leased once more than they may be delivered, if there are any.

    They come from handlers that never settled: lost leases, killed processes. They are not handed over again.
    """
    late = [one for one in leased if one.attempts > options.max_retries + 1]
    if not late:
        return None
    spent = MessageBatch(queue, [structs.replace(one, attempts=one.attempts - 1) for one in late])
    fatal = [(message, _exhausted(message.attempts, "LeaseLost")) for message in spent.messages]
    dead, dropped, events = _bury(fatal, queue, options.dead_letter_queue, now_us)
    return Verdict(Settlement(acks=dropped, dead=dead), events)


def _fate(message: Message, batch: MessageBatch, ending: Ending) -> Decision:
    if message.decision is not Decision.PENDING:
        return message.decision
    if batch.acks_all:
        return Decision.ACKED
    if batch.retries_all or ending is Ending.RAISED:
        return Decision.RETRIED
    return Decision.ACKED if ending is Ending.RETURNED else Decision.PENDING


def _delay_us(message: Message, batch: MessageBatch, options: ConsumerOptions) -> int:
    # Cloudflare's order: the message's own delay, the batch's, the consumer's. 0 is a value, not an absence.
    for seconds in (message.retry_delay_seconds, batch.retry_all_delay):
        if seconds is not None:
            return round(seconds * MICROSECOND)
    return options.retry_delay * MICROSECOND


def _exhausted(attempts: int, error: str | None) -> str:
    cause = f"; last: {error}" if error else ""
    return f"gave up after {attempts} {'delivery' if attempts == 1 else 'deliveries'}{cause}"


def _bury(
    fatal: list[tuple[Message, str]], queue: str, grave: str | None, now_us: int
) -> tuple[list[DeadLetter], list[Leased], tuple[Event, ...]]:
    """Split what failed for good into dead letters and, where there is no queue for them, dropped messages."""
    dead: list[DeadLetter] = []
    dropped: list[Leased] = []
    events: list[Event] = []
    for message, reason in fatal:
        short = reason[:REASON_CHARS_MAX]
        if grave is None:
            dropped.append(message.leased)
            events.append(MessageDropped(queue=queue, id=message.id, attempts=message.attempts, reason=short))
            continue
        dead.append(DeadLetter(message.leased, grave, _epitaph(message, short, queue, now_us)))
        events.append(
            MessageDeadLettered(
                queue=queue, id=message.id, dead_letter_queue=grave, attempts=message.attempts, reason=short
            )
        )
    return dead, dropped, tuple(events)


def _epitaph(message: Message, reason: str, queue: str, now_us: int) -> bytes:
    known = read_metadata(message.leased.meta)
    before = known.dead
    earlier: tuple[DeadLettered, ...] = ()
    if before is not None:
        former = DeadLettered(
            queue=before.queue,
            reason=before.reason,
            attempts=before.attempts,
            at_us=before.at_us,
            details=before.details,
        )
        earlier = (*before.earlier, former)[-FAILURES_KEPT:]
    details = message.details if message.decision is Decision.DEAD_LETTERED else None
    dead = DeadLettered(
        queue=queue, reason=reason, attempts=message.attempts, at_us=now_us, details=details, earlier=earlier
    )
    return write_metadata(Metadata(dead=dead, trace=known.trace))
