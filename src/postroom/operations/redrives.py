"""Bringing dead letters back, or deleting them, as a thing of its own: seen, slowed, stopped, resumed.

It is a row in the store; a process holds it for a few seconds at a time and carries it on page by page, so that it
outlives the request that asked for it and the process that began it. A page is on record before it is moved. Should the
process die in between, the next one finds which of its messages are gone, counts them as moved and moves the others: none
is moved twice, and none is counted twice.
"""

from enum import StrEnum
from typing import Any, Final

import msgspec

from postroom.audit import record
from postroom.kit.actor import SYSTEM, Actor
from postroom.kit.clock import MICROSECOND, Clock
from postroom.kit.ids import new_id
from postroom.queues import ConfigurationError, Filter, Queues
from postroom.queues.events import MessagesRedriven
from postroom.queues.message import read_metadata
from postroom.store import Row, Store, StoreTransaction

PAGE: Final = 100
"""Messages looked at, and at most moved, in one act."""
HELD_US: Final = 15 * MICROSECOND
"""After so long without a sign of life another process carries a redrive on."""
RATE_MAX: Final = 10_000.0
_encode = msgspec.json.Encoder().encode


class Action(StrEnum):
    """What becomes of the dead letters."""

    REDRIVE = "redrive"
    DISCARD = "discard"
    """They are deleted for good."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letters; every condition that is given must hold."""

    matching: Filter = Filter()
    fingerprint: str | None = None
    """Of their jobs' failure."""


class Redrive(msgspec.Struct, frozen=True, kw_only=True):
    """One, as far as it has come."""

    id: str
    queue: str
    action: Action
    target: str | None
    choice: Choice
    rate: float | None
    state: str
    """`running`, `stopped`, `done` or `failed`."""
    expected: int
    """How many matched when it was asked for."""
    matched: int
    moved: int
    unroutable: int
    """Matching ones whose origin is unknown or the dead-letter queue itself."""
    problem: str | None
    actor: str
    created_us: int
    changed_us: int
    ended_us: int | None


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """What it would do."""

    matched: int
    targets: dict[str, int]
    """Queue to how many go there; none when they are deleted."""
    unroutable: int


