"""One code path on two databases: every query is prepared on both, and both have the same tables."""

import re
import sqlite3
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from postroom.store.migrations import SQLITE, known
from postroom.store.postgresql.schema import migrate, search
from postroom.store.postgresql.transaction import SCHEMA
from postroom.store.queries import postgresql_queries, psycopg_text, sqlite_queries

Connection = psycopg.Connection[Any]


@pytest.fixture(scope="module")
def sqlite() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    for step in known():
        for statement in step.statements(SQLITE):
            connection.execute(statement)
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def postgresql(postgres_database: str) -> Iterator[Connection]:
    with psycopg.connect(postgres_database) as connection:
        migrate(connection)
        connection.commit()
        search(connection)
        yield connection


@pytest.mark.parametrize("name", sorted(sqlite_queries()))
def test_query_is_understood_by_both(name: str, sqlite: sqlite3.Connection, postgresql: Connection) -> None:
    """No query runs here; each is parsed and planned, with parameters of no type, as NULL comes."""
    text = sqlite_queries()[name].text
    sqlite.execute(f"EXPLAIN {text}", dict.fromkeys(re.findall(r":([a-z_]\w*)", text)))

    with postgresql.transaction(force_rollback=True):
        for words in set(postgresql_queries()[name]):
            result = postgresql.pgconn.prepare(b"", _numbered(words).encode())
            assert not result.error_message, f"{name}: {result.error_message.decode()}"


def test_no_query_is_only_for_postgresql() -> None:
    """`queries/postgresql` has other words for queries, never queries of its own."""
    assert set(postgresql_queries()) == set(sqlite_queries())


def test_tables_and_columns_agree(sqlite: sqlite3.Connection, postgresql: Connection) -> None:
    found = {
        (table, column)
        for (table,) in sqlite.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for _, column, *_ in sqlite.execute(f"PRAGMA table_info({table})")
    }
    rows = postgresql.execute(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = %s",
        [SCHEMA],
    )

    assert {(table, column) for table, column in rows if table != "kept_keys"} == found


def test_indexes_and_triggers_agree(sqlite: sqlite3.Connection, postgresql: Connection) -> None:
    """What SQLite names itself (its automatic indexes) has other names there."""
    named = "SELECT name FROM sqlite_master WHERE type IN ('index', 'trigger') AND name NOT LIKE 'sqlite_%'"
    found = {name for (name,) in sqlite.execute(named)}
    rows = postgresql.execute(
        "SELECT indexname FROM pg_indexes WHERE schemaname = %s AND indexname NOT IN"
        " (SELECT conname FROM pg_constraint) UNION SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
        [SCHEMA],
    )

    assert {name for (name,) in rows} == found


def test_second_process_finds_the_schema_done(postgresql: Connection) -> None:
    with postgresql.transaction(force_rollback=True):
        assert migrate(postgresql) == []


def test_parameters_are_translated_outside_of_words() -> None:
    text = "SELECT ':a', \"b:c\", d::text, '50%', :e % 2 -- :f\nFROM g WHERE h = :e_us"

    assert psycopg_text(text) == (
        "SELECT ':a', \"b:c\", d::text, '50%%', %(e)s %% 2 \nFROM g WHERE h = %(e_us)s"
    )


def _numbered(text: str) -> str:
    """psycopg's parameters as the server's."""
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        if found[1] not in names:
            names.append(found[1])
        return f"${names.index(found[1]) + 1}"

    return re.sub(r"%\((\w+)\)s", number, text).replace("%%", "%")
