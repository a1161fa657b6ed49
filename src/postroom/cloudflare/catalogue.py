"""From a queue's id to what has to be known about it, remembered for a moment because every message needs it.

An id is made of the queue's name and the moment of its making, so that it needs no table, is the same in every process,
and a queue that is made anew under an old name has another.
"""

import hashlib
from typing import Final, NamedTuple

from postroom.cloudflare.account import Account
from postroom.cloudflare.consumers import HTTP_PULL, Attachment, Consumers
from postroom.kit.clock import MICROSECOND
from postroom.queues import Queue, QueueInfo, QueueNotFound, Queues
from postroom.store import Store

FRESH_SECONDS: Final = 1.0
"""How long an entry is believed; what another process changes is seen within this."""
REMEMBERED_MAX: Final = 10_000
"""Cloudflare's most queues of an account."""


class QueueNote(NamedTuple):
    """What is kept of a queue beside its own settings."""

    modified_us: int | None = None
    purge_started_us: int | None = None
    purge_ended_us: int | None = None


class Entry(NamedTuple):
    """A queue as requests need it."""

    queue_id: str
    name: str
    created_us: int
    attachment: Attachment | None
    """What the API said about its consumer."""
    queue: Queue
    """With the settings of its puller, if it has one."""
    read_us: int

    @property
    def pulls(self) -> bool:
        """Whether messages may be pulled from it."""
        return self.attachment is not None and self.attachment.kind == HTTP_PULL


def queue_id(name: str, created_us: int) -> str:
    """32 lower-case hex digits."""
    return hashlib.blake2b(f"{name}\0{created_us}".encode(), digest_size=16).hexdigest()


def id_of(info: QueueInfo) -> str:
    """The id of a queue."""
    return queue_id(info.name, info.created_us)


class Catalogue:
    """Finds queues by id."""

    def __init__(self, store: Store, queues: Queues, account: Account) -> None:
        self.account = account
        self.consumers = Consumers()
        self._store = store
        self._queues = queues
        self._clock = store.clock
        self._names: dict[str, str] = {}
        self._entries: dict[str, Entry] = {}

    async def entry(self, given: str) -> Entry | None:
        """The queue of that id; None when there is none (any more)."""
        known = self._entries.get(given)
        now_us = self._clock.now_us()
        if known is not None and 0 <= now_us - known.read_us < FRESH_SECONDS * MICROSECOND:
            return known
        name = await self._name(given)
        if name is None:
            return None
        try:
            info = await self._queues.info(name)
        except QueueNotFound:
            info = None
        if info is None or id_of(info) != given:
            self.forget(given)
            return None
        attachment = await self._store.read(lambda t: self.consumers.find(t, given))
        pulls = attachment is not None and attachment.kind == HTTP_PULL
        queue = self._queues.pulled(attachment.options) if attachment and pulls else self._queues[name]
        entry = Entry(given, name, info.created_us, attachment, queue, now_us)
        if len(self._entries) >= REMEMBERED_MAX:
            self._entries.clear()
        self._entries[given] = entry
        return entry

    def forget(self, given: str) -> None:
        """It was changed or deleted here."""
        self._entries.pop(given, None)
        self._names.pop(given, None)

    async def ids(self) -> dict[str, str]:
        """Every queue's name to its id."""
        found: dict[str, str] = {}
        for name in await self._queues.names():
            try:
                found[name] = id_of(await self._queues.info(name))
            except QueueNotFound:
                continue
        self._names = {id_: name for name, id_ in found.items()}
        return found

    async def note(self, given: str) -> QueueNote:
        """What is kept of the queue."""
        row = await self._store.read(lambda t: t.one("find_cloudflare_queue", queue_id=given))
        if row is None:
            return QueueNote()
        return QueueNote(row["modified_us"], row["purge_started_us"], row["purge_ended_us"])

    async def _name(self, given: str) -> str | None:
        if given not in self._names:
            await self.ids()
        return self._names.get(given)
