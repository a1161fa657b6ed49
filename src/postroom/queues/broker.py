"""The port: what a broker does, in verbs of the domain, and the values that pass through it.

A broker stores and leases; it decides nothing. Retry counts, dead-letter routes and batch filling are the
consumer's (`consumer`, `settle`), so that they are the same on every broker. Moments are microseconds since
1970 UTC on the store's clock, durations are microseconds too (`_us`).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import msgspec

from postroom.kit.clock import MICROSECOND, Clock
from postroom.kit.events import Events
from postroom.queues.limits import AGELESS_DELAY_SECONDS
from postroom.queues.options import QueueOptions

T = TypeVar("T")

HIGH, NORMAL, LOW = 0, 1, 2
PRIORITIES = {"high": HIGH, "normal": NORMAL, "low": LOW}
PRIORITY_NAMES = ("high", "normal", "low")

AGEING_US = 30_000_000
"""Ageing: a priority step is worth 30 s of waiting, so a low message that has been due for a minute goes
before a high one that has just arrived, and is never starved."""


STAMP_US = 10_000
"""A message that is retried at once is due a microsecond after all that is ready, which is how it gets behind them.
So what is due is judged by the last such stamp while the clock has not come up to it; a stamp that is further ahead
of the clock than this is from before the clock was set back. Everything else is measured by the clock."""


AGELESS_DELAY_US = AGELESS_DELAY_SECONDS * MICROSECOND

NO_SUSPECTS = range(0)
"""For `lease`: nobody is suspected."""


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a broker can do beyond sending, leasing and settling; checked when something is declared."""

    durable: bool
    """An awaited `send` survives a killed process and a power cut."""
    shared: bool
    """Several processes may open the same queues."""
    priority: bool
    deduplication: bool
    transactional_send: bool
    dead_letter_reason: bool
    extend: bool
    redrive: bool
    delay_seconds_max: int | None
    """The longest delay of a message; None for no bound."""
    priority_as_delay: bool = False
    """Without an order by priority: priorities are taken all the same, and a low one waits."""
    counts: bool = True
    """Ready, delayed and in flight are told apart; every message can be looked at, and expiries are announced."""
    suspects: bool = True
    """A delivery that lapsed is told from a retry, so that what kills its handlers is delivered alone."""
    free_release: bool = True
    """What is given back at a stop keeps its place and has spent no attempt."""
    fractions: bool = True
    """Delays may be fractions of a second; else they are rounded up."""
    whole_bodies: bool = True
    """The limits are for the body alone; else what goes with it counts too."""


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A message on its way in: checked and encoded."""

    id: str
    body: bytes
    content_type: str
    priority: int
    delay_us: int | None
    """None: the queue's own `delivery_delay`."""
    deduplication_id: str | None
    sent_us: int
    meta: bytes | None
    """Postroom's own metadata, JSON."""


class Leased(msgspec.Struct, frozen=True, gc=False):
    """A message that this process holds until its lease ends."""

    key: Any
    """The broker's own handle."""
    token: int
    """Names the lease: a settlement with another token changes nothing."""
    id: str
    body: bytes
    content_type: str
    priority: int
    sent_us: int
    attempts: int
    """This delivery included: 1 on the first."""
    meta: bytes | None
    lost: bool = False
    """Whether the delivery before lapsed: its lease ran out and nobody settled it, perhaps because it died. Being
    given back unhandled does not clear this."""


class Lease(NamedTuple):
    """The answer to `lease`."""

    messages: Sequence[Leased]
    ready: int
    """When nothing was leased: messages that are ready but fewer than asked for."""
    first_ready_us: int | None
    """When nothing was leased but some are ready: when the first of them became available."""
    next_due_us: int | None
    """When nothing was leased: when the next delayed or leased message comes due; now, when another try is due."""
    version: int
    """Pass to `wait`: it returns at once when something has happened since."""
    suspect: bool = False
    """Whether what was leased is a suspect; with nothing leased, whether one waits until the process is idle."""


class DeadLetter(NamedTuple):
    """A message to be moved to a dead-letter queue."""

    leased: Leased
    queue: str
    meta: bytes


class Settlement(NamedTuple):
    """What becomes of leased messages, all in one durable act."""

    acks: Sequence[Leased] = ()
    retries: Sequence[tuple[Leased, int]] = ()
    """With a delay in microseconds."""
    dead: Sequence[DeadLetter] = ()
    released: Sequence[Leased] = ()
    """Given back unhandled: available at once, the attempt is not counted, and who was `lost` stays so."""
    late_acks: bool = False
    """Pull consumers: an ack counts even when the lease was lost (Cloudflare is permissive here)."""


class Backlog(msgspec.Struct, frozen=True, gc=False):
    """How much waits: every message that is not acknowledged, whether ready, delayed or leased."""

    messages: int
    bytes: int
    oldest_us: int | None
    """When the oldest was sent; best effort."""


