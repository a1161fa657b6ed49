"""Whose turn it is to write, among processes.

SQLite's own waiting is a sleep-and-try loop: under load a process that has just committed begins again before
the others wake, and one of four may wait for half a second or get nothing. Here they queue at two kernel
locks, one to wait in line and one to write:

    process A   line ──► desk ──► (line given up) ── writes ── desk given up
    process B            line ── waits for the desk ────────► desk ──► ...

Who has just written finds the line held by the next, so it cannot push in. The locks are advice for fairness;
what guards the data are SQLite's own.
"""

import os
import sys
from pathlib import Path
from types import TracebackType

if sys.platform == "win32":  # no flock: SQLite's own waiting has to do

    class Turn:
        """Fair turns are not available here; entering does nothing."""

        def __init__(self, folder: Path) -> None:
            self.folder = folder

        def __enter__(self) -> None:
            return None

        def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
        ) -> None:
            return None

        def close(self) -> None:
            """Nothing to let go of."""

else:
    import fcntl

    class Turn:
        """A turn at one file; enter it to write. Not for use by two threads at once."""

        def __init__(self, folder: Path) -> None:
            self._line = os.open(folder / "line.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            self._desk = os.open(folder / "desk.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

        def __enter__(self) -> None:
            fcntl.flock(self._line, fcntl.LOCK_EX)
            fcntl.flock(self._desk, fcntl.LOCK_EX)
            fcntl.flock(self._line, fcntl.LOCK_UN)

        def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
        ) -> None:
            fcntl.flock(self._desk, fcntl.LOCK_UN)

        def close(self) -> None:
            """Let go of the lock files; they stay where they are for the others."""
            os.close(self._line)
            os.close(self._desk)
