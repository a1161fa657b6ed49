"""What the HTTP API is given: open parts of an application that somebody else opened and will close."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from postroom.jobs import JobProducer
from postroom.kit.clock import Clock
from postroom.messages import Desk, Draft, Records
from postroom.queues import Queues
from postroom.store import Store, StoreTransaction

Filling: TypeAlias = Callable[[StoreTransaction, dict[str, Any]], dict[str, Any]]
"""Completes the columns of a new message, inside the transaction that inserts it."""

PRODUCER: Final = "producer"
"""May enqueue and look up."""
OPERATOR: Final = "operator"
"""May do everything."""
ROLES: Final = (PRODUCER, OPERATOR)


class Token(msgspec.Struct, frozen=True):
    """A bearer token and whose it is; raises ValueError for a role that is none."""

    name: str
    role: str
    secret: str

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"the role of token {self.name!r} must be one of: {', '.join(ROLES)}")
        if not self.secret:
            raise ValueError(f"token {self.name!r} is empty")

    def __repr__(self) -> str:
        return f"Token({self.name!r}, {self.role!r}, ***)"


class WebServices(msgspec.Struct, frozen=True, kw_only=True):
    """The parts that requests work with."""

    environment: str
    """Its name, for example `production`."""
    local: bool
    """Whether this is a developer's own machine: loopback needs no token, and nobody else gets in."""
    tokens: Sequence[Token]
    """Who gets in elsewhere."""
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
    fill: Callable[[Draft], Filling]
    """What completes a draft from its template."""
    status: Callable[[], Awaitable[msgspec.Struct]]
    """Reads the answer of `/debug/queue-status`."""
