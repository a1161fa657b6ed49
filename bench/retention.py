"""A million records are exported, archived, deleted and verified, while somebody sends.

    entries of the audit trail, chained     exported as CSV, archived, deleted; the chain verifies without its head
    messages with all that belongs to them  archived, deleted, and one archive put back

Every step is a job of the service's own. The sender is in the same process and sends one small message at a time, a few
milliseconds apart, before and during; its latency is what a cleanup costs others.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvloop

from bench.kit import options, report, spawn
from bench.kit.measure import percentile
from bench.kit.report import Line
from bench.records import filling
from bench.records.exporting import resident_mib
from postroom.audit import verify
from postroom.kit.actor import Actor
from postroom.retention import restore
from postroom.wiring import Application, open_application

TRAIL_DEFAULT = 1_000_000
MESSAGES_DEFAULT = 100_000
IDLE_SECONDS = 10.0
PAUSE_SECONDS = 0.01
EXPORT = {"type": "export_generation", "exportId": "all", "userId": "bench", "format": "csv"}
OLD = timedelta(days=2192)


class Watch:
    """What somebody who sends meanwhile notices, and the most that the process and the log took."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.resident = 0.0
        self.log = 0

    @property
    def p50(self) -> float:
        """In milliseconds, as is `p99`."""
        return percentile(sorted(self.latencies), 0.5) * 1000

    @property
    def p99(self) -> float:
        """The hundredth worst."""
        return percentile(sorted(self.latencies), 0.99) * 1000


@asynccontextmanager
async def watching(app: Application) -> AsyncIterator[Watch]:
    """Send and look for the length of a block."""
    watch, queue = Watch(), app.queues["probe"]

    async def send() -> None:
        while True:
            started = time.perf_counter()
            await queue.send({"n": 1})
            watch.latencies.append(time.perf_counter() - started)
            await asyncio.sleep(random.uniform(0, PAUSE_SECONDS))

    async def look() -> None:
        while True:
            watch.resident = max(watch.resident, resident_mib())
            watch.log = max(watch.log, (await app.store.storage()).get("walBytes", 0))
            await asyncio.sleep(0.1)

    tasks = [asyncio.create_task(send()), asyncio.create_task(look())]
    try:
        yield watch
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def job(app: Application, given: dict[str, Any]) -> float:
    """Have a job done; how many seconds it took."""
    made = await app.producer.enqueue_job(given)
    started = time.perf_counter()
    while True:
        row = await app.store.read(lambda transaction: transaction.one("find_job", id=made.job_id))
        assert row is not None
        if row["status"] == "done":
            return time.perf_counter() - started
        if row["status"] in ("failed", "retry_scheduled"):
            raise spawn.BenchFailed(f"{given['type']}: {row['reason']}")
        await asyncio.sleep(0.05)


def cleanup(target: str) -> dict[str, str]:
    """A job."""
    return {"type": "cleanup", "target": target, "olderThan": (datetime.now(UTC) - OLD).isoformat()}


async def rows_of(app: Application, table: str) -> int:
    """How many there are."""
    rows = await app.store.read(lambda t: t.connection.execute(f"SELECT count(*) FROM {table}").fetchone())
    return int(rows[0])


async def verified(app: Application) -> float:
    """Seconds to verify the trail; raises BenchFailed when it is not whole."""
    started = time.perf_counter()
    found = await app.store.read(lambda transaction: verify(transaction, app.store.chain))  # type: ignore[arg-type]
    if not found.whole:
        raise spawn.BenchFailed(f"the trail is broken: {found.broken}")
    return time.perf_counter() - started


