"""The line to an SMTP server once it is open: commands out, replies in, and the moment when it ends.

Owns the transport after aiosmtplib has opened it. It knows how replies are spelt (RFC 5321 4.2) and how long to
wait, and nothing of mail. A reply that stays away is a value, `lost`, not an exception: the caller knows what the
silence means at its stage.
"""

import asyncio
import re
from typing import Final, NamedTuple

from postroom.delivery.outcome import Loss
from postroom.kit.clock import Clock

REPLY_BYTES_MAX: Final = 32_768
"""All that a server may say in one exchange, bytes; RFC 5321 4.5.3.1.5 has 512 a line."""

_LINE = re.compile(rb"([1-5][0-9][0-9])([ -]?)(.*?)\r?", re.DOTALL)


class Reply(NamedTuple):
    """A server's answer: its code, and its text with the lines joined by line feeds. The text may name people."""

    code: int
    text: str


class Wire(asyncio.Protocol):
    """One open connection. Takes over a transport that another protocol has made.

    Between transactions (`busy` false) a server has nothing to say but goodbye, so anything that arrives then ends
    the connection: a stale line is noticed when it goes stale and not when it is needed.
    """

    def __init__(self, transport: asyncio.Transport, clock: Clock) -> None:
        self.busy = False
        self.lost: Loss | None = None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport = transport
        self._clock = clock
        self._buffer = b""
        self._lines: list[str] = []
        self._replies: list[Reply] = []
        self._waiter: asyncio.Future[None] | None = None
        self._wanted = 0
        self._said = 0
        self._paused = False
        self._draining = False
        transport.set_protocol(self)

    @property
    def answered(self) -> bool:
        """Whether a reply has come that nobody has taken yet."""
        return bool(self._replies)

    def write(self, data: bytes) -> None:
        """Send bytes; nothing happens on a line that is lost."""
        if self.lost is None:
            self._transport.write(data)

    async def replies(self, count: int, timeout_seconds: float) -> list[Reply]:
        """The next `count` replies, or those that came before the line was lost; `lost` then says why."""
        if len(self._replies) < count and self.lost is None:
            await self._wait(count, timeout_seconds)
        taken, self._replies = self._replies[:count], self._replies[count:]
        self._said = 0
        return taken

    async def drained(self, timeout_seconds: float) -> None:
        """Wait until what was written has left for the network, a reply has come, or the line is lost."""
        if self._paused and not self._replies and self.lost is None:
            self._draining = True
            try:
                await self._wait(1, timeout_seconds)
            finally:
                self._draining = False

    def close(self) -> None:
        """End the connection after sending what was written."""
        self._end("closed")
        self._transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        self._end("closed")
        self._transport.abort()

    async def _wait(self, wanted: int, timeout_seconds: float) -> None:
        self._wanted = wanted
        self._waiter = asyncio.get_running_loop().create_future()
        timer = self._clock.call_later(timeout_seconds, self._expire)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _end(self, loss: Loss) -> None:
        self.lost = self.lost or loss
        self._wake()

    def _expire(self) -> None:
        self._end("timeout")
        self._transport.abort()

    def _read(self, line: bytes) -> None:
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError("not a reply")
        code, mark, text = match.groups()
        self._lines.append(text.decode("utf-8", "replace").strip())
        if mark != b"-":
            self._replies.append(Reply(int(code), "\n".join(self._lines)))
            self._lines = []

    def data_received(self, data: bytes) -> None:
        """Take in what the server says; called by the event loop."""
        if not self.busy:
            self.close()
            return
        self._said += len(data)
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        try:
            if self._said > REPLY_BYTES_MAX:
                raise ValueError("too long")
            for line in lines:
                self._read(line)
        except ValueError:
            self._end("malformed")
            self._transport.abort()
            return
        if len(self._replies) >= self._wanted:
            self._wake()

    def pause_writing(self) -> None:
        """The network does not keep up; called by the event loop."""
        self._paused = True

    def resume_writing(self) -> None:
        """The network has caught up; called by the event loop."""
        self._paused = False
        if self._draining:
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over; called by the event loop."""
        self._end("closed")
        if not self.closed.done():
            self.closed.set_result(None)
