"""Sending inside the caller's own transaction, whatever library opened it.

Taken are a psycopg `Connection` (also where `transact` hands one out) and, with `await`, a psycopg
`AsyncConnection`, an asyncpg connection and SQLAlchemy's connections and sessions, sync and async, over either
driver. The consumers are told by a NOTIFY that PostgreSQL delivers when the transaction commits.
"""

from collections.abc import Awaitable
from typing import Any, TypeVar

import asyncpg
import psycopg
from psycopg.pq import TransactionStatus

from postroom.kit.postgres import Script, run, run_asyncpg, run_psycopg
from postroom.queues.errors import ConfigurationError

T = TypeVar("T")

TAKEN = (
    "a psycopg.Connection or AsyncConnection, an asyncpg.Connection, or a SQLAlchemy Connection, Session, "
    "AsyncConnection or AsyncSession, with an open transaction on the same database"
)


def run_inside(transaction: Any, script: Script[T]) -> T:
    """Run a script in a transaction that needs no `await`; raises ConfigurationError for anything else."""
    connection = _unwrapped(transaction)
    if isinstance(connection, psycopg.Connection):
        _check(connection)
        return run(connection, script)
    if isinstance(connection, psycopg.AsyncConnection | asyncpg.Connection) or _is_sqlalchemy_async(
        transaction
    ):
        raise ConfigurationError(
            f"transaction is a {type(transaction).__name__}, which has to be awaited; use "
            "`await queue.send(..., transaction=...)` or `await queue.send_batch(..., transaction=...)`",
            key="transaction",
        )
    raise _refusal(transaction)


async def run_inside_async(transaction: Any, script: Script[T]) -> T:
    """Run a script in any transaction that is taken; raises ConfigurationError for anything else."""
    if _is_sqlalchemy_async(transaction):
        connection = await _driver_connection(transaction)
    else:
        connection = _unwrapped(transaction)
    if isinstance(connection, psycopg.Connection):
        _check(connection)
        return run(connection, script)
    if isinstance(connection, psycopg.AsyncConnection):
        _check(connection)
        return await run_psycopg(connection, script)
    # What a pool of asyncpg hands out is a proxy around one.
    if isinstance(connection, asyncpg.Connection) or isinstance(
        getattr(connection, "_con", None), asyncpg.Connection
    ):
        if not connection.is_in_transaction():
            raise _not_open(connection)
        return await run_asyncpg(connection, script)
    raise _refusal(transaction)


def _check(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> None:
    status = connection.info.transaction_status
    # Without autocommit the first statement opens the transaction.
    if status is TransactionStatus.INTRANS or (
        status is TransactionStatus.IDLE and not connection.autocommit
    ):
        return
    raise _not_open(connection)


def _unwrapped(transaction: Any) -> Any:
    """SQLAlchemy's sync connections and sessions down to the driver's; anything else as it is."""
    if not _is_of(transaction, "sqlalchemy."):
        return transaction
    connection = transaction
    if callable(getattr(connection, "connection", None)):
        # A Session opens its connection, and with it the transaction, when first asked for it.
        connection = connection.connection()
    _begin(connection)
    return getattr(getattr(connection, "connection", None), "driver_connection", transaction)


def _is_sqlalchemy_async(transaction: Any) -> bool:
    return _is_of(transaction, "sqlalchemy.ext.asyncio")


def _is_of(value: Any, package: str) -> bool:
    # By name, so that SQLAlchemy need not be installed; a session may be of a class of the caller's own.
    return any(kind.__module__.startswith(package) for kind in type(value).__mro__)


async def _driver_connection(transaction: Any) -> Any:
    connection = transaction
    if hasattr(connection, "sync_session"):
        connection = await connection.connection()
    await _awaited(connection.exec_driver_sql("SELECT 1"))
    raw = await connection.get_raw_connection()
    return raw.driver_connection


async def _awaited(value: Awaitable[Any]) -> Any:
    return await value


def _begin(connection: Any) -> None:
    # SQLAlchemy opens the driver's transaction with the first statement that goes through it.
    if hasattr(connection, "exec_driver_sql"):
        connection.exec_driver_sql("SELECT 1")


def _not_open(connection: Any) -> ConfigurationError:
    return ConfigurationError(
        f"the {type(connection).__name__} has no transaction open; begin one and send inside it",
        key="transaction",
        allowed=TAKEN,
    )


def _refusal(transaction: Any) -> ConfigurationError:
    return ConfigurationError(
        f"transaction is a {type(transaction).__name__}; this broker takes {TAKEN}",
        key="transaction",
        allowed=TAKEN,
    )
