"""A connection to PostgreSQL for what is done beside the service."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from postroom.queues import BrokerUnavailable

if TYPE_CHECKING:
    from psycopg import Connection


@contextmanager
def server_connection(url: str) -> Iterator["Connection[Any]"]:
    """A connection for the length of a block, without a transaction open; raises BrokerUnavailable."""
    import psycopg

    from postroom.kit.postgres import PostgresUnreachable, read_address, translate

    address = read_address(url)
    try:
        connection = psycopg.connect(
            address.dsn,
            autocommit=True,
            connect_timeout=10,
            prepare_threshold=None,
            application_name="postroom",
        )
    except psycopg.Error as error:
        raise BrokerUnavailable(str(translate(error, address.name) or type(error).__name__)) from error
    with connection:
        try:
            yield connection
        except psycopg.Error as error:
            known = translate(error, address.name)
            if isinstance(known, PostgresUnreachable):
                raise BrokerUnavailable(str(known)) from error
            raise
