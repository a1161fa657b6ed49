"""Transactions of plain functions: each in a thread with a connection of its own, repeated when it has to be.

    write(function) ──► a thread ──► BEGIN … function(connection) … COMMIT

A function runs again, from its beginning, after a serialization failure, a deadlock or a dropped connection; so it
must have no effect outside the database. When the connection breaks in the middle of COMMIT nobody knows what
became of it: then the server is asked by the transaction's number (`pg_xact_status`), and the function runs again
only if it was rolled back.
"""

import asyncio
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import psycopg

from postroom.kit.postgres.errors import PostgresError, PostgresUnreachable, is_conflict, translate

T = TypeVar("T")

Connection = psycopg.Connection[Any]

CONFLICTS_MAX = 50
"""Repetitions after conflicts with others; each waits a little longer, at random."""
PAUSE_SECONDS = (0.001, 0.25)
RECONNECT_SECONDS = 15.0
"""For so long a function is tried again while there is no connection."""
CONNECT_SECONDS = 10


class Transactions:
    """A pool of threads with a connection each, opened when first needed. Used from one event loop."""

    def __init__(self, dsn: str, name: str, *, size: int) -> None:
        """`name` is what texts call the server."""
        self._dsn = dsn
        self._name = name
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="postgres")
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._closed = False

    async def write(self, function: Callable[[Connection], T]) -> T:
        """Run a function in one durable transaction; raises what it raises, or PostgresError."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._write, function)

    async def read(self, function: Callable[[Connection], T]) -> T:
        """Run a function in a transaction that sees one state of the database and changes nothing."""

        def reading(connection: Connection) -> T:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", prepare=False)
            return function(connection)

        return await self.write(reading)

    async def close(self) -> None:
        """Finish what runs, then close the connections."""
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown, wait=True)
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _write(self, function: Callable[[Connection], T]) -> T:
        pause, longest = PAUSE_SECONDS
        conflicts, give_up = 0, time.monotonic() + RECONNECT_SECONDS
        while True:
            try:
                return self._attempt(function)
            except (psycopg.Error, PostgresError) as error:
                # What else the function raises is its own, an OSError too.
                if is_conflict(error):
                    conflicts += 1
                    if conflicts > CONFLICTS_MAX:
                        raise (translate(error, self._name) or error) from error
                else:
                    known = translate(error, self._name)
                    if known is None:
                        raise
                    if (
                        not isinstance(known, PostgresUnreachable)
                        or self._closed
                        or time.monotonic() > give_up
                    ):
                        raise known from error
                time.sleep(pause * random.random())
                pause = min(pause * 2, longest)

    def _attempt(self, function: Callable[[Connection], T]) -> T:
        connection = self._take()
        try:
            result = function(connection)
            number = self._number(connection)
            try:
                connection.commit()
            except psycopg.OperationalError:
                if number is None or not self._committed(connection, number):
                    raise
        except BaseException:
            self._roll_back(connection)
            raise
        finally:
            self._give_back(connection)
        return result

    def _number(self, connection: Connection) -> str | None:
        """The transaction's number if it has written anything."""
        row = connection.execute("SELECT pg_current_xact_id_if_assigned()::text", prepare=False).fetchone()
        return None if row is None else row[0]

    def _committed(self, broken: Connection, number: str) -> bool:
        """What became of a transaction whose COMMIT had no answer; raises while the server cannot tell."""
        if not broken.broken:
            return False
        give_up = time.monotonic() + RECONNECT_SECONDS
        while True:
            try:
                with self._connect() as connection:
                    row = connection.execute(
                        "SELECT pg_xact_status(%s::xid8)", (number,), prepare=False
                    ).fetchone()
                status = None if row is None else row[0]
                if status != "in progress":
                    return status == "committed"
            except psycopg.OperationalError:
                pass
            if time.monotonic() > give_up:
                raise PostgresUnreachable(f"{self._name}: the outcome of a transaction is not known")
            time.sleep(PAUSE_SECONDS[1])

    def _take(self) -> Connection:
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if not connection.closed:
                    return connection
        return self._connect()

    def _give_back(self, connection: Connection) -> None:
        if connection.closed or connection.broken:
            connection.close()
            return
        with self._lock:
            self._idle.append(connection)

    def _roll_back(self, connection: Connection) -> None:
        try:
            connection.rollback()
        except psycopg.Error:
            connection.close()

    def _connect(self) -> Connection:
        # No statement is ever prepared under a name, so that a pooler in transaction mode may stand in between.
        return psycopg.connect(
            self._dsn, connect_timeout=CONNECT_SECONDS, prepare_threshold=None, application_name="postroom"
        )
