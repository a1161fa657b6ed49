"""The processes of a fleet on this machine: each in a session of its own, so that Ctrl-C reaches the command alone."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

STOP_SECONDS: Final = 20.0


class FleetProcess:
    """One `postroom serve` or `postroom consume`."""

    def __init__(
        self, name: str, arguments: tuple[str, ...], folder: Path, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.restarts = -1
        self._arguments = arguments
        self._folder = folder
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """What it writes."""
        return self._folder / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return None if self._process is None else self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it does not run."""
        return self._process is None or self._process.poll() is not None

    def start(self) -> None:
        """Run it."""
        self.restarts += 1
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "postroom", *self._arguments],
                cwd=self._folder, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def ask_to_stop(self, number: int = signal.SIGTERM) -> None:
        """Send it a signal."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    def wait(self, deadline: float) -> None:
        """Until it has ended; after the deadline it is killed."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def tail(self, lines: int = 5) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").strip().splitlines()[-lines:])


def stop_all(processes: list[FleetProcess]) -> None:
    """Ask all of them, then wait for each."""
    for one in processes:
        one.ask_to_stop()
    deadline = time.monotonic() + STOP_SECONDS
    for one in processes:
        one.wait(deadline)
