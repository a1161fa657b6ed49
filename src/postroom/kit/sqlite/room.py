"""Whether there is room to write a database: SQLite tells a failed write, not why it failed.

SQLite reports ENOSPC as SQLITE_FULL, but an exceeded file-size limit or quota and a broken disk alike as
SQLITE_IOERR_WRITE (https://www.sqlite.org/rescode.html), and Python does not hand over the system's errno. So the
reasons for which there may be no room are looked at themselves.
"""

import contextlib
import errno
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOM_BYTES: Final = 256 * 1024
"""With less than this there is no room: a transaction of a batch at its largest (256,000 bytes) may not fit."""
NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
FILES: Final = ("", "-wal", "-shm")
"""What SQLite writes beside the database."""


def room_left(path: Path) -> bool:
    """Whether the database's files could grow by ROOM_BYTES; True when that cannot be found out."""
    return not (_limited(path) or _disk_full(path.parent) or _refused(path.parent))


def _limited(path: Path) -> bool:
    """Whether one of the files is near this process's limit on the size of files (RLIMIT_FSIZE)."""
    if sys.platform == "win32":
        return False
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit == resource.RLIM_INFINITY:
        return False
    return any(_size(Path(f"{path}{ending}")) + ROOM_BYTES > limit for ending in FILES)


def _disk_full(folder: Path) -> bool:
    """Whether the file system has too little left for those who are not root."""
    with contextlib.suppress(OSError, AttributeError):
        facts = os.statvfs(folder)
        return facts.f_bavail * facts.f_frsize < ROOM_BYTES
    return False


def _refused(folder: Path) -> bool:
    """Whether the system refuses to write so much for want of room: a quota shows in nothing but that."""
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as probe:
            data = memoryview(bytes(ROOM_BYTES))
            while data:
                data = data[probe.write(data) or len(data) :]
            os.fsync(probe.fileno())
    except OSError as error:
        return error.errno in NO_ROOM
    return False


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
