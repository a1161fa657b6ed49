"""The operators' pages with a million messages and ten thousand dead letters, and what ten dashboards cost the queue.

`pages`: the time of `postroom serve` for each page, at the 95th percentile of many requests one after the other, measured
at the client beside the service. The database has a million jobs with their messages, ten thousand dead letters, and
minutes and quarters of figures for thirty days.
`dashboards`: `postroom consume` works off a backlog of text messages to the provider that only records them, while ten
clients hold the overview's stream and read the overview every five seconds; the yardstick is the same without them.
"""

import asyncio
import json
import os
import random
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.kit import options, report, spawn
from bench.kit.measure import compare, percentile
from bench.kit.report import Line

MESSAGES_DEFAULT = 1_000_000
DEAD_DEFAULT = 10_000
REQUESTS_DEFAULT = 60
DRAINED_DEFAULT = 20_000
DASHBOARDS = 10
PART = 20_000
QUEUE, GRAVE = "message-delivery", "dlq"
KINDS = 12
"""Kinds of failures among the dead letters."""
PATHS = {
    "overview": "/app/overview",
    "overview, 30 d": "/app/overview?window=30d",
    "queues": "/app/queues",
    "queue": "/app/queues/message-delivery",
    "peek": "/app/queues/dlq/peek",
    "jobs": "/app/jobs",
    "jobs, failed": "/app/jobs?status=failed",
    "jobs, by the text of the error": "/app/jobs?text=kind+number+7",
    "jobs, a rare type": "/app/jobs?type=cleanup",
    "dead letters": "/app/dead-letters",
    "workers": "/app/workers",
    "providers": "/app/providers",
    "webhooks": "/app/webhooks",
    "exports": "/app/exports",
    "audit": "/app/audit",
    "audit, by action": "/app/audit?action=queue.paused",
    "alerts": "/app/alerts",
    "storage": "/app/storage",
}


def environ_of(folder: Path, port: int) -> dict[str, str]:
    """Settings of the service; those of the caller's shell do not reach it."""
    return {
        **{name: "" for name in os.environ if name.startswith("POSTROOM_")},
        "POSTROOM_ENVIRONMENT": "local", "POSTROOM_LOG_LEVEL": "warning", "POSTROOM_PORT": str(port),
        "POSTROOM_DATABASE_URL": f"sqlite:///{folder / 'p.db'}", "POSTROOM_DELAY_NORMAL_SECONDS": "0",
    }  # fmt: skip


async def fill(folder: Path, messages: int, dead: int) -> None:
    """A million messages that were sent, and dead letters of a dozen kinds, in the queue as on record."""
    from postroom.settings import load
    from postroom.wiring import open_application

    environ = {name: value for name, value in environ_of(folder, 0).items() if value}
    async with open_application(load(environ, folder=folder).settings, consume=False) as app:
        begin_us = app.clock.now_us() - 30 * 86_400_000_000
        for start in range(0, messages, PART):
            count = min(PART, messages - start)
            report.progress(f"filling: {start:,} of {messages:,} messages")
            await app.store.write(lambda t, start=start, count=count: _done(t, start, count, begin_us))
        queue = app.queues[QUEUE]
        await app.queues.create(GRAVE)
        for start in range(0, dead, 100):
            report.progress(f"filling: {start:,} of {dead:,} dead letters")
            bodies = [
                {"body": {"type": "sms_send", "messageId": f"d{n}"}}
                for n in range(start, min(start + 100, dead))
            ]
            await queue.send_batch(bodies)
            pulled = await queue.pull(batch_size=100)
            await queue.settle(
                dead_letters={one.lease_id: _reason(start + n) for n, one in enumerate(pulled.messages)}
            )
            ids = [one.id for one in pulled.messages]
            await app.store.write(lambda t, start=start, ids=ids: _failed(t, start, ids, app.clock.now_us()))
        await app.store.write(lambda t: _figures(t, app.clock.now_us()))


