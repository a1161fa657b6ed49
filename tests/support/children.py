"""Child processes of a fault test: started, spoken with, struck, and never left behind.

Parent and child exchange lines: the child prints words of its own choice, the parent answers on its stdin.
What happens to a child is written into the parent's ledger before and after it is done.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from support.ledger import BEGUN, DONE, Entry, Ledger
from support.patience import PATIENCE_SECONDS, until

TESTS = Path(__file__).resolve().parents[1]
STDERR_SHOWN = 4000
"""Characters of a dead child's last words that a failure shows."""

KILLED, STOPPED, CONTINUED, MOVED = "killed", "stopped", "continued", "clock moved"


class Child:
    """One running program."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, ledger: Ledger, stderr: Path) -> None:
        self.name = name
        self._process = process
        self._ledger = ledger
        self._stderr = stderr

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    async def hear(self, *words: str, within: float = PATIENCE_SECONDS) -> str:
        """Its next line that begins with one of these words; without words, its next line."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(within):
                while line := await self._process.stdout.readline():
                    text = line.decode().rstrip("\n")
                    assert not text.startswith("error "), f"{self.name}: {text}\n{self.last_words()}"
                    if not words or text.split(" ", 1)[0] in words:
                        return text
        except TimeoutError:
            raise AssertionError(
                f"{self.name} did not say {words} within {within:g} s\n{self.last_words()}"
            ) from None
        await self._process.wait()
        raise AssertionError(
            f"{self.name} ended with {self._process.returncode} before it said {words}\n{self.last_words()}"
        )

    async def hear_events(self, *names: str) -> None:
        """Listen until it has announced each of these events, in whatever order."""
        missing = set(names)
        while missing:
            missing.discard((await self.hear("event")).removeprefix("event "))

    async def tell(self, line: str) -> None:
        """Write a line to its stdin."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        await self._signal(signal.SIGKILL, KILLED)
        await self._process.wait()
        self.note(KILLED, DONE)

    async def stop(self) -> None:
        """SIGSTOP: it stands still until `go_on`."""
        await self._signal(signal.SIGSTOP, STOPPED)

    async def stands_still(self) -> None:
        """Wait until it has stopped itself, and note it."""
        await until(self._is_stopped, f"{self.name} stops itself")
        self.note(STOPPED)

    def _is_stopped(self) -> bool:
        stat = Path(f"/proc/{self.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"

    async def go_on(self) -> None:
        """SIGCONT."""
        await self._signal(signal.SIGCONT, CONTINUED)

    def terminate(self) -> None:
        """SIGTERM, as an operator or a container would stop it."""
        os.kill(self.pid, signal.SIGTERM)

    async def move_clock(self, seconds: float) -> None:
        """Move the wall clock that it sees; it answers when it is done."""
        self.note(MOVED, BEGUN)
        await self.tell(f"clock {seconds}")
        await self.hear("clock")

    async def ended(self, within: float = PATIENCE_SECONDS) -> int:
        """Wait until it ends by itself; its exit code, negative for a signal."""
        try:
            async with asyncio.timeout(within):
                return await self._process.wait()
        except TimeoutError:
            raise AssertionError(
                f"{self.name} did not end within {within:g} s\n{self.last_words()}"
            ) from None

    def note(self, what: str, step: str = DONE) -> None:
        """Write into the parent's ledger that something happened to it."""
        self._ledger.write(Entry(op="fault", step=step, process=f"{self.name}:{self.pid}", detail=what))

    def last_words(self) -> str:
        """The end of its stderr."""
        return self._stderr.read_text(errors="replace")[-STDERR_SHOWN:]

    async def _signal(self, number: int, what: str) -> None:
        self.note(what, BEGUN)
        # It may have ended by itself, which is the same to us.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    async def bury(self) -> None:
        """End it whatever its state, and let go of its pipes."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            await self._process.stdin.wait_closed()
        await self._process.wait()
        await self._process.stdout.read()


class Children:
    """Starts programs of `tests/faults/programs` and buries them all in the end."""

    def __init__(self, folder: Path, ledgers: Path) -> None:
        self._folder = folder
        self._ledgers = ledgers
        self.ledger = Ledger(ledgers, "parent")
        self._all: list[Child] = []

    async def start(self, program: str, name: str | None = None, /, **config: Any) -> Child:
        """Run `programs/<program>.py` with a configuration; it need not be ready yet."""
        name = name or program
        stderr = self._folder / f"{name}-{len(self._all)}.stderr"
        inherited = os.environ.get("PYTHONPATH")
        told = {"name": name, "ledgers": os.fspath(self._ledgers), **config}
        with stderr.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-X",
                "faulthandler",
                os.fspath(TESTS / "faults" / "programs" / f"{program}.py"),
                json.dumps(told, default=os.fspath),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(filter(None, (os.fspath(TESTS), inherited))),
                },
                cwd=self._folder,
            )
        child = Child(name, process, self.ledger, stderr)
        self._all.append(child)
        return child

    async def close(self) -> None:
        """End what still runs, and show what they complained about should the test have failed."""
        for child in self._all:
            await child.bury()
            if words := child.last_words():
                print(f"--- stderr of {child.name}:{child.pid}\n{words}")  # noqa: T201
        self.ledger.close()
