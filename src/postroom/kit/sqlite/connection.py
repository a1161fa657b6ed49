"""Connections to the file: their pragmas, and SQLite's errors in our words.

Never open the database's files except through SQLite: closing any descriptor of them drops the locks of the
whole process (https://www.sqlite.org/howtocorrupt.html, section 2.2).
"""

import sqlite3
from pathlib import Path

from postroom.kit.sqlite.room import room_left

BUSY_SECONDS = 10.0
"""How long a statement waits for another process's lock before it fails."""
MOVED = "this database has moved; set POSTROOM_DATABASE_URL to where it is now"
"""What the triggers of a file that was frozen say."""
WAL_LIMIT_BYTES = 64 * 1024 * 1024
"""The write-ahead log is cut back to this size after a checkpoint."""


class StoreFailed(Exception):
    """The file could not be read or written."""


class StoreFull(StoreFailed, OSError):
    """The disk, a quota or a file-size limit left no room."""


class StoreMoved(StoreFailed):
    """The file was frozen, because all that was in it is elsewhere now."""


class StoreBusy(StoreFailed, TimeoutError):
    """Another process held the lock for too long."""


def connect_writer(path: Path) -> sqlite3.Connection:
    """The one connection that writes: WAL, every commit synced to disk.

    `synchronous=FULL` syncs the log at each commit, so that what was committed survives a power cut
    (https://www.sqlite.org/pragma.html#pragma_synchronous).
    """
    connection = _connect(path)
    try:
        # Counts for a new file only: its free pages can be given back to the disk.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")  # see `checkpoint`
        connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES:d}")
        connection.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads; readers never wait for writers in WAL mode."""
    connection = _connect(path)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA cache_size = -16384")
    return connection


FULL_CODES = frozenset({sqlite3.SQLITE_FULL})
# An exceeded RLIMIT_FSIZE or quota is reported as a failed write, not as a full disk; so is a broken disk.
WRITE_FAILURES = frozenset(
    {sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_TRUNCATE, sqlite3.SQLITE_IOERR_SHMSIZE}
)
BUSY_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


def translate(error: sqlite3.Error, path: Path) -> StoreFailed | sqlite3.Error:
    """The error in our words; errors that are bugs of the caller (constraints, syntax) stay as they are."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return error
    name = getattr(error, "sqlite_errorname", "SQLITE_ERROR")
    if code in FULL_CODES or (code in WRITE_FAILURES and not room_left(path)):
        return StoreFull(f"no room left to write {path.name} ({name}); nothing of this call was stored")
    if code in WRITE_FAILURES:
        return StoreFailed(
            f"{path.name} could not be written although there is room ({name}); nothing of this call was stored. "
            "The system's log may tell why"
        )
    if code & 0xFF in BUSY_CODES:
        return StoreBusy(f"{path.name} stayed locked by another process for {BUSY_SECONDS:g} s ({name})")
    if code == sqlite3.SQLITE_CONSTRAINT_TRIGGER and MOVED in str(error):
        return StoreMoved(f"{path.name}: {MOVED}")
    if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
        return error
    return StoreFailed(f"{path.name}: {error} ({name})")
