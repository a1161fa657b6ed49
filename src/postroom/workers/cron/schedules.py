"""Schedules: what is enqueued when, kept in the database so that each fire happens once in the whole fleet.

A fire moves the schedule on and enqueues its jobs in one transaction, and only one process can move it on; so no fire is
lost by a crash and none happens twice. A clock that is set back by up to three hours fires nothing again, as in Debian's
cron; one that is set back further was wrong before, and schedules go by what it says now. What was missed while nobody
ran, or because a clock was set forward, is the policy's matter (docs/guides/schedules.md).
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from postroom.audit import record
from postroom.jobs.models import Job
from postroom.kit.actor import Actor
from postroom.kit.clock import MICROSECOND, Clock, isoformat
from postroom.kit.service import Service
from postroom.queues import BrokerUnavailable
from postroom.store import Store, StoreTransaction
from postroom.workers.cron.expression import Cron

LOOK_SECONDS: Final = 30.0
"""How often the table is looked at, at least: others may have changed it."""
LATE_US: Final = 60 * MICROSECOND
"""A fire that is later than this was missed."""
ALL_MAX: Final = 100
CORRECTION_US: Final = 3 * 3600 * MICROSECOND
"""A clock that is set back further than this is a correction."""
ACTOR: Final = Actor("cron")
UPCOMING: Final = 5
"""Fires that are shown."""

Enlist = Callable[[StoreTransaction, Job], str]
"""Enqueues a job in a transaction; returns its id."""


class Missed(StrEnum):
    """What happens to fires that were missed."""

    ONCE = "once"
    """One late run, however many there were."""
    SKIP = "skip"
    """None: the next one is the next one."""
    ALL = "all"
    """Each of them, up to a hundred."""


class Schedule(NamedTuple):
    """What is enqueued when."""

    name: str
    cron: Cron
    jobs: Callable[[int], Sequence[Job]]
    """The jobs of a fire at a moment in microseconds."""


class Scheduler(Service):
    """Fires what is due."""

    name = "cron"

    def __init__(
        self,
        store: Store,
        clock: Clock,
        schedules: Sequence[Schedule],
        enlist: Enlist,
        *,
        missed: Missed = Missed.ONCE,
    ) -> None:
        super().__init__()
        self._store = store
        self._clock = clock
        self.schedules: Mapping[str, Schedule] = {one.name: one for one in schedules}
        self.enlist = enlist
        self._missed = missed
        self._logger = structlog.get_logger("postroom.cron")

    async def declare(self) -> None:
        """Put the schedules on record; one whose expression has changed begins anew from now."""
        now_us = self._clock.now_us()

        def put(transaction: StoreTransaction) -> None:
            transaction.lock("schedules")
            known = {row["name"]: row for row in transaction.all("list_schedules")}
            for name, one in self.schedules.items():
                row = known.pop(name, None)
                same = row is not None and (row["cron"], row["zone"]) == (one.cron.text, one.cron.zone)
                if row is None or not same or not row["declared"]:
                    transaction.run(
                        "put_schedule", name=name, cron=one.cron.text, zone=one.cron.zone,
                        next_us=one.cron.after(now_us),
                    )  # fmt: skip
            for name in known:
                transaction.run("retire_schedule", name=name)

        await self._store.write(put)

    async def pause(self, name: str, *, paused: bool, actor: Actor) -> bool:
        """Let a schedule not run, or run again; False when it is so already."""
        now_us = self._clock.now_us()
        next_us = self.schedules[name].cron.after(now_us)

        def change(transaction: StoreTransaction) -> bool:
            if not transaction.run("pause_schedule", name=name, paused=paused, next_us=next_us):
                return False
            record(
                transaction, at_us=now_us, actor=actor, action="schedule.paused" if paused else "schedule.resumed",
                object_type="schedule", object_id=name,
            )  # fmt: skip
            return True

        return await self._store.write(change)

    async def tick(self) -> float:
        """Fire what is due; returns after how many seconds something may be due again."""
        now_us = self._clock.now_us()
        rows = await self._store.read(lambda transaction: transaction.all("list_schedules"))
        nearest = LOOK_SECONDS
        for row in rows:
            one = self.schedules.get(row["name"])
            if one is None or not row["declared"] or row["paused"]:
                continue
            if row["next_us"] <= now_us:
                next_us = await self._store.write(functools.partial(self._fire, one, row["next_us"]))
            elif _corrected(one, row, now_us):
                next_us = one.cron.after(now_us)
                values = {"name": one.name, "due_us": row["next_us"], "next_us": next_us}
                await self._store.write(functools.partial(_correct, values))
            else:
                next_us = row["next_us"]
            nearest = min(nearest, (next_us - now_us) / MICROSECOND)
        return max(0.0, nearest)

    def _fire(self, one: Schedule, due_us: int, transaction: StoreTransaction) -> int:
        """Move it on and enqueue, unless somebody else has; returns the next moment."""
        now_us = self._clock.now_us()
        next_us = one.cron.after(now_us)
        passed = self._passed(one, due_us, now_us)
        if self._missed is Missed.ALL and 1 < passed <= ALL_MAX:
            next_us = one.cron.after(due_us)
        late = now_us - due_us > LATE_US
        values = {"name": one.name, "due_us": due_us, "next_us": next_us}
        if late and self._missed is Missed.SKIP:
            transaction.run("skip_schedule", **values)
            return next_us
        if transaction.run("advance_schedule", **values, now_us=now_us):
            enqueue(transaction, one, due_us, now_us, self.enlist, ACTOR, passed=passed)
        return next_us

    @staticmethod
    def _passed(one: Schedule, due_us: int, now_us: int) -> int:
        """How many fires there were up to now, the due one included; counted up to one more than matters."""
        fires = one.cron.upcoming(due_us, ALL_MAX + 1)
        return 1 + sum(fire <= now_us for fire in fires)

    async def view(self) -> list[dict[str, Any]]:
        """Every schedule's record for people, with its next fires; writes nothing."""
        rows = await self._store.read(lambda transaction: transaction.all("list_schedules"))
        now_us, known = self._clock.now_us(), dict(self.schedules)
        found = [describe(row, known.pop(row["name"], None), now_us) for row in rows]
        # What no process has put on record yet: it will, from its next fire on.
        for one in known.values():
            fresh = {
                "name": one.name, "cron": one.cron.text, "zone": one.cron.zone, "next_us": one.cron.after(now_us),
                "due_us": None, "fired_us": None, "job_ids": None, "skipped": 0, "paused": 0, "declared": 1,
            }  # fmt: skip
            found.append(describe(fresh, one, now_us))
        return sorted(found, key=lambda shown: str(shown["name"]))

    async def _run(self) -> None:
        declared = False
        while True:
            try:
                if not declared:
                    await self.declare()
                    declared = True
                wait = await self.tick()
            except BrokerUnavailable as error:
                # A full disk, a lock that was held for too long: the fire stays due.
                self._logger.warning("schedules cannot be looked at", error=str(error))
                wait = LOOK_SECONDS
            await self._clock.sleep(min(wait, LOOK_SECONDS))


