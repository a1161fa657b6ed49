"""postfix's `smtp-sink`: an SMTP server that takes everything and keeps nothing."""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.kit import spawn

INSTALL: Final = "DEBIAN_FRONTEND=noninteractive apt-get install -y postfix   # its daemon need not run"
PLACES: Final = "/usr/sbin:/usr/local/sbin"
"""Where it is when PATH does not name the folders of administrators' commands."""
SESSIONS: Final = 256
USER: Final = "nobody"
"""Whom it runs as when started by root, which it refuses to stay."""


def find() -> str | None:
    """The command, if it is installed."""
    return shutil.which("smtp-sink") or shutil.which("smtp-sink", path=PLACES)


class Sink:
    """A running sink."""

    def __init__(self, process: spawn.Process, port: int) -> None:
        self.port = port
        self._process = process

    def received(self) -> int:
        """Emails taken so far, if it was told to count."""
        found = re.findall(r"mesg=(\d+)", self._process.log.read_text())
        return int(found[-1]) if found else 0


@contextlib.contextmanager
def listening(folder: Path, *, counting: bool = False) -> Iterator[Sink]:
    """A sink for the length of a block; counting costs it a line a message.

    Raises BenchFailed where it is missing.
    """
    command = find()
    if command is None:
        raise spawn.BenchFailed(f"smtp-sink is not installed: {INSTALL}")
    port = spawn.free_port()
    user = ["-u", USER] if os.geteuid() == 0 else []
    count = ["-c"] if counting else []
    arguments = [*user, *count, "-m", str(SESSIONS), f"127.0.0.1:{port}", str(SESSIONS)]
    with spawn.running([command, *arguments], folder=folder) as process:
        spawn.wait("smtp-sink to listen", lambda: spawn.answers(port), process)
        yield Sink(process, port)
