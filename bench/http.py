"""`POST /api/enqueue-job` against the same endpoint in FastAPI + pydantic, each with an awaited durable insert.

One server process each, uvicorn with uvloop and httptools, the same store behind both; the loads come in turn
from another process over keep-alive connections, each job with a messageId of its own.
"""

import contextlib
import json
import os
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from bench.kit import jobs, machine, options, report, spawn
from bench.kit.measure import compare
from bench.kit.report import Line
from bench.web import load
from bench.web.peer import ADDRESSES

SERVE: Final = spawn.module("postroom", "serve")
"""The command that serves Postroom's API alone."""
ENVIRONMENT: Final = {"POSTROOM_ENVIRONMENT": "local", "POSTROOM_LOG_LEVEL": "warning"}
"""What it is told besides its database and port; the peer reads the same settings."""
DATABASE_VARIABLE: Final = "POSTROOM_DATABASE_URL"
PORT_VARIABLE: Final = "POSTROOM_PORT"
CONNECTIONS_DEFAULT: Final = 64
SECONDS_DEFAULT: Final = 8.0
WARM_UP_SECONDS: Final = 1.0
STORED: Final = "SELECT count(*) FROM postroom_messages"
PEERS: Final = {
    "emailstr": "FastAPI + pydantic, recipients checked by EmailStr",
    "pattern": "FastAPI + pydantic, recipients checked by a short regular expression",
}


class Server:
    """A running server, the file behind it, and what was put into it."""

    def __init__(self, process: spawn.Process, port: int, path: Path) -> None:
        self.process = process
        self.port = port
        self.path = path
        self.answered = 0
        self.loads: list[load.Load] = []

    def run(self, seconds: float, connections: int) -> float:
        """Put a load on it; answers a second."""
        self.process.check()
        made = load.put(self.port, seconds, connections)
        self.answered += made.requests
        self.loads.append(made)
        return made.rate

    def check_stored(self) -> None:
        """Raise BenchFailed unless every answer stands for a stored message."""
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            (stored,) = connection.execute(STORED).fetchone()
        if stored < self.answered:
            raise spawn.BenchFailed(f"{self.answered} jobs were accepted, but only {stored} are stored")

    def latencies(self) -> str:
        """The median load's latencies."""
        middle = sorted(self.loads, key=lambda one: one.p99_ms)[(len(self.loads) - 1) // 2]
        return f"p50 {middle.p50_ms:.1f} ms, p99 {middle.p99_ms:.1f} ms"


Command = Callable[[int], Sequence[str]]
"""The command that serves on a port."""


def postroom(port: int) -> Sequence[str]:
    """Postroom's own server; its port is in the environment."""
    return SERVE


def fastapi(addresses: str, port: int) -> Sequence[str]:
    """The peer."""
    return spawn.module("bench.web.peer", port, addresses)


@contextlib.contextmanager
def serving(command: Command, parent: Path) -> Iterator[Server]:
    """A server on a new database for the length of a block, warmed up by a first job."""
    with spawn.scratch(parent) as folder:
        path, port = folder / "p.db", spawn.free_port()
        with spawn.running(command(port), environ=environment(path, port), folder=folder) as process:
            spawn.wait("the server to listen", lambda: spawn.answers(port), process)
            post(port, load.PATH, {**jobs.make(0), "messageId": "first"}, process)
            yield Server(process, port, path)


def environment(path: Path, port: int, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Settings of a service under test; those of the caller's shell do not reach it."""
    foreign = {name: "" for name in os.environ if name.startswith("POSTROOM_")}
    settings = {DATABASE_VARIABLE: f"sqlite:///{path}", PORT_VARIABLE: str(port)}
    return {**foreign, **ENVIRONMENT, **settings, **(more or {})}


def post(port: int, path: str, body: object, process: spawn.Process) -> None:
    """One request whose answer must be a success; raises BenchFailed with the answer."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=spawn.START_SECONDS):
            return
    except urllib.error.HTTPError as refused:
        text = refused.read(1000).decode(errors="replace")
        raise spawn.BenchFailed(f"POST {path} was answered {refused.code}: {text}") from refused
    except OSError as error:
        raise spawn.BenchFailed(f"POST {path} failed: {error}\n{process.tail()}") from error


def measure(
    folder: Path, ours: Command, *, addresses: Sequence[str], rounds: int, seconds: float, connections: int
) -> report.Section:
    """Compare with the peer once for each way of checking addresses."""
    lines, notes = [], []
    for number, kind in enumerate(addresses):
        with serving(ours, folder) as own, serving(partial(fastapi, kind), folder) as peer:
            for server in (own, peer):
                server.run(WARM_UP_SECONDS, connections)
                server.loads.clear()
            made = compare(
                f"http, {kind}",
                rounds,
                ours=partial(own.run, seconds, connections),
                yardstick=partial(peer.run, seconds, connections),
            )
            own.check_stored()
            peer.check_stored()
        middle, (low, high) = made.middle, made.range
        lines.append(
            Line(
                # The target is about the peer that checks as much as we do.
                name="http" if number == 0 else f"http-{kind}",
                what=f"POST {load.PATH} (yardstick: {PEERS[kind]})",
                ours=f"{middle.ours:,.0f}/s, {own.latencies()}",
                yardstick=f"{middle.yardstick:,.0f}/s, {peer.latencies()}",
                value=middle.ratio,
                low=low,
                high=high,
            )
        )
    packages = ", ".join(f"{name} {machine.installed(name)}" for name in ("fastapi", "pydantic", "litestar"))
    notes.append(
        f"{connections} connections, {seconds:g} s a load by {load.generator()}, rounds: {rounds}, each between "
        f"two loads on the peer; one server process each (uvicorn {machine.installed('uvicorn')}); {packages}."
    )
    notes.append(
        "Both store the same records through Postroom's ledger, in one durable transaction that is awaited; "
        "every answer was a success and stands for a stored message."
    )
    return report.section("HTTP", lines, notes)


def main() -> None:
    """`python -m bench.http`."""
    parser = options.parser("bench.http", __doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS_DEFAULT, help="length of a load (8)")
    parser.add_argument("--connections", type=options.positive, default=CONNECTIONS_DEFAULT)
    parser.add_argument(
        "--addresses",
        action="append",
        choices=ADDRESSES,
        help="how the peer checks recipients; the first one given has the target (both)",
    )
    parser.add_argument(
        "--peer-only", action="store_true", help="compare the peer with itself: a test of the benchmark"
    )
    given = parser.parse_args()
    addresses = given.addresses or list(ADDRESSES)
    ours: Command = partial(fastapi, addresses[0]) if given.peer_only else postroom
    with options.explained(), spawn.scratch(given.dir) as folder:
        section = measure(
            folder,
            ours,
            addresses=addresses,
            rounds=given.rounds,
            seconds=given.seconds,
            connections=given.connections,
        )
    if given.peer_only:
        section.title += " (the peer against itself)"
    report.put(section, as_json=given.json)


if __name__ == "__main__":
    main()
