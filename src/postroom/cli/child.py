"""A `postroom` service in a process of its own, which never outlives the command that started it.

Signals are taken here for as long as it runs: the first SIGINT, SIGTERM or SIGHUP ends the command and stops the
service, a second one kills the service and ends the command at once. Only SIGKILL of the command leaves it running.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

STOP_SECONDS: Final = 15.0
"""How long the service may take to stop: its own grace period and some more."""
SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Asked(SystemExit):
    """Somebody asked the command to end, by a signal; the exit code is 128 and the signal's number."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


class Child:
    """The service's process. `log` gets what it writes to its standard output and error."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._asked: int | None = None
        self._begun = False

    @property
    def ended(self) -> bool:
        """Whether it does not run, or not any more."""
        return self._process is None or self._process.poll() is not None

    def wait(self) -> int:
        """Its exit code, once it has ended; negative for a signal. Raises Asked when a signal comes before that."""
        assert self._process is not None
        return self._process.wait()

    def tail(self, lines: int) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").strip().splitlines()[-lines:])

    def start(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        """Run `postroom` with these arguments, in a session of its own: Ctrl-C reaches the command alone."""
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "postroom", *arguments],
                cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._begun = True
        # A signal that came while it was being started had nothing to stop yet.
        if self._asked is not None:
            raise Asked(self._asked)

    def stop(self) -> None:
        """Ask it to end, and kill it when it does not in time or when a signal comes from now on."""
        if self._asked is None:
            self._asked = signal.SIGTERM
        if self.ended or self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        first, self._asked = self._asked is None, number
        if not self._begun:
            return
        if first:
            raise Asked(number)
        self._kill()
        if os.isatty(1):
            # What was shown last may have hidden the cursor.
            os.write(1, b"\x1b[?25h")
        os._exit(128 + number)

    def _kill(self) -> None:
        if self._process is not None:
            # Not `Popen.kill`: a signal may have come while that object's lock is held.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)


@contextmanager
def service(
    arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str], log: Path
) -> Iterator[Child]:
    """Run `postroom` with these arguments in a folder, for as long as the block lasts; see the module."""
    child = Child(log)
    # What is ignored stays so: `nohup postroom demo` outlives its terminal.
    before: dict[int, Any] = {
        number: signal.signal(number, child.hear)
        for number in SIGNALS
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        child.start(arguments, folder, environment)
        yield child
    finally:
        try:
            child.stop()
        except Asked:
            # It came on the way into `stop`; the next one kills.
            child.stop()
            raise
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