def _reason(number: int) -> str:
    return f"the provider refused it: kind number {number % KINDS}"


def _done(transaction: Any, start: int, count: int, begin_us: int) -> None:
    rows = [(f"j{n:x}", f"m{n}", begin_us + n * 2_000_000) for n in range(start, start + count)]
    transaction.connection.executemany(
        "INSERT INTO jobs (id, type, queue, reference, priority, status, attempts, max_attempts, created_us, updated_us,"
        " finished_us) VALUES (?1, 'sms_send', 'message-delivery', ?2, 'normal', 'done', 1, 3, ?3, ?3, ?3)", rows,
    )  # fmt: skip
    transaction.connection.executemany(
        "INSERT INTO messages (id, channel, recipient, content, status, job_id, version, generation, created_us,"
        " updated_us) VALUES (?2, 'sms', 'sealed', 'sealed', 'sent', ?1, 1, 1, ?3, ?3)", rows,
    )  # fmt: skip
    transaction.connection.executemany(
        "INSERT INTO message_events (message_id, at_us, kind, actor) VALUES (?2, ?3, 'created', 'shop')",
        rows,
    )


def _failed(transaction: Any, start: int, ids: list[str], now_us: int) -> None:
    from postroom.messages.failures import note_failure

    for number, id_ in enumerate(ids, start):
        transaction.run(
            "insert_job", id=id_, type="sms_send", queue=QUEUE, reference=f"d{number}", priority="normal",
            status="failed", max_attempts=3, now_us=now_us, send_at_us=None, trace_id=None,
        )  # fmt: skip
        print_ = note_failure(
            transaction, "sms_send", f"E{number % KINDS}", f"kind {'abcdefghijkl'[number % KINDS]}", now_us
        )
        transaction.run(
            "change_job", id=id_, status="failed", attempts=3, now_us=now_us, next_us=None, finished_us=now_us,
            code=f"E{number % KINDS}", reason=_reason(number), fingerprint=print_,
        )  # fmt: skip


