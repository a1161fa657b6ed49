"""Ledgers: what each process of a fault test did, in files of its own that survive its death.

Each process appends to one file and syncs it before and after every call, so that a call whose end is missing
is known to be unknown. `read` merges the files into one history. What the history must look like is the
checker's business (`support.checker`).
"""

import os
import secrets
import time
from pathlib import Path

import msgspec

BEGUN, DONE, FAILED, LOST = "begun", "done", "failed", "lost"
"""Steps of a call: before it, after it, it raised, its lease was gone."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a ledger; which fields are set depends on `op`.

    `send` (key, delay_us), `lease` (attempt, lease, visibility_us), `deliver`, `extend`, `settle` (fate, delay_us)
    and `fault` (what was done to the process `process`).
    """

    op: str
    step: str = DONE
    process: str = ""
    """Name and pid of the process that it is about: for a fault the victim, else the writer."""
    monotonic_us: int = 0
    """The machine's own clock since boot, the same for all processes and never moved."""
    wall_us: int = 0
    call: int = 0
    """Joins the begin and the end of one call of one process."""
    queue: str = ""
    key: str = ""
    """The test's own name of a message, part of its body: known before it has an id."""
    id: str = ""
    attempt: int = 0
    lease: int = 0
    visibility_us: int = 0
    delay_us: int = 0
    fate: str = ""
    """ack, retry, dead or release."""
    detail: str = ""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Entry).decode


class Ledger:
    """This process's ledger in a folder that all share."""

    def __init__(self, folder: Path, name: str) -> None:
        self.process = f"{name}:{os.getpid()}"
        path = folder / f"{name}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._calls = 0

    def call(self) -> int:
        """A number for a call that begins."""
        self._calls += 1
        return self._calls

    def write(self, *entries: Entry) -> None:
        """Append them, stamped, in one write, and sync."""
        monotonic_us, wall_us = time.monotonic_ns() // 1000, time.time_ns() // 1000
        lines = [
            _encode(
                msgspec.structs.replace(
                    entry,
                    process=entry.process or self.process,
                    monotonic_us=monotonic_us,
                    wall_us=wall_us,
                )
            )
            for entry in entries
        ]
        os.write(self._file, b"\n".join(lines) + b"\n")
        os.fsync(self._file)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


def read(folder: Path) -> list[Entry]:
    """Every entry of every ledger, in the order of time; a line that its writer's death cut short is left out."""
    entries: list[Entry] = []
    for path in sorted(folder.glob("*.jsonl")):
        *lines, torn = path.read_bytes().split(b"\n")
        assert not torn or len(torn) < 65_536, f"{path.name} does not end with a line"
        entries += [_decode(line) for line in lines if line]
    # `sorted` is stable: entries of one write keep their order.
    return sorted(entries, key=lambda entry: entry.monotonic_us)


def written(folder: Path) -> int:
    """Bytes in all ledgers: how far the work has come, cheap enough to be asked again and again."""
    return sum(path.stat().st_size for path in folder.glob("*.jsonl"))
