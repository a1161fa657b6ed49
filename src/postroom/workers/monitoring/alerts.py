"""Alerts: rules that are looked at every half minute, told once when they are broken and once when all is well again.

One process of the fleet looks at a time. Opening and closing an incident enqueues its notices in the same transaction: an
email to each address, and a webhook to each subscription that asks for `alert`.
"""

import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

import structlog

from postroom.audit import record
from postroom.jobs.models import EmailJob, Job
from postroom.kit.actor import Actor
from postroom.kit.clock import MICROSECOND, Clock, isoformat
from postroom.kit.service import Service
from postroom.queues import BrokerUnavailable
from postroom.store import Store, StoreTransaction
from postroom.workers.monitoring.performance import Monitor

LOOK_SECONDS: Final = 30.0
CALM: Final = 2
"""Looks in a row that must find nothing before an incident is closed."""
ENDED_MIN: Final = 10
"""Jobs that must have ended before their failure rate says anything."""
RULES: Final = {
    "oldest_age": "seconds that the oldest due message of a queue has waited",
    "failure_rate": "part of a queue's jobs that failed in 15 minutes, from 0 to 1",
    "dlq_growth": "dead letters that came in 15 minutes",
    "cron_silent": "minutes that a schedule is overdue",
    "disk_free": "bytes that are free where the database lies (broken below)",
}
"""Rule to what its threshold means."""


class Rule(NamedTuple):
    """A rule and its threshold."""

    name: str
    threshold: float

    def broken(self, value: float) -> bool:
        """Whether a value breaks it."""
        return value < self.threshold if self.name == "disk_free" else value > self.threshold


class Finding(NamedTuple):
    """A rule's value for one subject."""

    rule: Rule
    subject: str
    value: float


class Set(NamedTuple):
    """How a rule stands now."""

    rule: Rule
    configured: float | None
    """The threshold of the settings; None: they do not have the rule."""
    silent_us: int | None
    """Nobody is told until then."""
    actor: str | None
    """Who set it otherwise."""


Tell = Callable[[StoreTransaction, str, dict[str, Any]], None]
"""Tells subscribers: event id and payload."""


def read_rules(text: str) -> tuple[Rule, ...]:
    """Rules as the settings have them: `oldest_age>600 disk_free<1000000000`. Raises ValueError."""
    found = []
    for part in text.split():
        name, mark, value = part.partition("<" if "<" in part else ">")
        wanted = "<" if name == "disk_free" else ">"
        if name not in RULES or mark != wanted or not value.replace(".", "", 1).isdigit():
            known = ", ".join(f"{one}{'<' if one == 'disk_free' else '>'}NUMBER" for one in RULES)
            raise ValueError(f"must be rules separated by blanks: {known}")
        found.append(Rule(name, float(value)))
    return tuple(found)


