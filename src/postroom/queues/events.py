"""What the queue announces. Subscribe with `queues.events.subscribe(Kind, listener)`.

No event holds a body. `reason` texts are those that handlers gave or Postroom's own.
"""

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Root of the queue's events."""

    queue: str


class BatchHandled(Event, frozen=True, kw_only=True):
    """A handler has finished and its batch is settled."""

    size: int
    acked: int
    retried: int
    dead_lettered: int
    dropped: int
    released: int
    duration_seconds: float
    """On the clock, from the hand-over to the end of the handler."""
    error: str | None = None
    """The class of what the handler raised."""


class MessageDeadLettered(Event, frozen=True, kw_only=True):
    """A message was moved to the dead-letter queue."""

    id: str
    dead_letter_queue: str
    attempts: int
    reason: str


class MessageDropped(Event, frozen=True, kw_only=True):
    """A message was deleted undelivered because its consumer has no dead-letter queue."""

    id: str
    attempts: int
    reason: str


class MessagesExpired(Event, frozen=True, kw_only=True):
    """Messages outlived the queue's retention and were deleted."""

    count: int
    ids: tuple[str, ...]


class LeaseLost(Event, frozen=True, kw_only=True):
    """Leases ended before their messages were settled; whoever holds them now decides."""

    ids: tuple[str, ...]


class SettlementFailed(Event, frozen=True, kw_only=True):
    """The store refused a settlement; its messages come again when their leases end."""

    ids: tuple[str, ...]
    error: str


class CallIgnored(Event, frozen=True, kw_only=True):
    """A call on a message or batch had no effect, because an earlier call had already decided."""

    id: str | None
    call: str
    because: str


class ConsumerFailed(Event, frozen=True, kw_only=True):
    """A consumer could not reach its store and tries again after a pause."""

    error: str
    retry_seconds: float


class WakeUpsMissing(msgspec.Struct, frozen=True, kw_only=True):
    """This process cannot be woken by others that use the same file; it looks at the file now and then instead."""

    file: str
    """The file's name, without its folder."""
    retry_seconds: float
    """Between two looks: what comes from another process is noticed so much later at worst."""
    because: str


class DeliveryPaused(Event, frozen=True, kw_only=True):
    """Delivery of the queue was paused through this process."""


class DeliveryResumed(Event, frozen=True, kw_only=True):
    """Delivery of the queue was resumed through this process."""


class QueuePurged(Event, frozen=True, kw_only=True):
    """The queue was emptied."""

    count: int


class MessagesRedriven(Event, frozen=True, kw_only=True):
    """Messages of this queue were moved back to where they came from, or elsewhere."""

    count: int
