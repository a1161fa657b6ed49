"""LISTEN: a hint that something may have been sent elsewhere. Looking again now and then is the truth.

A connection of its own, because listening is a state of the session that no pooler keeps. While there is none, or
behind a pooler without a `listen` address, the consumers look more often.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg

from postroom.kit.postgres import Address
from postroom.kit.service import Service
from postroom.queues.brokers.postgres.connections import DRIVER_ERRORS, connect

CHANNEL = "postroom"
LOOK_SECONDS = 0.25
"""How often consumers look when nobody tells them."""
LISTEN_LOOK_SECONDS = 2.0
"""How often they look although they are told: a hint may be lost."""
PAUSE_SECONDS = (0.1, 5.0)
"""First and longest pause before listening is tried again."""
ALIVE_SECONDS = 10.0
"""How often the listening connection is asked whether it is still there."""


class Listener(Service):
    """Tells `heard` the name of a queue, and `looked` when it is time to look at all of them. Real seconds."""

    name = "postgres-listener"

    def __init__(
        self, address: Address, *, pooled: bool, heard: Callable[[str], None], look: Callable[[], None]
    ) -> None:
        super().__init__()
        self._dsn = address.listen or (None if pooled else address.dsn)
        self._heard = heard
        self._look = look
        self._connection: asyncpg.Connection | None = None
        self.ready = asyncio.Event()
        """Set once it listens, or knows that it cannot."""

    @property
    def listening(self) -> bool:
        """Whether hints arrive at this moment."""
        return self._connection is not None and not self._connection.is_closed()

    async def _run(self) -> None:
        looking = asyncio.create_task(self._keep_looking(), name="postgres-look")
        try:
            if self._dsn is None:
                self.ready.set()
                await asyncio.Event().wait()
                return
            await self._keep_listening(self._dsn)
        finally:
            looking.cancel()
            if self._connection is not None:
                self._connection.terminate()

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LISTEN_LOOK_SECONDS if self.listening else LOOK_SECONDS)
            self._look()

    async def _keep_listening(self, dsn: str) -> None:
        pause, longest = PAUSE_SECONDS
        while True:
            try:
                self._connection = await connect(dsn, 0)
                await self._connection.add_listener(CHANNEL, self._note)
                self.ready.set()
                # What came before this moment made no sound here.
                self._look()
                pause = PAUSE_SECONDS[0]
                while True:
                    await asyncio.sleep(ALIVE_SECONDS)
                    await self._connection.execute("SELECT 1", timeout=ALIVE_SECONDS)
            except DRIVER_ERRORS:
                self.ready.set()
                if self._connection is not None:
                    self._connection.terminate()
                await asyncio.sleep(pause)
                pause = min(pause * 2, longest)

    def _note(self, connection: Any, pid: int, channel: str, payload: Any) -> None:
        self._heard(str(payload))