async def demonstrate(folder: Path, trail: int, messages: int) -> list[Line]:
    """The whole of it."""
    settings = filling.settings_in(folder)
    lines: list[Line] = []

    def say(
        what: str, ours: str, yardstick: str = report.NONE, *, name: str = "", value: float = 0.0
    ) -> None:
        lines.append(
            Line(name=name, what=what, ours=ours, yardstick=yardstick, value=value, ratio=bool(name))
        )

    async with open_application(settings, consume=True) as app:
        await app.queues.create("probe")
        size = (await app.store.storage())["databaseBytes"]
        report.progress("idle")
        async with watching(app) as idle:
            await asyncio.sleep(IDLE_SECONDS)
        await app.queues.start()
        seconds = await verified(app)
        say(f"the trail of {trail:,} entries verified", f"{seconds:.1f} s, {report.rate(trail / seconds)}")
        for step, given, count in (
            ("exported as CSV", EXPORT, trail),
            ("archived, verified, deleted", cleanup("audit_logs"), trail),
            ("archived, verified, deleted", cleanup("message_queue"), messages * filling.ROWS_A_MESSAGE),
        ):  # fmt: skip
            what = "entries of the trail" if count == trail else "rows of messages"
            report.progress(f"{count:,} {what} {step}")
            async with watching(app) as busy:
                seconds = await job(app, given)
            kind = "export" if step.startswith("exported") else given["target"]
            say(
                f"{count:,} {what} {step}",
                f"{seconds:.1f} s, {report.rate(count / seconds)}, {busy.resident:.0f} MiB, log {busy.log / 1e6:.0f} MB",
                f"{idle.resident:.0f} MiB idle",
            )
            say(
                f"p99 of a send meanwhile ({kind}; yardstick: idle)",
                f"p50 {busy.p50:.2f} ms, p99 {busy.p99:.2f} ms", f"p50 {idle.p50:.2f} ms, p99 {idle.p99:.2f} ms",
                name=f"send-{kind}", value=busy.p99 / idle.p99,
            )  # fmt: skip
        report.progress("idle")
        async with watching(app) as after:
            await asyncio.sleep(IDLE_SECONDS)
        say(
            "p99 of a send, idle again (yardstick: idle before)", f"p50 {after.p50:.2f} ms, p99 {after.p99:.2f} ms",
            f"p50 {idle.p50:.2f} ms, p99 {idle.p99:.2f} ms", name="send-idle", value=after.p99 / idle.p99,
        )  # fmt: skip
        lines += await _afterwards(app, say_size=size, messages=messages)
    return lines


async def _afterwards(app: Application, *, say_size: int, messages: int) -> list[Line]:
    """What is left, whether the archives and the trail are whole, and one archive put back."""
    if await rows_of(app, "messages"):
        raise spawn.BenchFailed("messages were left")
    seconds = await verified(app)
    rows = await app.store.read(lambda transaction: transaction.all("list_archives", target=None))
    started = time.perf_counter()
    for row in rows:
        await app.archives.verify(row["name"])
    whole = time.perf_counter() - started
    newest = [row["name"] for row in rows if row["target"] == "message_queue"][-1]
    started = time.perf_counter()
    back = await restore(app.store, app.archives, app.clock, newest, Actor("bench"))
    restored = time.perf_counter() - started
    size = (await app.store.storage())["databaseBytes"]

    def line(what: str, ours: str) -> Line:
        return Line(name="", what=what, ours=ours, value=0.0, ratio=False)

    return [
        line("the trail verified without its head", f"whole, {seconds:.2f} s"),
        line(f"{len(rows)} archives read back and compared with their manifests", f"{whole:.1f} s"),
        line(
            f"an archive of {back:,} messages put back", f"{restored:.1f} s, {report.rate(back / restored)}"
        ),
        line("the database file, before and after", f"{say_size / 1e6:.0f} MB, {size / 1e6:.0f} MB"),
    ]


def measure(parent: Path, *, trail: int, messages: int) -> report.Section:
    """Fill a database and demonstrate on it."""
    with spawn.scratch(parent) as folder:
        report.progress("filling")
        asyncio.run(filling.fill(folder, trail=trail, messages=messages))
        lines = uvloop.run(demonstrate(folder, trail, messages))
    notes = [
        f"{trail:,} chained entries, and {messages:,} delivered messages of {filling.ROWS_A_MESSAGE} rows each (job, "
        "message, attempt, call, four events); one process, SQLite at synchronous=FULL.",
        f"The sender sends one message at a time, up to {PAUSE_SECONDS * 1000:.0f} ms apart.",
    ]  # fmt: skip
    return report.section("Exports, archives and cleanups of a million rows", lines, notes)


def main() -> None:
    """`python -m bench.retention`."""
    parser = options.parser("bench.retention", __doc__)
    parser.add_argument("--trail", type=options.positive, default=TRAIL_DEFAULT, help="entries (1,000,000)")
    parser.add_argument("--messages", type=options.positive, default=MESSAGES_DEFAULT, help="(100,000)")
    given = parser.parse_args()
    with options.explained():
        section = measure(given.dir, trail=given.trail, messages=given.messages)
    report.put(section, as_json=given.json)


if __name__ == "__main__":
    main()