def _figures(transaction: Any, now_us: int) -> None:
    """What meters would have written in thirty days."""
    draw = random.Random(7)
    for span_us, points in ((60_000_000, 2880), (900_000_000, 2880)):
        for number in range(points):
            at = (now_us // span_us - number) * span_us
            histogram = json.dumps({str(draw.randint(60, 90)): draw.randint(1, 50) for _ in range(12)})
            for queue in (QUEUE, "delivery-events", GRAVE):
                transaction.run(
                    "write_metrics", minute_us=at, queue=queue, span_us=span_us, done=draw.randint(0, 900),
                    failed=draw.randint(0, 9), retried=draw.randint(0, 9), waits=histogram, runs=histogram,
                    entered=draw.randint(0, 900), backlog=draw.randint(0, 900), in_flight=5, oldest_us=5_000_000,
                )  # fmt: skip


def measure_pages(folder: Path, requests: int) -> list[Line]:
    """Milliseconds at the 95th percentile, page by page."""
    lines = []
    with _serving(folder) as port:
        for name, path in PATHS.items():
            report.progress(f"pages: {name}")
            times = sorted(_timed(port, path) for _ in range(requests))
            p50, p95 = percentile(times, 0.5) * 1e3, percentile(times, 0.95) * 1e3
            lines.append(
                Line(
                    name="pages",
                    what=name,
                    ours=f"p50 {p50:.1f} ms, p95 {p95:.1f} ms",
                    value=p95,
                    ratio=False,
                )
            )
    return lines


def measure_dashboards(folder: Path, jobs: int, rounds: int) -> Line:
    """The drain rate with ten dashboards open against the rate with none."""
    with _serving(folder) as port:

        def alone() -> float:
            return _drain(folder, port, jobs)

        def watched() -> float:
            with _dashboards(port):
                return _drain(folder, port, jobs)

        found = compare("dashboards", rounds, ours=watched, yardstick=alone)
    low, high = found.range
    return Line(
        name="dashboards", what=f"drain, {DASHBOARDS} dashboards open", ours=report.rate(found.middle.ours),
        yardstick=report.rate(found.middle.yardstick), value=found.middle.ratio, low=low, high=high,
    )  # fmt: skip


@contextmanager
def _serving(folder: Path) -> Iterator[int]:
    port = spawn.free_port()
    with spawn.running(
        spawn.module("postroom", "serve"), environ=environ_of(folder, port), folder=folder
    ) as process:
        spawn.wait("the service", lambda: spawn.answers(port), process)
        _timed(port, "/app/overview")
        yield port


def _timed(port: int, path: str) -> float:
    begin = time.perf_counter()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        answer.read()
    return time.perf_counter() - begin


def _drain(folder: Path, port: int, jobs: int) -> float:
    """Jobs a second, from the start of the consumer's work until the queue is empty."""
    mark = time.monotonic_ns()
    _ask(port, f"/api/queues/{QUEUE}/pause", {})
    for start in range(0, jobs, 100):
        batch = [
            {"type": "sms_send", "messageId": f"b{mark}-{n}", "recipient": "+14155552671", "content": "x"}
            for n in range(start, min(start + 100, jobs))
        ]
        _ask(port, "/api/enqueue-batch", {"jobs": batch})
    with spawn.running(
        spawn.module("postroom", "consume"), environ=environ_of(folder, 0), folder=folder
    ) as process:
        spawn.wait("the consumer", lambda: _consumed(port), process)
        begin = time.perf_counter()
        _ask(port, f"/api/queues/{QUEUE}/resume", None)
        spawn.wait("the drain", lambda: not _backlog(port), process, seconds=600)
        return jobs / (time.perf_counter() - begin)


def _consumed(port: int) -> bool:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/workers", timeout=60) as answer:
        return any(QUEUE in one["queues"] for one in json.load(answer)["workers"])


def _backlog(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/queues/{QUEUE}", timeout=60) as answer:
        return int(json.load(answer)["backlogCount"])


def _ask(port: int, path: str, body: Any) -> None:
    data = b"" if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", data, {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()


@contextmanager
def _dashboards(port: int) -> Iterator[None]:
    """Ten clients with the overview open: each holds its stream, and loads the page anew now and then."""
    over = threading.Event()
    with ExitStack() as stack:
        threads = [
            threading.Thread(target=work, args=(port, over))
            for work in (_watch, _reload)
            for _ in range(DASHBOARDS)
        ]
        for thread in threads:
            thread.start()

        @stack.callback
        def end() -> None:
            over.set()
            for thread in threads:
                thread.join()

        yield


def _watch(port: int, over: threading.Event) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/app/overview/live", timeout=60) as stream:
        while not over.is_set():
            stream.readline()


def _reload(port: int, over: threading.Event) -> None:
    while not over.wait(5):
        _timed(port, "/app/overview")


def main() -> None:
    """See the module."""
    made = options.parser("bench.pages", __doc__)
    made.add_argument("--messages", type=options.positive, default=MESSAGES_DEFAULT)
    made.add_argument("--dead", type=options.positive, default=DEAD_DEFAULT)
    made.add_argument("--requests", type=options.positive, default=REQUESTS_DEFAULT, help="of each page")
    made.add_argument("--drained", type=options.positive, default=DRAINED_DEFAULT, help="jobs of a drain")
    given = made.parse_args()
    with options.explained(), spawn.scratch(given.dir) as folder:
        asyncio.run(fill(folder, given.messages, given.dead))
        lines = measure_pages(folder, given.requests)
        lines.append(measure_dashboards(folder, given.drained, given.rounds))
        notes = [
            f"{given.messages:,} messages, {given.dead:,} dead letters; requests one after the other, the client on the "
            "same machine.",
            f"A drain is of {given.drained:,} text messages to the provider that only records them.",
        ]
        report.put(report.section("Pages", lines, notes), as_json=given.json)


if __name__ == "__main__":
    main()
