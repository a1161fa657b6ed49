"""A child's side of the conversation with the test that started it."""

import asyncio
import json
import signal
import sys
import threading
from pathlib import Path
from typing import Any, NamedTuple

from postroom.kit.clock import SystemClock
from support.ledger import Ledger


class Order(NamedTuple):
    """What the parent wants, and where to keep the ledger."""

    config: dict[str, Any]
    ledger: Ledger

    def __getitem__(self, key: Any) -> Any:
        return self.config[key]

    def get(self, key: str, default: Any = None) -> Any:
        """A setting, or what holds without it."""
        return self.config.get(key, default)


def order() -> Order:
    """Read the configuration that the parent passed."""
    config = json.loads(sys.argv[1])
    return Order(config, Ledger(Path(config["ledgers"]), config["name"]))


def say(*words: object) -> None:
    """Tell the parent."""
    print(*words, flush=True)  # noqa: T201 - this is the conversation


def stand_still() -> None:
    """Stop this process here and now, until the parent lets it go on.

    The signal goes to this very thread, which stops on its way back from the call, before its next step.
    """
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


async def orders() -> asyncio.StreamReader:
    """The parent's lines, as they come."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    return reader


class MovedClock(SystemClock):
    """The machine's clock with an offset that can be changed: what a process sees whose clock is stepped."""

    def __init__(self, seconds: float = 0) -> None:
        self.offset_us = round(seconds * 1_000_000)

    def now_us(self) -> int:
        """The moved wall clock."""
        return super().now_us() + self.offset_us

    async def obey(self) -> None:
        """Carry out the parent's `clock SECONDS` until it hangs up."""
        lines = await orders()
        while line := await lines.readline():
            word, _, seconds = line.decode().strip().partition(" ")
            if word == "clock":
                self.offset_us = round(float(seconds) * 1_000_000)
                say("clock", seconds)
