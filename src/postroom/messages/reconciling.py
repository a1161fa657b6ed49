"""Asking providers about what stayed unproven: the contract of callbacks is not that they come.

Every hour, a message that was sent and whose delivery nobody has proved within its channel's time is asked about, where
its provider can be asked, and is `unconfirmed` afterwards if that told nothing. Every night, whatever is unproven or
unconfirmed and at most a week old is asked about, once in the fleet, as a job. Messages of providers that never tell (a
plain SMTP relay, nobody) stay `sent`.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from postroom.delivery import LookupFailed, Searchable, Sought
from postroom.delivery.routing import Router
from postroom.jobs.models import BuiltInJob
from postroom.jobs.outcome import Done, JobContext
from postroom.jobs.outcome import Outcome as JobOutcome
from postroom.kit.actor import SYSTEM
from postroom.kit.clock import MICROSECOND, Clock
from postroom.kit.service import Service
from postroom.messages.records import Records
from postroom.messages.tracking import Tracking
from postroom.store import Store, StoreTransaction

EVERY_SECONDS: Final = 3600.0
PROOF_SECONDS: Final = {"sms": 36 * 3600, "email": 96 * 3600, "portal": 96 * 3600}
"""How long proof of delivery may take, by channel."""
BATCH: Final = 100
FRESH_SECONDS: Final = 3600
"""A message that has just been sent is not asked about."""
ASKED_SECONDS: Final = 7 * 86_400
"""After so long no news is expected any more."""


class ReconcileJob(BuiltInJob, frozen=True, kw_only=True, tag="reconciliation"):
    """Ask providers about everything that is unproven or unconfirmed."""


class Reconciler(Service):
    """Looks every hour; `ask_all` is for the night."""

    name = "reconciler"

    def __init__(
        self, store: Store, records: Records, router: Router, tracking: Tracking, clock: Clock
    ) -> None:
        super().__init__()
        self._store = store
        self._records = records
        self._router = router
        self._tracking = tracking
        self._clock = clock

    async def look(self) -> int:
        """Ask about everything whose time is over; returns how many messages stayed unproven."""
        unproven = after = 0
        while True:
            rows = await self._overdue(after)
            if not rows:
                return unproven
            for row in rows:
                after = row["seq"]
                unproven += await self._settle(row)

    async def ask_all(self) -> int:
        """Ask about everything that is unproven or unconfirmed; returns about how many messages news came."""
        now_us = self._clock.now_us()
        span = {
            "oldest_us": now_us - ASKED_SECONDS * MICROSECOND,
            "newest_us": now_us - FRESH_SECONDS * MICROSECOND,
        }
        news = 0
        for route in self._router.routes:
            after = 0
            while isinstance(route.provider, Searchable):
                values = {"provider": route.name, "after": after, "limit": BATCH, **span}
                rows = await self._store.read(_reading("unproven_at_provider", values))
                if not rows:
                    break
                for row in rows:
                    after = row["seq"]
                    news += await self._ask(route.provider, row)
        return news

    async def __call__(self, job: ReconcileJob, context: JobContext) -> JobOutcome:
        """The processor of `reconciliation`."""
        return Done(f"news about {await self.ask_all()}")

    async def _ask(self, provider: Searchable, row: Mapping[str, Any]) -> bool:
        """Ask about one message; whether there was news."""
        sought = Sought(
            message_id=row["id"], attempt_id=row["delivery_id"], since_us=row["sent_us"],
            provider_message_id=row["provider_id"],
        )  # fmt: skip
        try:
            found = await provider.find(sought)
        except LookupFailed:
            return False
        if found is None:
            return False
        event = msgspec.structs.replace(found, attempt_id=row["delivery_id"])
        now_us = self._clock.now_us()
        return await self._store.write(lambda t: self._tracking.apply(t, event, now_us, SYSTEM))

    async def _overdue(self, after: int) -> list[dict[str, Any]]:
        now_us = self._clock.now_us()
        limits = {f"{name}_us": now_us - seconds * MICROSECOND for name, seconds in PROOF_SECONDS.items()}
        return await self._store.read(
            lambda t: t.all("unproven_messages", after=after, limit=BATCH, **limits)
        )

    async def _settle(self, row: dict[str, Any]) -> bool:
        """Ask about one message; whether it stayed unproven."""
        name = row["provider"]
        # A portal's notice went by either.
        route = self._router.route("sms" if row["channel"] == "sms" else "email", name) or self._router.route(
            "sms", name
        )
        if route is None or not route.wait_seconds:
            return False
        if isinstance(route.provider, Searchable) and row["provider_id"] is not None:
            await self._ask(route.provider, row)
        return await self._store.write(lambda transaction: self._unconfirm(transaction, row["id"]))

    def _unconfirm(self, transaction: StoreTransaction, message_id: str) -> bool:
        row = transaction.one("find_message_state", id=message_id)
        if row is None or row["status"] != "sent":
            return False
        moved = self._records.move(
            transaction, message_id, "unconfirm", actor=SYSTEM, now_us=self._clock.now_us(), code="unconfirmed",
            reason="no proof of delivery came in time",
        )  # fmt: skip
        return moved is not None

    async def _run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(EVERY_SECONDS)


def _reading(query: str, values: Mapping[str, Any]) -> Callable[[StoreTransaction], list[dict[str, Any]]]:
    return lambda transaction: transaction.all(query, **values)
