"""Waking the other processes that have the same file open.

Each process binds a datagram socket in a folder beside the file; who has committed sends the others a short
note. A note costs microseconds, an idle process nothing. Notes are hints: they may be lost, so whoever waits
also looks at the file itself now and then.

Who comes or goes says so by a note without contents, so that nobody need look into the folder at every commit:

    newcomer   binds ── GREETING ──────────────► looks at the file and waits ◄── ANSWER: look once more
    other      ── commits, tells those it knows ──► reads the greeting, lists the folder ──┘
"""

import asyncio
import contextlib
import os
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

NOTE_BYTES = 4096
SOCKET_PATH_MAX = 100
"""Bytes; the kernel's limit for the name of a socket is 108 (104 on macOS)."""
NAME_BYTES = 25
"""The longest name of a socket, with the stroke before it: a process id of seven digits, eight random ones."""
DESCRIPTORS = Path("/proc/self/fd")
"""Where Linux shows a process its open files: a short way into a folder with a long name."""
PAUSE_SECONDS = 0.0005
"""Notes are at least so far apart: a busy writer tells its peers 2,000 times a second, not at every commit."""
GREETING = b""
"""Somebody has come or gone."""
ANSWER = b"\n"
"""To a newcomer: what was committed before its greeting was read, it was not told of."""
LOOK_SECONDS = 0.25
"""How often the folder is looked at all the same: greetings may be lost, and a killed process sends none."""
SETTLING_NS = 50_000_000


class Peers:
    """The processes that share one file. `folder` exists and is writable."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = f"{os.getpid()}.{secrets.token_hex(4)}.sock"
        self._socket: socket.socket | None = None
        self._short: str | None = None
        self._opened: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listed_ns = -1
        self._others: list[str] = []
        self._told = 0.0
        self._look_at = 0.0
        self._owed: set[bytes] = set()

    def listen(self, loop: asyncio.AbstractEventLoop, heard: Callable[[bytes], None]) -> None:
        """Call `heard` in the loop with each note that another process sends, an empty one for "look everywhere".

        See `deaf`.
        """
        self._short = self._way()
        if self._short is None or not hasattr(socket, "AF_UNIX"):
            return
        path = self._path(self._name)
        own = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        own.setblocking(False)
        try:
            own.bind(path)
            loop.add_reader(own.fileno(), self._read, own, heard)
        except (OSError, NotImplementedError):
            own.close()
            return
        self._socket, self._loop = own, loop
        self._send(GREETING, self._known())

    def tell(self, note: bytes) -> None:
        """Send a note to every other process, or owe it when one has just been sent."""
        self._owed.add(note)
        if time.monotonic() - self._told >= PAUSE_SECONDS:
            self.flush()

    @property
    def alone(self) -> bool:
        """Whether no other process has the file open, as far as is known here."""
        return not self._known() and self._socket is not None

    @property
    def deaf(self) -> bool:
        """Whether no notes can come, so that only looks at the file tell what other processes did."""
        return self._socket is None

    @property
    def owing(self) -> bool:
        """Whether a note still has to be sent; `flush` sends it."""
        return bool(self._owed)

    def flush(self) -> None:
        """Send what is owed."""
        if not self._owed:
            return
        notes, self._owed = b"\n".join(self._owed)[:NOTE_BYTES], set()
        self._told = time.monotonic()
        self._send(notes, self._known())

    def close(self) -> None:
        """Stop listening and take the socket out of the folder."""
        own = self._socket
        if own is not None:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_reader(own.fileno())
            with contextlib.suppress(OSError):
                os.unlink(self._folder / self._name)
            self._send(GREETING, self._known())
            self._socket = None
            own.close()
        # Last: its number may be another file's from now on, and nobody sends any more.
        opened, self._opened = self._opened, None
        if opened is not None:
            os.close(opened)

    def _send(self, note: bytes, others: Sequence[str]) -> None:
        if self._socket is None:
            return
        for other in others:
            try:
                self._socket.sendto(note, other)
            except (ConnectionRefusedError, FileNotFoundError):
                # Its process is gone (killed before it could clean up).
                self._look_at = 0.0
                with contextlib.suppress(OSError):
                    os.unlink(other)
            except OSError:
                # Its buffer is full: it has notes enough to wake up.
                continue

    def _known(self) -> list[str]:
        """The others, as of the last greeting or look."""
        now = time.monotonic()
        if now >= self._look_at:
            # Before the look: a greeting that comes meanwhile asks for another.
            self._look_at = now + LOOK_SECONDS
            self._list()
        return self._others

    def _list(self) -> None:
        try:
            changed = os.stat(self._folder).st_mtime_ns
            if changed != self._listed_ns:
                self._others = [
                    self._path(entry)
                    for entry in os.listdir(self._folder)
                    if entry.endswith(".sock") and entry != self._name
                ]
                # A folder that changed just now may change again within the same tick of its clock.
                settled = time.time_ns() - changed >= SETTLING_NS
                self._listed_ns = changed if settled else -1
        except OSError:
            self._others = []

    def _path(self, name: str) -> str:
        return f"{self._short}/{name}"

    def _way(self) -> str | None:
        """The folder by a name that leaves room for a socket's, or None."""
        folder = os.fspath(self._folder)
        if self._fits(folder):
            return folder
        if DESCRIPTORS.is_dir():
            with contextlib.suppress(OSError):
                self._opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                return f"{DESCRIPTORS}/{self._opened}"
        # Elsewhere the name as seen from here may be short enough, for as long as the process stays here.
        relative = os.path.relpath(folder)
        return relative if self._fits(relative) else None

    def _fits(self, folder: str) -> bool:
        return len(os.fsencode(folder)) + NAME_BYTES <= SOCKET_PATH_MAX

    def _read(self, own: socket.socket, heard: Callable[[bytes], None]) -> None:
        notes: set[bytes] = set()
        greeted = False
        with contextlib.suppress(BlockingIOError, InterruptedError, OSError):
            for _ in range(64):
                received = own.recv(NOTE_BYTES)
                greeted = greeted or received == GREETING
                notes.update(received.split(b"\n"))
        if greeted:
            self._greet()
        for note in notes:
            heard(note)

    def _greet(self) -> None:
        before = self._others
        self._look_at = 0.0
        self._send(ANSWER, [other for other in self._known() if other not in before])
