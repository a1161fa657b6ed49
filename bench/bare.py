"""The bare yardsticks: what plain `sqlite3` reaches with Postroom's columns, rows and durability.

One connection, WAL, `synchronous=FULL`, one index; no leases guarded, no counts kept, no events, no other
process considered. Nothing of Postroom is used here.
"""

import contextlib
import random
import sqlite3
import statistics
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench.kit import jobs, options, report, spawn
from bench.kit.measure import Run

GROUP: Final = 100
"""Rows a commit, and messages a claim."""
LEASE_US: Final = 30_000_000
TOKEN: Final = 5
QUEUE: Final = 1
PRIORITY: Final = 1
MESSAGES_DEFAULT: Final = 100_000
SINGLES_DEFAULT: Final = 3_000

TABLE: Final = """
    CREATE TABLE messages (
        seq INTEGER PRIMARY KEY, queue_id INTEGER NOT NULL, id TEXT NOT NULL, priority INTEGER NOT NULL,
        due_us INTEGER NOT NULL, sent_us INTEGER NOT NULL, enqueued_us INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0, lease INTEGER NOT NULL DEFAULT 0, content_type TEXT NOT NULL,
        body BLOB NOT NULL, meta BLOB)
"""
INDEX: Final = "CREATE INDEX messages_due ON messages (queue_id, priority, due_us)"
INSERT: Final = """
    INSERT INTO messages (queue_id, id, priority, due_us, sent_us, enqueued_us, content_type, body, meta)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
CLAIM: Final = """
    UPDATE messages SET due_us = ?, lease = ?, attempts = attempts + 1
    WHERE seq IN (SELECT seq FROM messages WHERE queue_id = ? AND priority = ? AND due_us <= ?
                  ORDER BY due_us LIMIT ?)
    RETURNING seq, id, body, content_type, attempts, sent_us
"""
DELETE: Final = "DELETE FROM messages WHERE seq = ? AND lease = ?"


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A new file with the table, as durable as ours and with as large a page cache."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -16384")
        connection.execute(TABLE)
        connection.execute(INDEX)
        yield connection


def columns() -> list[tuple[str, str]]:
    """Names and types of the columns, to be compared with Postroom's."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(TABLE)
        return [(row[1], row[2]) for row in connection.execute("PRAGMA table_info(messages)")]


def insert(folder: Path, count: int, group: int) -> float:
    """Rows a second when so many are inserted in groups, each group a commit."""
    with spawn.scratch(folder) as scratch, opened(scratch / "b.db") as connection:
        started = time.perf_counter()
        _fill(connection, count, group)
        return count / (time.perf_counter() - started)


def claim_and_delete(folder: Path, count: int, group: int = GROUP) -> float:
    """Messages a second that are claimed and deleted in groups: two commits a group."""
    with spawn.scratch(folder) as scratch, opened(scratch / "b.db") as connection:
        _fill(connection, count, GROUP)
        execute, done = connection.execute, 0
        started = time.perf_counter()
        while done < count:
            execute("BEGIN IMMEDIATE")
            now = _now_us()
            claimed = execute(CLAIM, (now + LEASE_US, TOKEN, QUEUE, PRIORITY, now, group)).fetchall()
            execute("COMMIT")
            execute("BEGIN IMMEDIATE")
            connection.executemany(DELETE, [(row[0], TOKEN) for row in claimed])
            execute("COMMIT")
            done += len(claimed)
        return done / (time.perf_counter() - started)


def commits_at_leisure(folder: Path, count: int, pause_seconds: tuple[float, float]) -> list[float]:
    """Milliseconds, sorted, that one insert and its commit take after a random pause: what an idle disk allows."""
    taken = []
    with spawn.scratch(folder) as scratch, opened(scratch / "b.db") as connection:
        for number in range(count):
            (row,) = _rows(number, 1)
            time.sleep(random.uniform(*pause_seconds))
            started = time.perf_counter()
            connection.execute(INSERT, row)
            taken.append((time.perf_counter() - started) * 1000)
    return sorted(taken)


def _fill(connection: sqlite3.Connection, count: int, group: int) -> None:
    execute = connection.execute
    for start in range(0, count, group):
        rows = _rows(start, min(group, count - start))
        execute("BEGIN IMMEDIATE")
        if len(rows) == 1:
            execute(INSERT, rows[0])
        else:
            connection.executemany(INSERT, rows)
        execute("COMMIT")


BODY: Final = jobs.encode(jobs.make(0))


def _rows(start: int, count: int) -> Sequence[tuple[Any, ...]]:
    now = _now_us()
    return [
        (QUEUE, f"{number:032x}", PRIORITY, now, now, now, "json", BODY, None)
        for number in range(start, start + count)
    ]


def _now_us() -> int:
    return time.time_ns() // 1000


def main() -> None:
    """`python -m bench.bare`."""
    parser = options.parser("bench.bare", __doc__)
    parser.add_argument("--messages", type=options.positive, default=MESSAGES_DEFAULT)
    parser.add_argument("--singles", type=options.positive, default=SINGLES_DEFAULT)
    given = parser.parse_args()
    with options.explained(), spawn.scratch(given.dir) as folder:
        batches = f"claim + delete in batches of {GROUP}, two commits"
        runs: dict[str, Run] = {
            f"insert, {GROUP} rows a commit": partial(insert, folder, given.messages, GROUP),
            "insert, one row a commit": partial(insert, folder, given.singles, 1),
            batches: partial(claim_and_delete, folder, given.messages),
        }
        rows = []
        for what, run in runs.items():
            report.progress(what)
            rates = sorted(run() for _ in range(given.rounds))
            rows.append([what, report.rate(statistics.median(rates)), f"{rates[0]:,.0f} to {rates[-1]:,.0f}"])
    notes = [f"{given.messages:,} rows of {jobs.JOB_BYTES} bytes ({given.singles:,} where one a commit)"]
    title = "Bare sqlite3: WAL, synchronous=FULL, one index"
    report.put(report.Section(title, ["what", "median", "range"], rows, notes), as_json=given.json)


if __name__ == "__main__":
    main()
