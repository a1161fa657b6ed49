"""Refused access in the audit trail: who was refused what, written in batches so that a flood costs little."""

import asyncio
import contextlib
from collections import deque
from typing import Any, Final, NamedTuple

from postroom.audit import record
from postroom.kit.actor import Actor
from postroom.kit.clock import Clock
from postroom.kit.service import Service
from postroom.store import Store, StoreTransaction

FLUSH_SECONDS: Final = 1.0
KEPT_MAX: Final = 500
"""Refusals that are written one by one in such a time; of more only the number is."""


class Refused(NamedTuple):
    """One refusal."""

    at_us: int
    actor: Actor
    method: str
    operation: str
    """The class of path, never the path as it came."""
    status: int


class RefusalLog(Service):
    """Collects refusals and writes them."""

    name = "refusals"

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__()
        self._store = store
        self._clock = clock
        self._waiting: deque[Refused] = deque()
        self._more = 0

    def add(self, actor: Actor, method: str, operation: str, status: int) -> None:
        """Take note; nothing waits for it."""
        if len(self._waiting) >= KEPT_MAX:
            self._more += 1
            return
        self._waiting.append(Refused(self._clock.now_us(), actor, method, operation, status))

    async def flush(self) -> None:
        """Write what was collected."""
        refused, more = list(self._waiting), self._more
        if not refused and not more:
            return
        self._waiting.clear()
        self._more = 0
        now_us = self._clock.now_us()

        def write(transaction: StoreTransaction) -> None:
            for one in refused:
                details: dict[str, Any] = {"method": one.method, "status": one.status}
                record(
                    transaction, at_us=one.at_us, actor=one.actor, action="access.refused", object_type="operation",
                    object_id=one.operation, details=details,
                )  # fmt: skip
            if more:
                record(
                    transaction, at_us=now_us, actor=Actor("system"), action="access.refused",
                    object_type="operation", object_id="many", details={"count": more},
                )  # fmt: skip

        await self._store.write(write)

    async def _run(self) -> None:
        try:
            while True:
                await asyncio.sleep(FLUSH_SECONDS)
                await self.flush()
        finally:
            with contextlib.suppress(Exception):
                await self.flush()
