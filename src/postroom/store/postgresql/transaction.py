"""A transaction of the application on a psycopg connection."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from psycopg import Connection, Cursor
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier, Placeholder
from psycopg.types.numeric import Int8

from postroom.store.queries import Query, postgresql_queries
from postroom.store.transaction import AuditChain, Row, StoreTransaction

QUERIES: Final[Mapping[str, Query]] = postgresql_queries()
SCHEMA: Final = "postroom"
"""The PostgreSQL schema of the application's tables: theirs are everyday names."""
_PLAIN = {name: query.text.encode() for name, query in QUERIES.items()}
_LOCKING = {name: query.locking.encode() for name, query in QUERIES.items()}


class PostgresqlTransaction(StoreTransaction):
    """On a `psycopg.Connection` that is in a transaction; `writing`: what is read to be decided on is locked."""

    connection: Connection[Any]

    def __init__(self, connection: Connection[Any], chain: AuditChain, *, writing: bool) -> None:
        super().__init__(connection, chain)
        self._texts = _LOCKING if writing else _PLAIN

    def run(self, query: str, **values: Any) -> int:
        """Execute a named query; returns the number of rows it changed."""
        return self.connection.execute(self._texts[query], bound(values)).rowcount

    def run_many(self, query: str, rows: Sequence[Row]) -> None:
        """Execute a named query for each row of values."""
        with self.connection.cursor() as cursor:
            cursor.executemany(self._texts[query], [bound(row) for row in rows])

    def one(self, query: str, **values: Any) -> Row | None:
        """The first row of a named query, or None."""
        return self._execute(query, values).fetchone()

    def all(self, query: str, **values: Any) -> list[Row]:
        """Every row of a named query."""
        return self._execute(query, values).fetchall()

    def lock(self, *names: str) -> None:
        """Advisory locks, in an order that is the same for everybody."""
        keys = sorted(_key(name) for name in names)
        self.connection.execute(
            b"SELECT pg_advisory_xact_lock(key) FROM unnest(CAST(%s AS bigint[])) AS key", [keys]
        )

    def put_back(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows that were deleted."""
        if not rows:
            return
        columns = self.connection.execute(
            b"SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s",
            [SCHEMA, table],
        )
        known = {name for (name,) in columns}
        names = [name for name in rows[0] if name in known]
        text = SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING").format(
            Identifier(SCHEMA, table),
            SQL(", ").join(map(Identifier, names)),
            SQL(", ").join(map(Placeholder, names)),
        )
        with self.connection.cursor() as cursor:
            cursor.executemany(text, [bound({name: row[name] for name in names}) for row in rows])

    def _execute(self, query: str, values: Mapping[str, Any]) -> Cursor[Row]:
        cursor = self.connection.cursor(row_factory=dict_row)
        return cursor.execute(self._texts[query], bound(values))


def bound(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as the tables have them: truth is 0 or 1, every integer has eight bytes, enumerations are their text."""
    return {name: _bound(value) for name, value in values.items()}


def _bound(value: Any) -> Any:
    if isinstance(value, int):
        return Int8(value)
    if isinstance(value, str):
        # PostgreSQL's text has no NUL.
        return str.__str__(value).replace("\0", "\ufffd")
    return value


def _key(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
