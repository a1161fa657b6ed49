"""The broker's tables in the database: brought up to date by whoever opens it, or by `postroom db migrate`."""

from collections.abc import Callable
from typing import Any, TypeVar

import psycopg

from postroom.kit.postgres import (
    Migration,
    PostgresError,
    SchemaState,
    SchemaTooNew,
    Transactions,
    read_address,
)
from postroom.kit.postgres import migrations as kit
from postroom.queues.errors import BrokerUnavailable

__all__ = ["COMPONENT", "SchemaTooNew", "known", "migrate", "migrate_url", "state_of_url"]

T = TypeVar("T")

COMPONENT = "queues"


def known() -> list[Migration]:
    """Every migration of the queues, in order."""
    return kit.known("postroom.queues.brokers.postgres")


def migrate(connection: psycopg.Connection[Any], *, post: bool = False) -> list[str]:
    """Bring the tables up to date inside the open transaction; without `post`, old code may be alive."""
    return kit.migrate(connection, COMPONENT, known(), post=post)


async def migrate_url(url: str, *, post: bool) -> list[str]:
    """The same for a URL; returns the names of what was applied. Raises BrokerUnavailable."""
    return await _at(url, lambda connection: migrate(connection, post=post))


async def state_of_url(url: str) -> SchemaState:
    """How far the tables behind a URL are. Raises BrokerUnavailable."""
    return await _at(url, lambda connection: kit.state(connection, COMPONENT, known()))


async def _at(url: str, function: Callable[[psycopg.Connection[Any]], T]) -> T:
    address = read_address(url)
    transactions = Transactions(address.dsn, address.name, size=1)
    try:
        return await transactions.write(function)
    except (PostgresError, SchemaTooNew) as error:
        raise BrokerUnavailable(str(error)) from error
    finally:
        await transactions.close()
