"""Connections of the event loop: opened when needed, kept, and thrown away when they break.

Every wait has an end. A pooler in transaction mode may stand in between: then a statement with parameters, which is
two messages to the server, is wrapped in a transaction so that both reach the same server process, nothing is
prepared under a name, and no state is left on the session.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import asyncpg

from postroom.kit.postgres import Address, PostgresError, PostgresUnreachable, Script, run_asyncpg, translate
from postroom.kit.postgres.errors import is_conflict

T = TypeVar("T")

DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What the driver and the network raise."""
CONNECT_SECONDS = 10.0
STATEMENT_SECONDS = 30.0
"""How long a statement may take before its connection is given up."""
PREPARED = 64
"""Statements a connection keeps prepared; none behind a pooler."""
PAUSE_SECONDS = (0.02, 1.0)
"""First and longest pause before a server that is away is tried again."""
REPEATS = 20
"""How often a script is run again after a conflict with others."""


class Connections:
    """A small pool. For one event loop."""

    def __init__(self, address: Address, *, size: int) -> None:
        self._address = address
        self._idle: list[asyncpg.Connection] = []
        self._room = asyncio.Semaphore(size)
        self._pooled = address.pooled
        self._closed = False

    @property
    def pooled(self) -> bool:
        """Whether a pooler stands in between; known once a connection was made."""
        return bool(self._pooled)

    async def run(self, make: Callable[[], Script[T]], *, atomic: bool) -> T:
        """Run a script: atomic ones in a transaction, others (of one writing statement) as they are.

        Repeated after conflicts; `make` is called for each try. Raises PostgresError, or what the script raises.
        """
        for left in range(REPEATS, -1, -1):
            try:
                async with self.taken() as connection:
                    if not (atomic or self.pooled):
                        return await run_asyncpg(connection, make(), STATEMENT_SECONDS)
                    async with connection.transaction():
                        return await run_asyncpg(connection, make(), STATEMENT_SECONDS)
            except PostgresError as error:
                if not left or not is_conflict(error):
                    raise
        raise AssertionError("unreachable")

    async def run_patiently(
        self, make: Callable[[bool], Script[T]], *, atomic: bool, seconds: float, repeatable: bool
    ) -> T:
        """Run a script, and again while the server is away; what may have been done only if it is `repeatable`.

        `make` is told whether an earlier try may have done it.
        """
        doubt = False
        give_up, (pause, longest) = time.monotonic() + seconds, PAUSE_SECONDS
        while True:
            try:
                return await self.run(partial(make, doubt), atomic=atomic)
            except PostgresError as error:
                doubt = doubt or error.uncertain
                away = isinstance(error, PostgresUnreachable) and (repeatable or not error.uncertain)
                if not away or self._closed or time.monotonic() > give_up:
                    raise
            await asyncio.sleep(pause)
            pause = min(pause * 2, longest)

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection for the length of a block; errors come out translated, and a broken one is thrown away."""
        async with self._room:
            connection = self._pop() or await self._connect()
            healthy = False
            try:
                yield connection
                healthy = True
            except DRIVER_ERRORS as error:
                known = translate(error, self._address.name)
                healthy = known is not None and not isinstance(known, PostgresUnreachable)
                raise (known or error) from error
            except Exception:
                healthy = not connection.is_in_transaction()
                raise
            finally:
                # Cancelled in the middle of a statement it is not worth asking what state it is in.
                if healthy and not self._closed and not connection.is_closed():
                    self._idle.append(connection)
                else:
                    connection.terminate()

    async def close(self) -> None:
        """Close what is idle; what is taken is closed when it is given back."""
        self._closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            try:
                await connection.close(timeout=1)
            except DRIVER_ERRORS:
                connection.terminate()

    def _pop(self) -> asyncpg.Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None

    async def _connect(self) -> asyncpg.Connection:
        try:
            if self._pooled is None:
                self._pooled = await _is_pooled(self._address.dsn)
            return await connect(self._address.dsn, 0 if self._pooled else PREPARED)
        except (*DRIVER_ERRORS, ValueError) as error:
            known = translate(error, self._address.name)
            if known is None:
                raise
            # Nothing was asked yet, so nothing is uncertain.
            known.uncertain = False
            raise known from error


async def connect(dsn: str, prepared: int) -> asyncpg.Connection:
    """One connection, with so many statements prepared at most."""
    connection: asyncpg.Connection = await asyncpg.connect(
        dsn,
        timeout=CONNECT_SECONDS,
        statement_cache_size=prepared,
        max_cacheable_statement_size=0,
        server_settings={"application_name": "postroom"},
    )
    return connection


async def _is_pooled(dsn: str) -> bool:
    """Whether a pooler answers: it has a process number of its own, which is not that of the server's process."""
    connection = await connect(dsn, 0)
    try:
        async with connection.transaction():
            found = await connection.fetchval("SELECT pg_backend_pid()", timeout=STATEMENT_SECONDS)
        return bool(found != connection.get_server_pid())
    finally:
        connection.terminate()