class _Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page that was looked at and is about to be moved."""

    after: Any
    moves: list[tuple[Any, str]] = []
    matched: int = 0
    unroutable: int = 0


class Redrives:
    """Asks for them, looks at them, and carries them on."""

    def __init__(self, store: Store, queues: Queues, clock: Clock) -> None:
        self._store = store
        self._queues = queues
        self._clock = clock
        self.holder = new_id()
        """This process, as holder of redrives."""

    async def plan(self, queue: str, action: Action, choice: Choice, target: str | None = None) -> Planned:
        """What one would do now; nothing is touched. Raises QueueNotFound, ConfigurationError."""
        await self._check(queue, target)
        targets: dict[str, int] = {}
        after: Any = None
        matched = unroutable = 0
        while (
            page := await self._look(queue, action, choice, target, after, self._clock.now_us())
        ) is not None:
            after = page.after
            matched += page.matched
            unroutable += page.unroutable
            for _, where in page.moves:
                targets[where] = targets.get(where, 0) + 1
        return Planned(
            matched=matched, targets={} if action is Action.DISCARD else targets, unroutable=unroutable
        )

    async def begin(
        self, queue: str, action: Action, choice: Choice, actor: Actor | str, *, target: str | None = None,
        rate: float | None = None,
    ) -> Redrive:  # fmt: skip
        """Put one on record; a `Keeper` carries it out. Raises QueueNotFound, ConfigurationError."""
        check_rate(rate)
        planned = await self.plan(queue, action, choice, target)
        id_, now_us = new_id(), self._clock.now_us()
        name = actor.name if isinstance(actor, Actor) else actor

        def write(transaction: StoreTransaction) -> None:
            transaction.run(
                "insert_redrive", id=id_, queue=queue, action=action, target=target, filter=_encode(choice).decode(),
                rate=rate, expected=planned.matched, actor=name, now_us=now_us,
            )  # fmt: skip
            self._note(
                transaction,
                actor,
                f"queue.{action}",
                queue,
                redrive=id_,
                expected=planned.matched,
                to=target,
                rate=rate,
            )

        await self._store.write(write)
        return await self.get(id_)

    async def get(self, id_: str) -> Redrive:
        """One; raises LookupError."""
        row = await self._store.read(lambda transaction: transaction.one("find_redrive", id=id_))
        if row is None:
            raise LookupError(id_)
        return _redrive(row)

    async def page(self, before: int, limit: int) -> tuple[list[Redrive], int | None]:
        """The newest before a key, and the key of the next page."""
        rows = await self._store.read(lambda t: t.all("list_redrives", before=before, limit=limit + 1))
        more = rows[limit - 1]["seq"] if len(rows) > limit else None
        return [_redrive(row) for row in rows[:limit]], more

    async def stop(self, id_: str, actor: Actor | str) -> bool:
        """Let one stop after the page that it is at; False when it is over already."""
        return await self._move(
            id_, actor, "end_redrive", "queue.redrive_stopped", state="stopped", problem=None
        )

    async def resume(self, id_: str, actor: Actor | str) -> bool:
        """Let one that was stopped or failed go on where it was; False for any other."""
        return await self._move(id_, actor, "resume_redrive", "queue.redrive_resumed")

    async def set_rate(self, id_: str, rate: float | None, actor: Actor | str) -> bool:
        """Let a running one go faster or slower; False when it is not running. Raises ConfigurationError."""
        check_rate(rate)
        return await self._move(id_, actor, "change_redrive_rate", "queue.redrive_rate", rate=rate)

    # Carrying on.

    async def waiting(self) -> list[str]:
        """Running ones that nobody has in hand."""
        now_us = self._clock.now_us()
        rows = await self._store.read(lambda transaction: transaction.all("running_redrives"))
        return [row["id"] for row in rows if row["holder"] in (None, self.holder) or row["held_us"] < now_us]

    async def take(self, id_: str) -> bool:
        """Have one in hand for the next seconds; False when another has it, or it is over."""
        now_us = self._clock.now_us()
        values = {"id": id_, "holder": self.holder, "now_us": now_us, "until_us": now_us + HELD_US}
        return bool(await self._store.write(lambda transaction: transaction.run("take_redrive", **values)))

    async def step(self, id_: str) -> float | None:
        """Move one page of a redrive that is in hand; returns the seconds to rest, None when there is no more to do."""
        row = await self._store.read(lambda transaction: transaction.one("find_redrive", id=id_))
        if row is None or row["state"] != "running" or row["holder"] != self.holder:
            return None
        run = _redrive(row)
        gone = 0
        if row["pending"] is not None:
            page = msgspec.json.decode(row["pending"], type=_Page)
            keys = [key for key, _ in page.moves]
            there = {one.key for one in await self._queues.broker.find(run.queue, keys)}
            gone = len(keys) - len(there)
            page = msgspec.structs.replace(page, moves=[move for move in page.moves if move[0] in there])
        else:
            found = await self._look(
                run.queue, run.action, run.choice, run.target, msgspec.json.decode(row["after"]), run.created_us,
                limit=PAGE if run.rate is None else max(1, min(PAGE, int(run.rate))),
            )  # fmt: skip
            if found is None:
                await self._end(run, "done", None)
                return None
            page = found
            if not await self._write("plan_redrive", id_, pending=_encode(page).decode()):
                return None
        moved = await self._move_page(run, page) if page.moves else 0
        await self._write(
            "advance_redrive", id_, after=_encode(page.after).decode(), matched=page.matched, moved=gone + moved,
            unroutable=page.unroutable, now_us=self._clock.now_us(),
        )  # fmt: skip
        return len(page.moves) / run.rate if run.rate else 0.0

    async def fail(self, id_: str, problem: str) -> None:
        """It cannot go on; somebody has to look and may resume it."""
        await self._end(await self.get(id_), "failed", problem)

    async def _look(
        self, queue: str, action: Action, choice: Choice, target: str | None, after: Any, last_us: int,
        *, limit: int = PAGE,
    ) -> _Page | None:  # fmt: skip
        """The next page; None at the end. Letters that died after `last_us` are left for another time."""
        browsed = await self._queues.broker.browse(queue, after=after, limit=limit)
        if not browsed:
            return None
        alike = None
        if choice.fingerprint is not None:
            ids = [one.id for one in browsed]
            alike = await self._store.read(lambda transaction: _alike(transaction, ids, choice.fingerprint))
        moves: list[tuple[Any, str]] = []
        matched = unroutable = 0
        for message in browsed:
            dead = read_metadata(message.meta).dead
            late = dead is not None and dead.at_us > last_us
            if message.leased or late or (alike is not None and message.id not in alike):
                continue
            if not choice.matching.accepts(message):
                continue
            matched += 1
            where = "" if action is Action.DISCARD else target or (dead.queue if dead is not None else None)
            # What was redriven to this very queue still tells that it once failed here; moving it would not end.
            if where is None or where == queue:
                unroutable += 1
                continue
            moves.append((message.key, where))
        return _Page(after=browsed[-1].key, moves=moves, matched=matched, unroutable=unroutable)

    async def _move_page(self, run: Redrive, page: _Page) -> int:
        broker = self._queues.broker
        if run.action is Action.DISCARD:
            return await broker.remove(run.queue, [key for key, _ in page.moves])
        moved = await broker.transfer(run.queue, page.moves)
        if moved:
            self._queues.events.emit(MessagesRedriven(queue=run.queue, count=moved))
        return moved

    async def _check(self, queue: str, target: str | None) -> None:
        await self._queues.info(queue)
        if target is not None:
            await self._queues.info(target)
        if target == queue:
            raise ConfigurationError.out_of_range("to", target, "a queue other than the one being redriven")

    async def _write(self, query: str, id_: str, **values: Any) -> bool:
        until_us = self._clock.now_us() + HELD_US
        return bool(
            await self._store.write(
                lambda transaction: transaction.run(
                    query, id=id_, holder=self.holder, until_us=until_us, **values
                )
            )
        )

    async def _move(self, id_: str, actor: Actor | str, query: str, action: str, **values: Any) -> bool:
        now_us = self._clock.now_us()

        def write(transaction: StoreTransaction) -> bool:
            row = transaction.one("find_redrive", id=id_)
            if row is None:
                raise LookupError(id_)
            if not transaction.run(query, id=id_, now_us=now_us, **values):
                return False
            self._note(transaction, actor, action, row["queue"], redrive=id_, moved=row["moved"])
            return True

        return await self._store.write(write)

    async def _end(self, run: Redrive, state: str, problem: str | None) -> None:
        now_us = self._clock.now_us()

        def write(transaction: StoreTransaction) -> None:
            if transaction.run("end_redrive", id=run.id, state=state, problem=problem, now_us=now_us):
                self._note(
                    transaction, SYSTEM, "queue.redriven" if run.action is Action.REDRIVE else "dead_letters.deleted",
                    run.queue, redrive=run.id, state=state, moved=run.moved,
                )  # fmt: skip

        await self._store.write(write)

    def _note(
        self, transaction: StoreTransaction, actor: Actor | str, action: str, queue: str, **details: Any
    ) -> None:
        record(
            transaction, at_us=self._clock.now_us(), actor=actor, action=action, object_type="queue", object_id=queue,
            details=details,
        )  # fmt: skip


def check_rate(rate: float | None) -> None:
    """Raise ConfigurationError unless it is a number of messages a second."""
    if rate is not None and not 0 < rate <= RATE_MAX:
        raise ConfigurationError.out_of_range(
            "rate", rate, f"more than 0 and at most {RATE_MAX:,.0f} messages a second"
        )


def _alike(transaction: StoreTransaction, ids: list[str], fingerprint: str | None) -> set[str]:
    """Those ids whose jobs failed like that."""
    rows = ((id_, transaction.one("find_fingerprint", id=id_)) for id_ in ids)
    return {id_ for id_, row in rows if row is not None and row["fingerprint"] == fingerprint}


def _redrive(row: Row) -> Redrive:
    shared = {
        name: row[name] for name in Redrive.__struct_fields__ if name in row and name not in ("action",)
    }
    return Redrive(
        action=Action(row["action"]), choice=msgspec.json.decode(row["filter"], type=Choice), **shared
    )