class Sent(msgspec.Struct, frozen=True, gc=False):
    """The answer to `send`."""

    ids: Sequence[str]
    """In the order of the messages; a duplicate has the id of the first."""
    duplicates: frozenset[int]
    """Positions of the messages that were known by their deduplication id and not stored again."""
    backlog: Backlog
    """As it was before these messages."""


class Browsed(NamedTuple):
    """A message looked at without touching it."""

    key: Any
    id: str
    body: bytes
    content_type: str
    priority: int
    sent_us: int
    attempts: int
    due_us: int
    leased: bool
    meta: bytes | None


class QueueInfo(NamedTuple):
    """A queue as the store knows it."""

    name: str
    options: QueueOptions
    paused: bool
    created_us: int
    backlog: Backlog
    ready: int
    delayed: int
    in_flight: int


class Broker(Protocol):
    """The hot verbs, in the order of a message's life."""

    capabilities: Capabilities

    async def open(self) -> None:
        """Connect and make the schema; raises BrokerUnavailable or ConfigurationError."""

    async def close(self) -> None:
        """Finish what was begun and let go of the store."""

    async def send(self, queue: str, messages: Sequence[Outgoing]) -> Sent:
        """Store messages, all or none; durable when it returns. Raises QueueNotFound, StorageFull."""

    async def lease(
        self,
        queue: str,
        *,
        limit: int,
        fewest: int,
        visibility_us: int,
        suspects: range = NO_SUSPECTS,
        busy: bool = False,
    ) -> Lease:
        """Lease up to `limit` ready messages in whole multiples of `fewest`, or none when fewer are ready.

        Order: by due time, a step of priority being worth AGEING_US. A paused queue leases nothing.

        A message whose former lease lapsed and whose number of deliveries is in `suspects` may be what kills its
        handlers. The first such among those that would be leased is leased alone, without regard to `fewest`, so
        that no other is delivered with it, in whatever process; a `busy` caller, which has handlers running, leases
        nothing then and spends no attempt of anyone.
        """

    async def settle(self, queue: str, settlement: Settlement) -> Sequence[Leased]:
        """Carry out a settlement in one durable act; returns those whose lease was lost, which it left alone."""

    async def extend(self, queue: str, messages: Sequence[Leased], visibility_us: int) -> Sequence[Leased]:
        """Let leases end `visibility_us` from now instead; returns those that were already lost."""

    async def wait(self, queue: str, *, version: int, until_us: int | None) -> None:
        """Return when something may have changed since `version`, or at a moment of the store's clock."""

    async def backlog(self, queue: str) -> Backlog:
        """How much waits."""


class Administration(Protocol):
    """The verbs of operators; none of them is hot."""

    async def create(self, queue: str, options: QueueOptions | None = None) -> bool:
        """Make a queue, or change the options of an existing one; True when it is new."""

    async def delete(self, queue: str) -> bool:
        """Remove a queue with everything in it; False when there was none."""

    async def info(self, queue: str) -> QueueInfo:
        """One queue; raises QueueNotFound."""

    async def names(self) -> Sequence[str]:
        """All queues, sorted."""

    async def pause(self, queue: str, paused: bool) -> None:
        """Stop or continue delivery; sending goes on."""

    async def purge(self, queue: str) -> int:
        """Delete everything ready or delayed; returns how many. What is leased may still finish."""

    async def browse(self, queue: str, *, after: Any = None, limit: int = 100) -> Sequence[Browsed]:
        """Look at messages in the order of their arrival, from behind a key, without touching them."""

    async def peek(self, queue: str, limit: int) -> Sequence[Browsed]:
        """Look at the messages that are next, without touching them."""

    async def find(self, queue: str, keys: Sequence[Any]) -> Sequence[Browsed]:
        """Look at messages by their keys, without touching them; those that are gone are left out."""

    async def transfer(self, source: str, moves: Sequence[tuple[Any, str]]) -> int:
        """Move unleased messages (keys, each with its target) in one act, attempts starting again; how many."""

    async def remove(self, queue: str, keys: Sequence[Any]) -> int:
        """Delete unleased messages for good; returns how many."""


class FullBroker(Broker, Administration, Protocol):
    """A broker with its administration: what `connect` builds upon."""


@runtime_checkable
class Enlisting(Protocol):
    """The capability `transactional_send`."""

    def enlist(self, transaction: Any, queue: str, messages: Sequence[Outgoing]) -> Sent:
        """Write messages through the caller's open transaction; they exist when it commits."""

    async def enlist_async(self, transaction: Any, queue: str, messages: Sequence[Outgoing]) -> Sent:
        """The same, also for transactions that have to be awaited."""

    async def transact(self, function: Callable[[Any], T]) -> T:
        """Run a function in a transaction of the broker's own, which it gets as its argument."""


class BrokerContext(NamedTuple):
    """What `connect` hands to a broker's factory."""

    clock: Clock
    events: Events
    create_queues: bool
    """Whether sending to or leasing from an unknown queue creates it."""
