"""What is left in a queue's file once every process is gone.

Read with plain SQL, so that no code under test is trusted.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import psycopg


class Left(NamedTuple):
    """A message that is still in the file."""

    queue: str
    id: str
    attempts: int
    due_us: int
    leased: bool
    body: bytes
    dead: dict[str, Any] | None
    """Why it was dead-lettered, if it was."""

    @property
    def key(self) -> str:
        """The test's own name of the message."""
        return key_of(self.body)


def key_of(body: bytes) -> str:
    """The `key` in a body, empty for bodies that are not of these tests' making."""
    try:
        return str(msgspec.json.decode(body)["key"])
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError, KeyError):
        return ""


def left_in(path: Path) -> list[Left]:
    """Every message in the file."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT q.name, m.id, m.attempts, m.due_us, m.lease <> 0, m.body, m.meta"
            " FROM postroom_messages m LEFT JOIN postroom_queues q ON q.id = m.queue_id ORDER BY m.seq"
        ).fetchall()
    return [
        Left(
            name or "nowhere", id_, attempts, due_us, bool(leased), body, _dead(meta)
        )  # a queue that does not exist
        for name, id_, attempts, due_us, leased, body, meta in rows
    ]


def left_in_postgres(url: str) -> list[Left]:
    """Every message in a PostgreSQL database."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT q.name, m.id, m.attempts, m.due_us, m.lease <> 0, m.body, m.meta"
            " FROM postroom_messages m LEFT JOIN postroom_queues q ON q.id = m.queue_id ORDER BY m.seq"
        ).fetchall()
    return [
        Left(name or "nowhere", id_, attempts, due_us, leased, bytes(body), _dead(meta))
        for name, id_, attempts, due_us, leased, body, meta in rows
    ]


def waiting(path: Path, queue: str) -> int:
    """Messages of a queue, whether ready, delayed or leased; for polling while others write."""
    with closing(sqlite3.connect(path, timeout=10)) as connection:
        (found,) = connection.execute(
            "SELECT count(*) FROM postroom_messages WHERE queue_id IN (SELECT id FROM postroom_queues WHERE name = ?)",
            (queue,),
        ).fetchone()
    return int(found)


def finished(path: Path) -> int:
    """Jobs whose record says that they have ended; for polling while others write."""
    with closing(sqlite3.connect(path, timeout=10)) as connection:
        (found,) = connection.execute("SELECT count(*) FROM jobs WHERE finished_us IS NOT NULL").fetchone()
    return int(found)


def assert_sound(path: Path) -> None:
    """SQLite finds nothing wrong with the file, and the counts that are kept are the counts that are true."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        kept = connection.execute(
            "SELECT name, backlog_count, backlog_bytes, in_flight FROM postroom_queues ORDER BY id"
        ).fetchall()
        counted = connection.execute(
            "SELECT q.name, count(m.seq), coalesce(sum(length(m.body)), 0), coalesce(sum(m.lease <> 0), 0)"
            " FROM postroom_queues q LEFT JOIN postroom_messages m ON m.queue_id = q.id GROUP BY q.id ORDER BY q.id"
        ).fetchall()
        assert kept == counted, "kept counts (name, messages, bytes, in flight) differ from the rows"
        orphans = connection.execute(
            "SELECT count(*) FROM postroom_messages WHERE queue_id NOT IN (SELECT id FROM postroom_queues)"
        ).fetchone()
        assert orphans == (0,), "messages in no queue"


def _dead(meta: bytes | None) -> dict[str, Any] | None:
    if not meta:
        return None
    found: dict[str, Any] | None = msgspec.json.decode(meta).get("dead")
    return found
