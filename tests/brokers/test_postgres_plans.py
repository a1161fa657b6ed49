"""The plans of what is hot: by the index, bounded, and not slower for rows that are gone but not vacuumed."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg
import pytest

from postroom.queues.brokers.postgres.bounds import EVERYTHING
from postroom.queues.brokers.postgres.catalogue import SQL
from postroom.queues.brokers.postgres.schema import migrate

ROWS = 20_000
LIMIT = 100


class Plan(NamedTuple):
    nodes: list[dict[str, Any]]

    @property
    def scans(self) -> list[tuple[str, str | None]]:
        return [
            (node["Node Type"], node.get("Index Name"))
            for node in self.nodes
            if node.get("Relation Name") == "postroom_messages" and "Scan" in node["Node Type"]
        ]

    @property
    def buffers(self) -> int:
        top = self.nodes[0]
        return int(top["Shared Hit Blocks"]) + int(top["Shared Read Blocks"])


def explain(connection: psycopg.Connection[Any], text: str, *values: object, analyze: bool = False) -> Plan:
    """As a statement that is kept prepared: with a plan that knows no values."""
    connection.execute("SET plan_cache_mode = force_generic_plan")
    connection.execute("DEALLOCATE ALL")
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(f"PREPARE it AS {text}".encode())
        marks = ", ".join(["%s"] * len(values))
        options = "ANALYZE, BUFFERS, " if analyze else ""
        cursor.execute(f"EXPLAIN ({options}FORMAT JSON) EXECUTE it ({marks})", values)
        row = cursor.fetchone()
    assert row is not None
    found = row[0] if isinstance(row[0], list) else json.loads(row[0])
    nodes: list[dict[str, Any]] = []
    stack = [found[0]["Plan"]]
    while stack:
        node = stack.pop()
        nodes.append(node)
        stack += node.get("Plans", [])
    return Plan(nodes)


@pytest.fixture(scope="module")
def filled(postgres_database: str) -> Iterator[psycopg.Connection[Any]]:
    """Two queues with ten thousand messages each, of every priority."""
    with psycopg.connect(postgres_database, autocommit=True, prepare_threshold=None) as connection:
        with connection.transaction():
            migrate(connection)
        connection.execute("DELETE FROM postroom_messages; DELETE FROM postroom_queues")
        connection.execute(
            "INSERT INTO postroom_queues (name, created_us, options) VALUES ('plans-a', 0, '{}'), ('plans-b', 0, '{}')"
        )
        connection.execute(
            "INSERT INTO postroom_messages (queue_id, id, priority, due_us, sent_us, enqueued_us, content_type, body) "
            "SELECT q.id, 'm' || n, n %% 3, n, n, n, 'json', repeat('x', 350)::bytea "
            "FROM postroom_queues q, generate_series(1, %s) n WHERE q.name LIKE 'plans-%%'",
            (ROWS // 2,),
        )
        connection.execute("VACUUM ANALYZE postroom_messages")
        yield connection
        connection.execute("DELETE FROM postroom_messages; DELETE FROM postroom_queues")


def lease(connection: psycopg.Connection[Any], bounds: tuple[int, int, int] = EVERYTHING) -> Plan:
    row = connection.execute("SELECT id, version FROM postroom_queues WHERE name = 'plans-a'").fetchone()
    assert row is not None
    values = (*row, 10**9, 0, LIMIT, 1, 30_000_000, 7, 0, 0, False, 30_000_000, *bounds, [], [])
    return explain(connection, SQL.lease, *values, analyze=True)


def test_lease_reads_the_index_and_goes_to_its_rows_directly(filled: psycopg.Connection[Any]) -> None:
    """One short scan for each priority; no other way to the messages."""
    with filled.transaction(force_rollback=True):
        plan = lease(filled)

    ways = set(plan.scans)
    assert ("Seq Scan", None) not in ways
    assert plan.scans.count(("Index Scan", "postroom_messages_due")) == 3
    scans = [node for node in plan.nodes if node.get("Index Name") == "postroom_messages_due"]
    assert all(node["Actual Rows"] <= LIMIT for node in scans)
    assert ("Tid Scan", None) in ways


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("acknowledge", ([1], [1], ["a"], [False])),
        ("retry", ([1], [1], [1], 1)),
        ("release", ([1], [1], [0])),
        ("extend", ([1], [1], 1, 1)),
        ("bury", ([1], [1], [1], [0], [b""], 1)),
        ("find", (1, [1], 1, 0)),
        ("next_due", (1, 10**9)),
        ("scan_aged", (0, 100, 1)),
        ("browse", (1, 0, 100, 1, 0)),
    ],
)
def test_no_hot_statement_reads_the_whole_table(
    filled: psycopg.Connection[Any], name: str, values: tuple[object, ...]
) -> None:
    """Whatever its values are."""
    scans = explain(filled, getattr(SQL, name), *values).scans

    assert scans
    # A bitmap of rows is made from an index.
    assert all(index is not None or way == "Bitmap Heap Scan" for way, index in scans), scans


def test_rows_that_an_old_snapshot_keeps_are_not_passed_over(
    filled: psycopg.Connection[Any], postgres_database: str
) -> None:
    """Begun at its bound, a lease reads as few pages as before; begun at the beginning, many more."""
    with psycopg.connect(postgres_database) as old:
        old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT count(*) FROM postroom_messages")
        with filled.transaction(force_rollback=True):
            fresh = lease(filled).buffers
        filled.execute(
            "DELETE FROM postroom_messages WHERE due_us < 8000 AND queue_id = "
            "(SELECT id FROM postroom_queues WHERE name = 'plans-a')"
        )
        filled.execute("VACUUM postroom_messages")
        with filled.transaction(force_rollback=True):
            bounded = lease(filled, (7900, 7900, 7900)).buffers
        with filled.transaction(force_rollback=True):
            unbounded = lease(filled).buffers

    assert bounded < 2 * fresh
    assert unbounded > 3 * bounded


def updates(connection: psycopg.Connection[Any]) -> tuple[int, int]:
    """Of messages so far: all of them, and those that touched no index."""
    connection.execute("SELECT pg_stat_force_next_flush()")
    row = connection.execute(
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'postroom_messages'"
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def test_leasing_touches_no_index(filled: psycopg.Connection[Any]) -> None:
    """The new versions of the rows are heap-only."""
    before = updates(filled)
    with filled.transaction():
        lease(filled)
    after = updates(filled)

    assert after[0] - before[0] == LIMIT
    assert after[1] - before[1] > 0.9 * LIMIT