def enqueue(
    transaction: StoreTransaction,
    one: Schedule,
    due_us: int,
    now_us: int,
    enlist: Enlist,
    actor: Actor,
    *,
    passed: int,
) -> list[str]:
    """Enqueue a schedule's jobs and put it on record; returns their ids."""
    ids = [enlist(transaction, job) for job in one.jobs(now_us)]
    transaction.run("note_schedule_jobs", name=one.name, job_ids=msgspec.json.encode(ids).decode())
    record(
        transaction, at_us=now_us, actor=actor, action="schedule.fired", object_type="schedule", object_id=one.name,
        details={"due": isoformat(due_us), "missed": passed - 1, "jobs": ids},
    )  # fmt: skip
    return ids


async def fire_now(store: Store, clock: Clock, one: Schedule, enlist: Enlist, actor: Actor) -> list[str]:
    """Enqueue a schedule's jobs out of turn; returns their ids."""
    now_us = clock.now_us()

    def act(transaction: StoreTransaction) -> list[str]:
        return enqueue(transaction, one, now_us, now_us, enlist, actor, passed=1)

    return await store.write(act)


def describe(row: Mapping[str, Any], one: Schedule | None, now_us: int) -> dict[str, Any]:
    """A schedule's record for people; `one` is None where the settings no longer have it."""
    return {
        "name": row["name"], "cron": row["cron"], "zone": row["zone"], "paused": bool(row["paused"]),
        "active": bool(row["declared"]) and one is not None, "next": isoformat(row["next_us"]),
        "lastDue": isoformat(row["due_us"]), "lastFired": isoformat(row["fired_us"]),
        "lastJobs": msgspec.json.decode(row["job_ids"]) if row["job_ids"] else [], "skipped": row["skipped"],
        "upcoming": [isoformat(at) for at in one.cron.upcoming(now_us, UPCOMING)] if one is not None else [],
    }  # fmt: skip


def _corrected(one: Schedule, row: Mapping[str, Any], now_us: int) -> bool:
    """Whether the clock was set back so far that the schedule must not wait until it has caught up."""
    if one.cron.after(now_us) >= row["next_us"]:
        return False
    return row["fired_us"] is None or row["fired_us"] - now_us > CORRECTION_US


def _correct(values: Mapping[str, Any], transaction: StoreTransaction) -> None:
    transaction.run("correct_schedule", **values)
