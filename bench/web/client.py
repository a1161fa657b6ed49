"""A load generator for where `wrk` is missing: `python -m bench.web.client PORT PATH SECONDS ...`.

Raw sockets with keep-alive, in a process of its own. It takes more of the machine than wrk does, so the rates
are lower, for every server alike.
"""

import argparse
import asyncio
import itertools
import time
from collections.abc import Iterator
from typing import cast

import msgspec
import uvloop

from bench.kit import jobs
from bench.kit.measure import percentile
from bench.web.load import MARK, Load


class Connection(asyncio.Protocol):
    """Sends a request, waits for its answer, and so on."""

    def __init__(self, requests: Iterator[bytes], until: float) -> None:
        self.latencies_ms: list[float] = []
        self.refused = 0
        self.broken = 0
        self.ended = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._until = until
        self._received = b""
        self._transport: asyncio.WriteTransport | None = None
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.WriteTransport, transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        """Collect an answer; when it is whole, send the next request."""
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or len(body) < _length(head):
            return
        self.latencies_ms.append((time.perf_counter() - self._sent) * 1000)
        self.refused += not head.startswith(b"HTTP/1.1 2")
        self._received = b""
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        """Note an answer that never came."""
        if not self.ended.done():
            self.broken += 1
            self.ended.set_result(None)

    def _next(self) -> None:
        assert self._transport is not None
        self._sent = time.perf_counter()
        if self._sent < self._until:
            self._transport.write(next(self._requests))
        else:
            self.ended.set_result(None)
            self._transport.close()


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0


def _requests(path: str, run: str) -> Iterator[bytes]:
    for number in itertools.count():
        body = jobs.encode({**jobs.make(0), "messageId": f"{run}-{number:08d}"})
        yield (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body


async def _run(port: int, path: str, seconds: float, connections: int, run: str) -> Load:
    loop, requests = asyncio.get_running_loop(), _requests(path, run)
    started = time.perf_counter()
    made = [
        (await loop.create_connection(lambda: Connection(requests, started + seconds), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.wait([one.ended for one in made])
    taken = time.perf_counter() - started
    latencies = sorted(itertools.chain.from_iterable(one.latencies_ms for one in made))
    return Load(
        requests=len(latencies),
        seconds=taken,
        refused=sum(one.refused for one in made),
        broken=sum(one.broken for one in made),
        p50_ms=percentile(latencies, 0.5),
        p99_ms=percentile(latencies, 0.99),
    )


def main() -> None:
    """Print a Load as JSON behind MARK, as the wrk script does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("seconds", type=float)
    parser.add_argument("connections", type=int)
    parser.add_argument("run")
    given = parser.parse_args()
    load = uvloop.run(_run(given.port, given.path, given.seconds, given.connections, given.run))
    print(MARK, msgspec.json.encode(load).decode())


if __name__ == "__main__":
    main()
