"""A relay that pipelines, counts and misbehaves on order: what the aiosmtpd mailbox cannot do."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable
from typing import Self

HANG_UP = "hang up"
SILENCE = "silence"

DEFAULTS = {
    "greeting": "220 relay.example",
    "rset": "250 2.0.0 OK",
    "noop": "250 2.0.0 OK",
    "mail": "250 2.1.0 OK",
    "rcpt": "250 2.1.5 OK",
    "data": "354 go ahead",
    "dot": "250 2.0.0 OK: queued as Q1",
    "quit": "221 2.0.0 bye",
}


class Relay:
    """Answers from `replies[step]`, in order, and with success when they run out.

    Steps are greeting, ehlo, mail, rcpt, data, dot, rset and quit. `HANG_UP` and `SILENCE` are replies too, and
    a reply that ends with `HANG_UP` is given before hanging up.
    """

    def __init__(
        self, *, extensions: Iterable[str] = ("PIPELINING", "SIZE 100000000"), **replies: list[str]
    ) -> None:
        self.extensions = list(extensions)
        self.replies = defaultdict(deque, {step: deque(answers) for step, answers in replies.items()})
        self.commands: list[str] = []
        self.contents: list[bytes] = []
        self.connections = 0
        self.chunks: list[bytes] = []
        self.read_content = True
        self.eager = False
        """Say 354 even without a recipient, as RFC 2920 3.1 allows."""
        self.reached: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._gone: asyncio.Event = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**27)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def hang_up(self) -> None:
        """Close every connection that is open."""
        for writer in self._writers:
            writer.close()

    def say(self, text: bytes) -> None:
        """Say something that nobody asked for, on every connection."""
        for writer in self._writers:
            writer.write(text)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.connections += 1
        try:
            await self._talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._answer("greeting", writer)
        ready = {"mail": False, "rcpt": False}
        while True:
            line = (await reader.readuntil(b"\r\n")).decode().strip()
            self.commands.append(line)
            verb = line.partition(" ")[0].lower()
            needed = {"rcpt": "mail", "data": "rcpt"}.get(verb)
            if needed and not ready[needed] and not self.eager:
                writer.write(b"503 5.5.1 bad sequence\r\n")
                continue
            if ready.get(verb):
                writer.write(b"503 5.5.1 once is enough\r\n")
                continue
            reply = await self._answer(verb, writer)
            if verb in ready:
                ready[verb] = reply.startswith("250")
            elif verb in ("rset", "data"):
                ready = {"mail": verb == "data" and ready["mail"], "rcpt": False}
            if verb == "data" and reply.startswith("354"):
                if not self.read_content:
                    self.reached["content"].set()
                    await self._gone.wait()
                content = await reader.readuntil(b"\r\n.\r\n")
                self.contents.append(content[:-3])
                ready = {"mail": False, "rcpt": False}
                await self._answer("dot", writer)
            if verb == "quit":
                raise ConnectionResetError

    async def _answer(self, step: str, writer: asyncio.StreamWriter) -> str:
        if self.replies[step]:
            reply = self.replies[step].popleft()
        elif step == "ehlo":
            reply = "\r\n".join(
                [f"250-{line}" for line in ("relay.example", *self.extensions)] + ["250 HELP"]
            )
        else:
            reply = DEFAULTS[step]
        self.reached[step].set()
        if reply == SILENCE:
            await self._gone.wait()
        spoken = reply.removesuffix(HANG_UP)
        if spoken:
            writer.write(spoken.encode() + b"\r\n")
        if spoken != reply:
            await writer.drain()
            raise ConnectionResetError
        return reply
