"""Other processes: started, waited for, and stopped with the block that needs them."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
"""The root of the repository."""
STOP_SECONDS: Final = 15.0
START_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.005
"""Between two looks at something awaited."""
LOG_LINES_SHOWN: Final = 15


class BenchFailed(Exception):
    """A benchmark could not be carried out; the text says why and what to do."""


class Process:
    """A running process and where its output goes."""

    def __init__(self, popen: "subprocess.Popen[bytes]", log: Path) -> None:
        self.popen = popen
        self.log = log

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.popen.pid

    def check(self) -> None:
        """Raise BenchFailed with the end of its output if it has ended."""
        code = self.popen.poll()
        if code is not None:
            raise BenchFailed(f"{_shown(self.popen.args)} ended with exit code {code}:\n{self.tail()}")

    def tail(self) -> str:
        """The last lines it wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:])

    def stop(self) -> None:
        """Ask it to end, and kill it if it does not."""
        self.popen.terminate()
        try:
            self.popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


@contextlib.contextmanager
def running(
    command: Sequence[str | Path], *, environ: Mapping[str, str] | None = None, folder: Path
) -> Iterator[Process]:
    """A process for the length of a block, in `folder`; `bench` can be imported there as here."""
    descriptor, log = tempfile.mkstemp(prefix="log-", dir=folder)
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    whole = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **(environ or {})}
    with open(descriptor, "wb") as output:
        popen = subprocess.Popen(
            [str(part) for part in command], cwd=folder, env=whole, stdout=output, stderr=output
        )
    process = Process(popen, Path(log))
    try:
        yield process
    finally:
        process.stop()


def module(name: str, *arguments: object) -> list[str]:
    """The command that runs a module with this Python."""
    return [sys.executable, "-m", name, *map(str, arguments)]


def script(name: str) -> Path:
    """A command that was installed beside this Python, such as `celery`."""
    return Path(sys.executable).parent / name


def wait(what: str, arrived: Callable[[], bool], *processes: Process, seconds: float = START_SECONDS) -> None:
    """Look until something is so; raises BenchFailed when a process ends meanwhile, or after so long."""
    end = time.monotonic() + seconds
    while not arrived():
        for process in processes:
            process.check()
        if time.monotonic() > end:
            logs = "".join(f"\n{process.tail()}" for process in processes)
            raise BenchFailed(f"waited {seconds:g} s in vain for {what}{logs}")
        time.sleep(LOOK_SECONDS)


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Whether somebody listens on a port of the loopback address."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextlib.contextmanager
def scratch(parent: Path | None = None) -> Iterator[Path]:
    """A new folder for databases, removed afterwards; its path is short, since sockets live beside them."""
    with tempfile.TemporaryDirectory(prefix="pb-", dir=parent, ignore_cleanup_errors=True) as name:
        yield Path(name)


def _shown(command: object) -> str:
    return " ".join(map(str, command)) if isinstance(command, list | tuple) else str(command)
