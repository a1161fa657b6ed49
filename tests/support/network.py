"""A network that fails: a proxy before a server that can delay, freeze, cut and half-close its connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Self


class Proxy:
    """Passes bytes on, unless told otherwise."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._open = asyncio.Event()
        self._open.set()
        self._delay_seconds = 0.0
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refusing = False
        self.port = 0

    async def start(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def delay(self, seconds: float) -> None:
        """Every piece takes so much longer, either way."""
        self._delay_seconds = seconds

    def freeze(self, frozen: bool) -> None:
        """Nothing passes, and nobody is told."""
        (self._open.clear if frozen else self._open.set)()

    def refuse(self, refusing: bool) -> None:
        """Cut everything, and close whatever comes."""
        self._refusing = refusing
        if refusing:
            self.cut()

    def cut(self) -> None:
        """Reset every connection."""
        for pair in list(self._pairs):
            for writer in pair:
                writer.transport.abort()

    def half_close(self) -> None:
        """Tell the clients that the server will say no more, while what they say still arrives."""
        for client, _ in list(self._pairs):
            with contextlib.suppress(OSError, RuntimeError):
                client.write_eof()

    async def stop(self) -> None:
        self._server.close()
        self.cut()
        self._open.set()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, there_writer)
        self._pairs.add(pair)
        ways = [
            asyncio.create_task(self._pass(reader, there_writer)),
            asyncio.create_task(self._pass(there_reader, writer)),
        ]
        self._tasks.update(ways)
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        self._tasks.difference_update(ways)
        self._pairs.discard(pair)
        for one in pair:
            one.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            while piece := await reader.read(65_536):
                if self._delay_seconds:
                    await asyncio.sleep(self._delay_seconds)
                await self._open.wait()
                writer.write(piece)
                await writer.drain()


@contextlib.asynccontextmanager
async def between(port: int) -> AsyncIterator[Proxy]:
    """A proxy before a port of this machine."""
    proxy = await Proxy(port).start()
    try:
        yield proxy
    finally:
        await proxy.stop()
