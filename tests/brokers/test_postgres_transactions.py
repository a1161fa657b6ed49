"""Sending inside transactions of the caller's own, whatever library opened them, and functions that are repeated."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import psycopg
import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from postroom.queues import ConfigurationError, Queues, connect
from postroom.queues.conformance.recorder import WORK, Failure, consume, until
from postroom.queues.testing import VirtualClock

Open = Callable[[str], contextlib.AbstractAsyncContextManager[Any]]


@pytest.fixture
def plain_url(postgres_url: str) -> str:
    """As the drivers themselves understand it."""
    return postgres_url.partition("?")[0]


@pytest.fixture
async def queues(postgres_url: str) -> AsyncIterator[Queues]:
    async with connect(postgres_url, clock=VirtualClock()) as queues:
        yield queues


@contextlib.asynccontextmanager
async def by_psycopg(url: str) -> AsyncIterator[Any]:
    with psycopg.connect(url) as connection:
        yield connection


@contextlib.asynccontextmanager
async def by_psycopg_async(url: str) -> AsyncIterator[Any]:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        yield connection


@contextlib.asynccontextmanager
async def by_asyncpg(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            yield connection
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def by_asyncpg_pool(url: str) -> AsyncIterator[Any]:
    async with (
        asyncpg.create_pool(url, min_size=1) as pool,
        pool.acquire() as connection,
        connection.transaction(),
    ):
        yield connection


def dialect(url: str, driver: str) -> str:
    return url.replace("postgresql://", f"postgresql+{driver}://")


@contextlib.asynccontextmanager
async def by_sqlalchemy(url: str) -> AsyncIterator[Any]:
    engine = sqlalchemy.create_engine(dialect(url, "psycopg"))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


@contextlib.asynccontextmanager
async def by_session(url: str) -> AsyncIterator[Any]:
    engine = sqlalchemy.create_engine(dialect(url, "psycopg"))
    try:
        with Session(engine) as session, session.begin():
            yield session
    finally:
        engine.dispose()


@contextlib.asynccontextmanager
async def by_sqlalchemy_async(url: str, driver: str = "asyncpg") -> AsyncIterator[Any]:
    engine = create_async_engine(dialect(url, driver))
    try:
        async with engine.begin() as connection:
            yield connection
    finally:
        await engine.dispose()


@contextlib.asynccontextmanager
async def by_sqlalchemy_async_psycopg(url: str) -> AsyncIterator[Any]:
    async with by_sqlalchemy_async(url, "psycopg") as connection:
        yield connection


@contextlib.asynccontextmanager
async def by_async_session(url: str) -> AsyncIterator[Any]:
    engine = create_async_engine(dialect(url, "asyncpg"))
    try:
        async with AsyncSession(engine) as session, session.begin():
            yield session
    finally:
        await engine.dispose()


SYNC = [by_psycopg, by_sqlalchemy, by_session]
EVERY = [
    *SYNC,
    by_psycopg_async,
    by_asyncpg,
    by_asyncpg_pool,
    by_sqlalchemy_async,
    by_sqlalchemy_async_psycopg,
    by_async_session,
]


@pytest.mark.parametrize("opened", EVERY)
async def test_message_exists_when_the_callers_transaction_commits(
    queues: Queues, plain_url: str, opened: Open
) -> None:
    """And not before; consumers are woken by the commit."""
    seen = consume(queues, WORK)
    async with queues.running():
        await until(queues, lambda: True)
        async with opened(plain_url) as transaction:
            sent = await queues[WORK].send("a", transaction=transaction)
            assert (await queues[WORK].metrics()).backlog_count == 0
        await until(queues, lambda: seen.bodies)

    assert [one.id for one in seen.messages] == [sent.id]


@pytest.mark.parametrize("opened", EVERY)
async def test_message_of_a_transaction_that_fails_never_existed(
    queues: Queues, plain_url: str, opened: Open
) -> None:
    """Rolled back with the rest of it, its deduplication id with it."""
    with pytest.raises(Failure):
        async with opened(plain_url) as transaction:
            await queues[WORK].send("a", deduplication_id="k", transaction=transaction)
            raise Failure

    assert (await queues[WORK].metrics()).backlog_count == 0
    assert not (await queues[WORK].send("a", deduplication_id="k")).duplicate


@pytest.mark.parametrize("opened", SYNC)
async def test_sending_without_await(queues: Queues, plain_url: str, opened: Open) -> None:
    """For code that runs where no event loop is."""
    async with opened(plain_url) as transaction:
        queues[WORK].enlist([{"body": "a"}, {"body": "b"}], transaction=transaction)

    assert sorted(one.body for one in await queues[WORK].peek()) == ["a", "b"]


async def test_awaited_transactions_are_refused_without_await(queues: Queues, plain_url: str) -> None:
    """The error says what to write."""
    async with by_asyncpg(plain_url) as transaction:
        with pytest.raises(ConfigurationError, match=r"await queue\.send"):
            queues[WORK].enlist([{"body": "a"}], transaction=transaction)


async def test_what_is_no_open_transaction_is_refused(queues: Queues, plain_url: str) -> None:
    """It would be committed at once, behind the caller's back."""
    with psycopg.connect(plain_url, autocommit=True) as connection:
        with pytest.raises(ConfigurationError, match="no transaction open"):
            queues[WORK].enlist([{"body": "a"}], transaction=connection)
        with connection.transaction():
            queues[WORK].enlist([{"body": "b"}], transaction=connection)
    one = await asyncpg.connect(plain_url)
    with pytest.raises(ConfigurationError, match="no transaction open"):
        await queues[WORK].send("c", transaction=one)
    await one.close()
    with pytest.raises(ConfigurationError, match="str"):
        await queues[WORK].send("d", transaction="BEGIN")

    assert [one.body for one in await queues[WORK].peek()] == ["b"]


async def test_function_is_repeated_after_a_serialization_failure(queues: Queues, plain_url: str) -> None:
    """As a whole; what it sent the first time never existed."""
    tries = []
    with psycopg.connect(plain_url, autocommit=True) as other:
        other.execute("DROP TABLE IF EXISTS counter")
        other.execute("CREATE TABLE counter (value integer)")
        other.execute("INSERT INTO counter VALUES (0)")

        def function(connection: psycopg.Connection[Any]) -> int:
            connection.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
            row = connection.execute("SELECT value FROM counter").fetchone()
            tries.append(row)
            if len(tries) == 1:
                other.execute("UPDATE counter SET value = 10")
            queues[WORK].enlist([{"body": "a"}], transaction=connection)
            connection.execute("UPDATE counter SET value = value + 1")
            assert row is not None
            return int(row[0])

        assert await queues.transact(function) == 10

        assert tries == [(0,), (10,)]
        assert other.execute("SELECT value FROM counter").fetchone() == (11,)
    assert (await queues[WORK].metrics()).backlog_count == 1


async def test_function_is_repeated_when_its_connection_breaks(queues: Queues, plain_url: str) -> None:
    """Terminated by an administrator in the middle."""
    tries = []
    with psycopg.connect(plain_url, autocommit=True) as other:

        def function(connection: psycopg.Connection[Any]) -> None:
            queues[WORK].enlist([{"body": "a"}], transaction=connection)
            tries.append(connection.info.backend_pid)
            if len(tries) == 1:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", (tries[0],))

        await queues.transact(function)

    assert len(set(tries)) == 2
    assert (await queues[WORK].metrics()).backlog_count == 1
