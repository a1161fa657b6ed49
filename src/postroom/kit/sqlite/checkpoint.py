"""Moving the write-ahead log into the database beside the commits, not in their way.

SQLite's own automatic checkpoint runs inside every commit that makes the log long enough, and that sender waits
for it. Here another thread copies most of the log while commits go on (a passive checkpoint never blocks a
writer), and the writer only copies the short rest, so that the log can start again from its beginning.
https://www.sqlite.org/wal.html#ckpt
"""

import contextlib
import queue
import sqlite3
import threading
from pathlib import Path

PAGES = 1000
"""Estimated pages in the log after which it is moved: 4 MB, SQLite's own default."""
ROWS_A_PAGE = 8
PAGES_A_COMMIT = 3


class Checkpointer:
    """One thread with a connection of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pages = 0.0
        self._changes = 0
        self._wake: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._working = False
        self.copied = False
        """Most of the log is in the database; the writer should `finish`."""
        self._thread = threading.Thread(target=self._work, name=f"checkpoint:{path.name}", daemon=True)
        self._thread.start()

    def committed(self, connection: sqlite3.Connection) -> None:
        """Count a commit of the writer's connection, and begin when the log has grown long."""
        changes = connection.total_changes
        self._pages += PAGES_A_COMMIT + (changes - self._changes) / ROWS_A_PAGE
        self._changes = changes
        if self._pages >= PAGES and not self._working:
            self._working = True
            self._wake.put(True)

    def finish(self, connection: sqlite3.Connection) -> None:
        """Copy the rest through the writer's connection, so that the next commit starts the log again."""
        self.copied = self._working = False
        self._pages = 0.0
        with contextlib.suppress(sqlite3.Error):
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def close(self) -> None:
        """End the thread."""
        self._wake.put(False)
        self._thread.join()

    def _work(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            while self._wake.get():
                # After a full disk, say, the log still has everything, and the next one tries again.
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                self.copied = True
        finally:
            connection.close()
