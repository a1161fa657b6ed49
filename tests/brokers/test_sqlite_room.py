"""A failed write is called "no room left" where there is none, and nothing else (kit/sqlite/room.py)."""

import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from postroom.kit.sqlite.connection import StoreFailed, StoreFull, translate
from postroom.kit.sqlite.room import ROOM_BYTES, room_left

LIMITED = """
import resource, sys
from pathlib import Path
from postroom.kit.sqlite.room import room_left

path, limit = Path(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
print(room_left(path))
"""


def failed_write(code: int = sqlite3.SQLITE_IOERR_WRITE, name: str = "SQLITE_IOERR_WRITE") -> sqlite3.Error:
    """As SQLite raises it."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode, error.sqlite_errorname = code, name
    return error


def test_failed_write_with_room_is_not_called_full(tmp_path: Path) -> None:
    """A broken disk: freeing space would not help."""
    told = translate(failed_write(), tmp_path / "q.db")

    assert type(told) is StoreFailed
    assert not isinstance(told, StoreFull)
    assert str(told).startswith("q.db could not be written although there is room (SQLITE_IOERR_WRITE)")
    assert list(tmp_path.iterdir()) == []


def test_full_is_full(tmp_path: Path) -> None:
    """SQLite's own word for it needs no second opinion."""
    told = translate(failed_write(sqlite3.SQLITE_FULL, "SQLITE_FULL"), tmp_path / "q.db")

    assert isinstance(told, StoreFull)


def test_failed_write_without_room_is_full(tmp_path: Path) -> None:
    """A disk that has less left than a transaction may need."""
    disk = tmp_path / "disk"
    disk.mkdir()
    size = f"size={ROOM_BYTES // 2}"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", disk], capture_output=True)
    if done.returncode:
        pytest.skip(f"mounting a tmpfs is not permitted here: {done.stderr.decode().strip()}")
    try:
        assert isinstance(translate(failed_write(), disk / "q.db"), StoreFull)
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.mark.parametrize(("spare", "left"), [(2 * ROOM_BYTES, "True"), (ROOM_BYTES // 2, "False")])
def test_limit_on_the_size_of_files_is_no_room(spare: int, left: str, tmp_path: Path) -> None:
    """Where the log has come near it."""
    (tmp_path / "q.db-wal").write_bytes(bytes(1_000_000))

    program = [sys.executable, "-c", LIMITED, str(tmp_path / "q.db"), str(1_000_000 + spare)]
    found = subprocess.run(program, capture_output=True, text=True, check=True)

    assert found.stdout.strip() == left


def test_what_cannot_be_found_out_is_room(tmp_path: Path) -> None:
    """A folder that is gone says nothing about space."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    assert room_left(tmp_path / "gone" / "q.db")
