"""The states of a message and the only moves between them: one table, from which the diagram in the docs is drawn.

What people decide, what workers do, what providers report and what the clock causes are moves alike. A move that
the table does not have is refused with a reason and recorded; it changes nothing. So callbacks may come twice, late or
out of order.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeAlias

from postroom.jobs.states import JobState


class MessageState(StrEnum):
    """Where a message is."""

    DRAFT = "draft"
    PENDING_REVIEW = "pending_review"
    REJECTED = "rejected"
    QUEUED = "queued"
    SCHEDULED = "scheduled"
    """Approved, and waiting for its moment."""
    PROCESSING = "processing"
    RETRY_SCHEDULED = "retry_scheduled"
    """It did not get through for now; it will be tried again."""
    SENT = "sent"
    """The provider took it over; that is not yet delivery."""
    DELIVERED = "delivered"
    """In the mailbox, on the handset or opened in the portal, as far as anybody can tell."""
    BOUNCED = "bounced"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    """Its `expires_at` passed before it could leave; it was dropped rather than sent late."""
    UNCERTAIN = "uncertain"
    """Nobody knows whether the provider got it, and sending it twice is worse than not: a person decides."""
    UNCONFIRMED = "unconfirmed"
    """It was sent, and in the time that its channel has no proof of delivery came."""


S = MessageState

Who: TypeAlias = Literal["people", "worker", "provider", "clock"]


class Move(NamedTuple):
    """One kind of move."""

    name: str
    who: Who
    targets: Mapping[MessageState, tuple[MessageState, ...]]
    """From each state in which it is legal to those it may lead to; the first is the usual one."""


def _move(name: str, who: Who, *rows: tuple[tuple[MessageState, ...], tuple[MessageState, ...]]) -> Move:
    return Move(name, who, MappingProxyType({before: after for befores, after in rows for before in befores}))


_UNSENT: Final = (S.DRAFT, S.REJECTED, S.PENDING_REVIEW)
_ON_ITS_WAY: Final = (S.QUEUED, S.SCHEDULED, S.RETRY_SCHEDULED)
_LEAVING: Final = (S.QUEUED, S.SCHEDULED)
_IN_DOUBT: Final = (S.PROCESSING, S.RETRY_SCHEDULED, S.UNCERTAIN)
"""A call was made or may have been; what a provider says of it counts."""

MOVES: Final[Mapping[str, Move]] = MappingProxyType(
    {
        move.name: move
        for move in (
            # People. An edit of what was approved takes the approval away.
            _move("edit", "people", ((S.DRAFT, S.REJECTED), (S.DRAFT,)), ((S.PENDING_REVIEW,),) * 2,
                  ((S.QUEUED,), (S.DRAFT, S.QUEUED)), ((S.SCHEDULED,), (S.DRAFT, S.SCHEDULED))),
            _move("submit", "people", ((S.DRAFT, S.REJECTED), (S.PENDING_REVIEW,))),
            _move("reject", "people", ((S.PENDING_REVIEW,), (S.REJECTED,))),
            _move("approve", "people", ((S.PENDING_REVIEW,), _LEAVING)),
            _move("send", "people", (_UNSENT, _LEAVING)),
            _move("schedule", "people", ((S.DRAFT,),) * 2, ((S.REJECTED,),) * 2, ((S.PENDING_REVIEW,),) * 2,
                  (_LEAVING, (S.SCHEDULED, S.QUEUED))),
            _move("cancel", "people", ((*_UNSENT, *_ON_ITS_WAY), (S.CANCELLED,))),
            _move("resend", "people", ((S.FAILED, S.BOUNCED, S.EXPIRED, S.UNCERTAIN, S.UNCONFIRMED), _LEAVING)),
            _move("resolve", "people", ((S.UNCERTAIN, S.UNCONFIRMED), (S.DELIVERED, S.FAILED))),
            # Workers. Failed and uncertain messages begin again when a person redrives their dead letter.
            _move("begin", "worker", ((*_ON_ITS_WAY, S.PROCESSING, S.FAILED, S.UNCERTAIN), (S.PROCESSING,))),
            _move("hand_over", "worker", ((S.PROCESSING,), (S.SENT,))),
            _move("retry", "worker", ((S.PROCESSING,), (S.RETRY_SCHEDULED,))),
            _move("defer", "worker", ((S.PROCESSING,), (S.SCHEDULED,))),
            _move("fail", "worker", ((S.PROCESSING, *_ON_ITS_WAY), (S.FAILED,))),
            _move("doubt", "worker", ((S.PROCESSING, *_ON_ITS_WAY), (S.UNCERTAIN,))),
            _move("expire", "worker", ((S.PROCESSING, *_ON_ITS_WAY), (S.EXPIRED,))),
            _move("lapse", "worker", ((S.PROCESSING,), (S.PENDING_REVIEW,))),
            # Providers. A late bounce corrects a delivery, and a delivery a bounce (greylisting); nothing else goes back.
            _move("report_sent", "provider", (_IN_DOUBT, (S.SENT,))),
            _move("report_delivered", "provider",
                  ((*_IN_DOUBT, S.SENT, S.UNCONFIRMED, S.BOUNCED, S.FAILED), (S.DELIVERED,))),
            _move("report_bounced", "provider", ((*_IN_DOUBT, S.SENT, S.UNCONFIRMED, S.DELIVERED), (S.BOUNCED,))),
            _move("report_failed", "provider", ((*_IN_DOUBT, S.SENT, S.UNCONFIRMED), (S.FAILED,))),
            # The clock.
            _move("unconfirm", "clock", ((S.SENT,), (S.UNCONFIRMED,))),
        )
    }
)  # fmt: skip
"""Every move there is, by name."""

FINAL: Final = frozenset(
    {S.DELIVERED, S.BOUNCED, S.FAILED, S.CANCELLED, S.EXPIRED, S.UNCERTAIN, S.UNCONFIRMED}
)
"""States in which nothing more happens unless a provider or a person has something to say."""

RESENDABLE: Final = frozenset(MOVES["resend"].targets)
"""States in which a person may have it sent again."""

REENQUEUEABLE: Final = frozenset({S.FAILED})
"""States in which a new job may be enqueued for the same messageId; in all others it is a duplicate."""

OF_JOB: Final[Mapping[JobState, str]] = MappingProxyType(
    {
        JobState.PROCESSING: "begin",
        JobState.RETRY_SCHEDULED: "retry",
        JobState.DONE: "hand_over",
        JobState.FAILED: "fail",
        JobState.UNCERTAIN: "doubt",
    }
)
"""The move of a message when the job that sends it comes into such a state."""


def target(move: str, state: MessageState, wanted: MessageState | None = None) -> MessageState | None:
    """Where the move leads from there: the usual target, or the wanted one; None when the table does not have it."""
    targets = MOVES[move].targets.get(state, ())
    if wanted is None:
        return targets[0] if targets else None
    return wanted if wanted in targets else None


def moves_of_people(state: MessageState) -> tuple[str, ...]:
    """What a person may do with a message in that state, roles aside."""
    return tuple(move.name for move in MOVES.values() if move.who == "people" and state in move.targets)


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> draft", "    [*] --> queued: enqueue"]
    for who in ("people", "worker", "provider", "clock"):
        lines.append(f"    %% {who}")
        for move in MOVES.values():
            if move.who == who:
                lines += [
                    f"    {before} --> {after}: {move.name}"
                    for before, afters in move.targets.items()
                    for after in afters
                ]
    return "\n".join(lines) + "\n"