class Alerts(Service):
    """Looks, opens and closes."""

    name = "alerts"

    def __init__(
        self, store: Store, monitor: Monitor, clock: Clock, rules: Sequence[Rule], *, addresses: Sequence[str],
        enlist: Callable[[StoreTransaction, Job], str], tell: Tell, dead_letters: str | None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._store = store
        self._monitor = monitor
        self._clock = clock
        self.rules = tuple(rules)
        self._addresses = tuple(addresses)
        self._enlist = enlist
        self._tell = tell
        self._dead_letters = dead_letters
        self._silent_rules: set[str] = set()
        self._logger = structlog.get_logger("postroom.alerts")

    async def look(self) -> int:
        """Look once, unless another process just has; returns how many incidents were opened or closed."""
        now_us = self._clock.now_us()
        before_us = now_us - round(LOOK_SECONDS * MICROSECOND) + MICROSECOND
        turn = {"name": "alerts", "now_us": now_us, "before_us": before_us}
        if not await self._store.write(lambda transaction: transaction.run("take_turn", **turn)):
            return 0
        found = await self._findings(now_us)
        return await self._store.write(functools.partial(self._decide, found, now_us))

    async def standing(self) -> list[Set]:
        """The rules as they stand: the settings', with what people have set over them."""
        rows = {row["rule"]: row for row in await self._store.read(lambda t: t.all("list_alert_rules"))}
        configured = {rule.name: rule.threshold for rule in self.rules}
        found = []
        for name in RULES:
            row = rows.get(name)
            threshold = (
                row["threshold"] if row is not None and row["threshold"] is not None else configured.get(name)
            )
            if threshold is not None:
                silent_us, actor = (row["silent_us"], row["actor"]) if row is not None else (None, None)
                found.append(Set(Rule(name, threshold), configured.get(name), silent_us, actor))
        return found

    async def set(
        self, rule: str, actor: Actor, *, threshold: float | None, silent_us: int | None
    ) -> None:  # fmt: skip
        """Set a rule over the settings (None: as they have it), and keep it silent until a moment."""
        now_us = self._clock.now_us()

        def write(transaction: StoreTransaction) -> None:
            transaction.run(
                "set_alert_rule", rule=rule, threshold=threshold, silent_us=silent_us, actor=actor.name, now_us=now_us
            )  # fmt: skip
            record(
                transaction, at_us=now_us, actor=actor, action="alert.set", object_type="alert", object_id=rule,
                details={"threshold": threshold, "silentUs": silent_us},
            )  # fmt: skip

        await self._store.write(write)

    async def test(self, actor: Actor) -> int:
        """Send a notice that says it is only a test; returns to how many addresses."""
        now_us = self._clock.now_us()

        def write(transaction: StoreTransaction) -> None:
            for number, address in enumerate(self._addresses):
                text = "This is a test of Postroom's alerts. Nothing is wrong.\n"
                id_ = f"alert-test-{now_us}-{number}"
                job = EmailJob(message_id=id_, recipient=address, subject="Postroom: a test", content=text)
                self._enlist(transaction, job)
            payload: dict[str, Any] = {
                "type": "alert.test", "timestamp": isoformat(now_us), "atUs": now_us, "data": {},
            }  # fmt: skip
            self._tell(transaction, f"alert-test-{now_us}", payload)
            record(
                transaction, at_us=now_us, actor=actor, action="alert.tested", object_type="alert", object_id="all",
                details={"addresses": len(self._addresses)},
            )  # fmt: skip

        await self._store.write(write)
        return len(self._addresses)

    async def incidents(self, limit: int = 50) -> list[dict[str, Any]]:
        """The newest, open or closed."""
        rows = await self._store.read(lambda transaction: transaction.all("list_incidents", limit=limit))
        return [
            {
                "id": row["seq"], "rule": row["rule"], "subject": row["subject"], "value": row["value"],
                "threshold": row["threshold"], "openedAt": isoformat(row["opened_us"]), "openedUs": row["opened_us"],
                "closedAt": isoformat(row["closed_us"]),
            }
            for row in rows
        ]  # fmt: skip

    async def _findings(self, now_us: int) -> list[Finding]:
        looks: dict[str, Callable[[Rule], Awaitable[list[Finding]]]] = {
            "oldest_age": self._oldest, "failure_rate": self._failures, "dlq_growth": self._dead, "disk_free": self._disk,
            "cron_silent": self._silent,
        }  # fmt: skip
        rules = [one.rule for one in await self.standing()]
        return [finding for rule in rules for finding in await looks[rule.name](rule)]

    async def _queues(self) -> list[dict[str, Any]]:
        figures: list[dict[str, Any]] = (await self._monitor.performance("15m"))["queues"]
        return figures

    async def _oldest(self, rule: Rule) -> list[Finding]:
        return [
            Finding(rule, one["queue"], one["oldestSeconds"] if one["ready"] and not one["paused"] else 0.0)
            for one in await self._queues()
            if one["queue"] != self._dead_letters
        ]

    async def _failures(self, rule: Rule) -> list[Finding]:
        return [
            Finding(
                rule, one["queue"], one["failureRate"] if one["done"] + one["failed"] >= ENDED_MIN else 0.0
            )
            for one in await self._queues()
        ]

    async def _dead(self, rule: Rule) -> list[Finding]:
        queues = await self._queues()
        came = [one["entered"] for one in queues if one["queue"] == self._dead_letters]
        # Without a dead-letter queue what failed for good is dropped, and counts all the same.
        grown = sum(came) if self._dead_letters is not None else sum(one["failed"] for one in queues)
        return [Finding(rule, self._dead_letters or "dead letters", grown)]

    async def _disk(self, rule: Rule) -> list[Finding]:
        # A server's disk cannot be seen from here.
        free = (await self._monitor.storage()).get("diskFreeBytes")
        return [] if free is None else [Finding(rule, "disk", free)]

    async def _silent(self, rule: Rule) -> list[Finding]:
        rows = await self._store.read(lambda transaction: transaction.all("list_schedules"))
        now_us = self._clock.now_us()
        return [
            Finding(rule, row["name"], max(0.0, (now_us - row["next_us"]) / MICROSECOND / 60))
            for row in rows
            if row["declared"] and not row["paused"]
        ]

    def _decide(self, found: Sequence[Finding], now_us: int, transaction: StoreTransaction) -> int:
        standing = {(row["rule"], row["subject"]): row for row in transaction.all("open_incidents")}
        self._silent_rules = {
            row["rule"] for row in transaction.all("list_alert_rules") if (row["silent_us"] or 0) > now_us
        }
        changed = 0
        for one in found:
            row = standing.pop((one.rule.name, one.subject), None)
            broken = one.rule.broken(one.value)
            if broken and row is None:
                values = {"rule": one.rule.name, "subject": one.subject, "value": one.value}
                transaction.run("open_incident", **values, threshold=one.rule.threshold, now_us=now_us)
                (opened,) = transaction.all("list_incidents", limit=1)
                self._notify(transaction, "alert.opened", opened, now_us)
                changed += 1
            elif row is not None:
                changed += self._watch(transaction, row, one.value, broken=broken, now_us=now_us)
        for row in standing.values():
            # Its queue or schedule is gone, or its rule is no longer set.
            changed += self._watch(transaction, row, 0.0, broken=False, now_us=now_us)
        return changed

    def _watch(
        self, transaction: StoreTransaction, row: dict[str, Any], value: float, *, broken: bool, now_us: int
    ) -> bool:
        calm = 0 if broken else row["calm"] + 1
        transaction.run("watch_incident", seq=row["seq"], calm=calm, value=value)
        if calm < CALM:
            return False
        transaction.run("close_incident", seq=row["seq"], now_us=now_us)
        self._notify(transaction, "alert.resolved", {**row, "value": value}, now_us)
        return True

    def _notify(self, transaction: StoreTransaction, kind: str, row: dict[str, Any], now_us: int) -> None:
        if row["rule"] in self._silent_rules:
            return
        over = kind == "alert.resolved"
        subject = f"Postroom: {row['rule']} of {row['subject']} {'is well again' if over else 'needs you'}"
        sign = "below" if row["rule"] == "disk_free" else "above"
        text = (
            f"{RULES[row['rule']][0].upper()}{RULES[row['rule']][1:]}: {row['value']:g}. "
            f"The limit is {sign} {row['threshold']:g}. "
            f"{'It was broken' if over else 'Broken'} since {isoformat(row['opened_us'])}.\n"
        )
        for number, address in enumerate(self._addresses):
            id_ = f"alert-{row['seq']}-{'resolved' if over else 'opened'}-{number}"
            self._enlist(
                transaction, EmailJob(message_id=id_, recipient=address, subject=subject, content=text)
            )
        payload = {
            "type": kind, "timestamp": isoformat(now_us), "atUs": now_us,
            "data": {"id": row["seq"], "rule": row["rule"], "subject": row["subject"], "value": row["value"],
                     "threshold": row["threshold"], "openedAt": isoformat(row["opened_us"])},
        }  # fmt: skip
        self._tell(transaction, f"{kind}-{row['seq']}", payload)

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except BrokerUnavailable as error:
                self._logger.warning("alerts cannot be looked at", error=str(error))
            await self._clock.sleep(LOOK_SECONDS)
