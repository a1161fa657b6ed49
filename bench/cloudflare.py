"""Cloudflare's API: batch push of 100, pull of 100 and ack over HTTP, against the same on the queue without HTTP.

One `postroom serve` on SQLite, clients in this process on keep-alive connections; every message is pushed, pulled and
acknowledged, each step durable when it is answered. The yardstick does the same through `postroom.queues` in this
process, on a file of its own: the ratio is what HTTP, JSON and Base64 leave of it. Cloudflare lets 5,000 messages a
second through a queue.
"""

import asyncio
import sqlite3
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx2
import uvloop

from bench.http import SERVE, environment
from bench.kit import jobs, options, report, spawn
from bench.kit.measure import compare
from bench.kit.report import Line

MESSAGES_DEFAULT: Final = 30_000
CLIENTS: Final = 8
BATCH: Final = 100
ACCOUNT: Final = "706f7374726f6f6d0000000000000000"
QUEUE: Final = "bench"


async def _over_http(base: str, count: int) -> float:
    limits = httpx2.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS)
    headers = {"authorization": "Bearer any"}
    async with httpx2.AsyncClient(base_url=base, limits=limits, headers=headers, trust_env=False) as client:

        async def ask(method: str, path: str, body: Any = None) -> Any:
            answer = await client.request(method, f"/accounts/{ACCOUNT}/queues{path}", json=body, timeout=30)
            envelope = answer.json()
            if not envelope["success"]:
                raise spawn.BenchFailed(f"{method} {path} was answered {answer.status_code}: {answer.text[:500]}")
            return envelope["result"]

        found = await ask("GET", f"?name={QUEUE}")
        if not found:
            found = [await ask("POST", "", {"queue_name": QUEUE})]
            await ask("POST", f"/{found[0]['queue_id']}/consumers", {"type": "http_pull"})
        path = f"/{found[0]['queue_id']}/messages"
        numbers = iter(range(0, count, BATCH))

        async def work() -> None:
            for start in numbers:
                batch = [{"body": jobs.make(number)} for number in range(start, start + BATCH)]
                await ask("POST", f"{path}/batch", {"messages": batch})
                pulled = await ask("POST", f"{path}/pull", {"batch_size": BATCH})
                acks = [{"lease_id": one["lease_id"]} for one in pulled["messages"]]
                await ask("POST", f"{path}/ack", {"acks": acks})

        started = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(CLIENTS)))
        # What one client pushed another may have pulled: the rest, if there is any.
        while pulled := (await ask("POST", f"{path}/pull", {"batch_size": BATCH}))["messages"]:
            await ask("POST", f"{path}/ack", {"acks": [{"lease_id": one["lease_id"]} for one in pulled]})
        return count / (time.perf_counter() - started)


async def _without_http(url: str, count: int) -> float:
    from postroom.queues import connect

    async with connect(url) as queues:
        queue = queues[QUEUE]
        numbers = iter(range(0, count, BATCH))

        async def work() -> None:
            for start in numbers:
                await queue.send_batch([{"body": jobs.make(number)} for number in range(start, start + BATCH)])
                pulled = await queue.pull(batch_size=BATCH)
                await queue.settle(acks=[one.lease_id for one in pulled.messages])

        started = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(CLIENTS)))
        while (pulled := await queue.pull(batch_size=BATCH)).messages:
            await queue.settle(acks=[one.lease_id for one in pulled.messages])
        return count / (time.perf_counter() - started)


def yardstick(parent: Path, count: int) -> float:
    """Messages a second through the queue itself."""
    with spawn.scratch(parent) as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(asyncio.wait_for(_without_http(f"sqlite:///{folder / 'y.db'}", count), 300))


def measure(parent: Path, count: int, rounds: int) -> report.Section:
    """Compare."""
    with spawn.scratch(parent) as folder:
        port, path = spawn.free_port(), folder / "p.db"
        with spawn.running(SERVE, environ=environment(path, port), folder=folder) as process:
            spawn.wait("the server to listen", lambda: spawn.answers(port), process)

            def ours() -> float:
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    base = f"http://127.0.0.1:{port}/client/v4"
                    return runner.run(asyncio.wait_for(_over_http(base, count), 300))

            ours()
            made = compare("cloudflare", rounds, ours=ours, yardstick=partial(yardstick, folder, count))
        with closing(sqlite3.connect(path)) as connection:
            ((left,),) = connection.execute(
                "SELECT backlog_count FROM postroom_queues WHERE name = ?", (QUEUE,)
            ).fetchall()
        if left:
            raise spawn.BenchFailed(f"{left} messages were left in the queue")
    middle, (low, high) = made.middle, made.range
    rates = {"ours": report.rate(middle.ours), "yardstick": report.rate(middle.yardstick)}
    lines = [
        Line(
            name="cloudflare", what=f"push, pull and ack of {BATCH} over HTTP, {CLIENTS} clients", **rates,
            value=middle.ours, ratio=False,
        ),
        Line(
            name="cloudflare-ratio", what="the same, as a share of the queue without HTTP", **rates,
            value=middle.ratio, low=low, high=high,
        ),
    ]  # fmt: skip
    notes = [
        f"{count:,} messages of 350 bytes a run, rounds: {rounds}; one server process; the clients take a core of "
        "their own. A message counts once it was pushed, pulled and acknowledged; none was left."
    ]
    return report.section("Cloudflare's API", lines, notes)


def main() -> None:
    """`python -m bench.cloudflare`."""
    parser = options.parser("bench.cloudflare", __doc__)
    parser.add_argument("--messages", type=options.positive, default=MESSAGES_DEFAULT)
    given = parser.parse_args()
    with options.explained(), spawn.scratch(given.dir) as folder:
        section = measure(folder, given.messages, given.rounds)
    report.put(section, as_json=given.json)


if __name__ == "__main__":
    main()
