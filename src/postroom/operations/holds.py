"""Holding a queue: paused, it delivers nothing; drained, it takes nothing new. With a reason and, if wished, an end.

Pausing is the broker's and acts in every process and over restarts. Draining is refused at the door of producers (the
API, the CLI and `JobProducer`), as Azure Service Bus does with a queue whose sending is disabled: what is in it goes on,
and so does what the service itself puts there: retries, redrives, schedules, callbacks, and messages that people send.
A queue has one hold; a later one takes its place.
"""

from enum import StrEnum

import msgspec

from postroom.audit import record
from postroom.kit.actor import SYSTEM, Actor
from postroom.kit.clock import Clock
from postroom.queues import Queues
from postroom.store import Row, Store, StoreTransaction


class HoldKind(StrEnum):
    """What is held."""

    PAUSE = "pause"
    """It delivers nothing; sending goes on."""
    DRAIN = "drain"
    """It takes nothing new; delivery goes on."""


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """A hold that stands."""

    queue: str
    kind: HoldKind
    reason: str | None
    actor: str
    since_us: int
    until_us: int | None
    """When it ends by itself; None: when somebody ends it."""


ACTIONS = {HoldKind.PAUSE: "queue.paused", HoldKind.DRAIN: "queue.draining"}


class Holds:
    """Begins and ends holds; every act is on record before it is done."""

    def __init__(self, store: Store, queues: Queues, clock: Clock) -> None:
        self._store = store
        self._queues = queues
        self._clock = clock

    async def all(self) -> dict[str, Hold]:
        """Those that stand, by queue."""
        rows = await self._store.read(lambda transaction: transaction.all("list_holds"))
        return {row["queue"]: _hold(row) for row in rows}

    async def of(self, queue: str) -> Hold | None:
        """The hold of one queue."""
        row = await self._store.read(lambda transaction: transaction.one("find_hold", queue=queue))
        return None if row is None else _hold(row)

    async def hold(
        self, queue: str, kind: HoldKind, actor: Actor | str, *, reason: str | None = None, until_us: int | None = None
    ) -> Hold:  # fmt: skip
        """Pause or drain a queue. Raises QueueNotFound."""
        info = await self._queues.info(queue)
        now_us = self._clock.now_us()

        def write(transaction: StoreTransaction) -> None:
            transaction.run(
                "hold_queue", queue=queue, kind=kind, reason=reason, actor=_name(actor), now_us=now_us, until_us=until_us
            )  # fmt: skip
            record(
                transaction, at_us=now_us, actor=actor, action=ACTIONS[kind], object_type="queue", object_id=queue,
                details={"untilUs": until_us, "reason": reason is not None, "backlog": info.backlog.messages},
            )  # fmt: skip

        await self._store.write(write)
        if kind is HoldKind.PAUSE:
            await self._queues[queue].pause()
        elif info.paused:
            await self._queues[queue].resume()
        return Hold(
            queue=queue, kind=kind, reason=reason, actor=_name(actor), since_us=now_us, until_us=until_us
        )

    async def resume(self, queue: str, actor: Actor | str) -> None:
        """End a queue's hold; harmless where there is none. Raises QueueNotFound."""
        await self._queues.info(queue)
        now_us = self._clock.now_us()

        def write(transaction: StoreTransaction) -> None:
            transaction.run("release_queue", queue=queue)
            record(
                transaction,
                at_us=now_us,
                actor=actor,
                action="queue.resumed",
                object_type="queue",
                object_id=queue,
            )

        # The queue first: should this process die in between, the hold is still on record and is ended again.
        await self._queues[queue].resume()
        await self._store.write(write)

    async def end_due(self) -> list[str]:
        """End the holds whose time is over; returns their queues."""
        now_us = self._clock.now_us()
        due = [
            hold.queue
            for hold in (await self.all()).values()
            if hold.until_us is not None and hold.until_us <= now_us
        ]
        for queue in due:
            await self.resume(queue, SYSTEM)
        return due


def _hold(row: Row) -> Hold:
    return Hold(
        queue=row["queue"], kind=HoldKind(row["kind"]), reason=row["reason"], actor=row["actor"],
        since_us=row["since_us"], until_us=row["until_us"],
    )  # fmt: skip


def _name(actor: Actor | str) -> str:
    return actor.name if isinstance(actor, Actor) else actor
