"""What the HTTP API is given: open parts of an application that somebody else opened and will close."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec

from postroom.accounts import Issuer, Passwords, Role, Sessions, Tokens, Users
from postroom.cloudflare import Account, EventSubscriptions
from postroom.delivery.routing import Router
from postroom.exports import ExportDesk
from postroom.jobs import JobProducer
from postroom.kit.actor import Actor
from postroom.kit.clock import Clock
from postroom.messages import Desk, Draft, Inbox, Portal, Records
from postroom.messages.previews import Previews
from postroom.messages.unsubscribing import Unsubscribing
from postroom.operations import Failures, Holds, Jobs, Redrives, Timelines
from postroom.queues import Queues
from postroom.store import Store, StoreTransaction
from postroom.subscribers import Announcer, Subscriptions
from postroom.web.door import Door

Filling: TypeAlias = Callable[[StoreTransaction, dict[str, Any]], dict[str, Any]]
"""Completes the columns of a new message, inside the transaction that inserts it."""


class Token(msgspec.Struct, frozen=True):
    """A bearer token and whose it is; raises ValueError for a role that is none."""

    name: str
    role: str
    secret: str

    def __post_init__(self) -> None:
        if self.role not in set(Role):
            raise ValueError(f"the role of token {self.name!r} must be one of: {', '.join(Role)}")
        if not self.secret:
            raise ValueError(f"token {self.name!r} is empty")

    def __repr__(self) -> str:
        return f"Token({self.name!r}, {self.role!r}, ***)"


class Accounts(NamedTuple):
    """The tables of who gets in."""

    users: Users
    tokens: Tokens
    sessions: Sessions
    passwords: Passwords


class Watching(NamedTuple):
    """How the work goes, as requests see it."""

    performance: Callable[[str], Awaitable[dict[str, Any]]]
    """Figures over a window: 5m, 15m, 1h or 24h."""
    health: Callable[[], Awaitable[dict[str, Any]]]
    incidents: Callable[[], Awaitable[list[dict[str, Any]]]]
    rules: Sequence[tuple[str, float]]
    why: Callable[[str], Awaitable[msgspec.Struct | None]]
    series: Callable[[str], Awaitable[dict[str, Any]]]
    """Every queue's curves over a window: 15m, 1h, 24h or 30d."""
    standing: Callable[[], Awaitable[dict[str, Any]]]
    """How each queue stands, in a sentence."""
    look_anew: Callable[[], None]
    """Something was changed that `standing` tells of."""
    storage: Callable[[], Awaitable[dict[str, Any]]]
    workers: Callable[[], Awaitable[list[dict[str, Any]]]]


class AlertDesk(NamedTuple):
    """Alerts, as requests see them."""

    names: Mapping[str, str]
    """Rule to what its threshold means."""
    standing: Callable[[], Awaitable[Sequence[Any]]]
    set: Any
    """`set(rule, actor, threshold=, silent_us=)`"""
    test: Callable[[Actor], Awaitable[int]]


class Operating(NamedTuple):
    """What operators do, as requests see it."""

    holds: Holds
    redrives: Redrives
    failures: Failures
    jobs: Jobs
    timelines: Timelines
    alerts: AlertDesk


class ScheduleDesk(NamedTuple):
    """Schedules, as requests see them; the web knows nothing of the clock."""

    names: Sequence[str]
    read: Callable[[], Awaitable[list[dict[str, Any]]]]
    run: Callable[[str, Actor], Awaitable[list[str]]]
    pause: Any
    """`pause(name, actor, paused=)`: False when it is so already."""


class WebServices(msgspec.Struct, frozen=True, kw_only=True):
    """The parts that requests work with."""

    environment: str
    """Its name, for example `production`."""
    local: bool
    """Whether this is a developer's own machine: loopback needs no token, and nobody else gets in."""
    tokens: Sequence[Token]
    """Who gets in elsewhere, beside those who have an account."""
    accounts: Accounts
    issuer: Issuer | None = None
    """Whose tokens are accepted too."""
    inbox: Inbox
    """Takes webhooks in."""
    door: Door
    """What is shared by all requests: counts, kept answers, refusals."""
    gate: Any = None
    """The `Gate`, where others have to tell it something; by default one is made."""
    public_url: str | None = None
    """Where the outside world reaches this service."""
    queues: Queues
    store: Store
    clock: Clock
    producer: JobProducer
    queue: str
    """The name of the queue that jobs go to."""
    dead_letter_queue: str | None
    """Where jobs go that failed for good."""
    desk: Desk
    """Where people act on messages."""
    records: Records
    unsubscribing: Unsubscribing | None = None
    """What reads the links by which people unsubscribe; None: there are none."""
    subscriptions: Subscriptions
    announcer: Announcer
    """Enqueues what subscribers are told."""
    router: Router
    webhook_secret: str | None = None
    """What `/debug/webhook-test` signs with."""
    metrics: Callable[[], Awaitable[bytes]] | None = None
    """Writes the exposition of metrics; None: they are not installed."""
    report: Callable[[BaseException], str | None] | None = None
    """Reports an error to where errors go; None: nowhere."""
    portal: Portal | None = None
    """What shows messages to who has their link."""
    previews: Previews
    """Shows what a recipient would see."""
    fill: Callable[[Draft], Filling]
    """What completes a draft from its template."""
    status: Callable[[], Awaitable[msgspec.Struct]]
    """Reads the answer of `/debug/queue-status`."""
    watching: Watching
    schedules: ScheduleDesk
    operating: Operating
    open_body: Callable[[bytes], bytes] = bytes
    """Opens a message's body that was sealed; raises VaultError or ValueError."""
    exports: ExportDesk
    """Where exports are asked for."""
    account: Account
    """What Cloudflare's API answers about this Postroom."""
    event_subscriptions: EventSubscriptions
    attaching: Callable[[], Awaitable[None]] | None = None
    """Brings the consumers of this process in line with what the API said; None: it has none."""
