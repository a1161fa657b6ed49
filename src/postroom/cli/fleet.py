"""`fleet`: PostgreSQL, API processes and workers on this machine, under a load, with a live view."""

import asyncio
import contextlib
import os
import secrets
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import httpx
from rich.console import Group
from rich.live import Live
from rich.text import Text

from postroom.cli.errors import Failure
from postroom.cli.fleet_load import Load
from postroom.cli.fleet_processes import FleetProcess, stop_all
from postroom.cli.fleet_server import wheel_server
from postroom.cli.opening import run
from postroom.cli.screen import add, screen, table
from postroom.settings import POSTGRESQL, load, without_password
from postroom.wiring import Application, open_application
from postroom.workers.status import health_of

READY_SECONDS: Final = 60.0
DRAIN_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 1.0


@click.command()
@click.option("--apis", default=2, show_default=True, type=click.IntRange(1, 16), help="API processes.")
@click.option("--workers", default=4, show_default=True, type=click.IntRange(1, 64), help="Worker processes.")
@click.option(
    "--rate", default=50.0, show_default=True, type=click.FloatRange(0.1), help="Jobs posted a second."
)
@click.option("--port", default=5180, show_default=True, help="Port of the first API; the others follow.")
@click.option("--seconds", type=float, help="End the load after so long; without it, Ctrl-C does.")
@click.option(
    "--restart-every", type=float, help="Replace a worker every so many seconds, one after the other."
)
@click.option(
    "--folder", default="var/fleet", show_default=True, type=click.Path(path_type=Path), help="Data and logs."
)
def fleet(
    apis: int, workers: int, rate: float, port: int, seconds: float | None, restart_every: float | None, folder: Path
) -> None:  # fmt: skip
    """Run a fleet on this machine and post jobs to it; Ctrl-C ends it, and every job is accounted for.

    With POSTROOM_DATABASE_URL=postgresql://... it uses that server, else one from the wheel. Emails go nowhere.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with _database(folder) as (url, what):
        click.echo(f"PostgreSQL: {what}, {without_password(url)}; logs in {folder}", err=True)
        environment = _environment(url)
        processes = [
            FleetProcess(f"api-{n + 1}", ("serve", "--port", str(port + n)), folder, environment)
            for n in range(apis)
        ]
        processes += [
            FleetProcess(f"worker-{n + 1}", ("consume",), folder, environment) for n in range(workers)
        ]
        urls = [f"http://127.0.0.1:{port + n}" for n in range(apis)]
        try:
            lost = run(_drive(url, folder, processes, urls, rate, seconds, restart_every))
        finally:
            stop_all(processes)
            click.echo("every process has ended", err=True)
    if lost:
        raise Failure(f"{lost} jobs were accepted and are not done; the logs in {folder} may tell why")


@contextlib.contextmanager
def _database(folder: Path) -> Iterator[tuple[str, str]]:
    given = os.environ.get("POSTROOM_DATABASE_URL", "")
    if given.startswith(POSTGRESQL):
        yield given, "the one of POSTROOM_DATABASE_URL"
        return
    with wheel_server(folder / "postgres") as found:
        yield found


def _environment(url: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("POSTROOM_")}
    return {
        **own, "POSTROOM_DATABASE_URL": url, "POSTROOM_EMAIL_PROVIDERS": "noop:", "POSTROOM_RATE_ENQUEUE": "off",
        "POSTROOM_DELAY_NORMAL_SECONDS": "0", "POSTROOM_DELAY_LOW_SECONDS": "0", "POSTROOM_LOG_FORMAT": "json",
    }  # fmt: skip


async def _drive(
    url: str, folder: Path, processes: list[FleetProcess], urls: list[str], rate: float, seconds: float | None,
    restart_every: float | None,
) -> int:  # fmt: skip
    """Start, load, wait for the last job; returns how many were accepted and not done."""
    stop = asyncio.Event()
    with _asked(stop.set):
        settings = load({**_environment(url)}, folder=folder).settings
        async with open_application(settings, consume=False) as app:
            before = await _counts(app)
            # The schema is there by now, so that the processes need not wait for one another.
            for one in processes:
                one.start()
            await _ready(processes, urls, stop)
            posting = Load(urls, rate, secrets.token_hex(4))
            loading = asyncio.create_task(posting.run(stop))
            if seconds is not None:
                asyncio.get_running_loop().call_later(seconds, stop.set)
            replacing = asyncio.create_task(_replace(processes, restart_every, stop))
            with Live(
                console=screen(err=True), auto_refresh=False, transient=not sys.stderr.isatty()
            ) as live:
                await _watch(app, before, processes, posting, stop, live)
                await loading
                await replacing
                return await _drain(app, before, processes, posting, live)


async def _ready(processes: list[FleetProcess], urls: list[str], stop: asyncio.Event) -> None:
    deadline = time.monotonic() + READY_SECONDS
    async with httpx.AsyncClient() as client:
        for url in urls:
            while not stop.is_set():
                ended = next((one for one in processes if one.ended), None)
                if ended is not None:
                    raise Failure(f"{ended.name} has ended:\n{ended.tail()}")
                with contextlib.suppress(httpx.HTTPError):
                    if (await client.get(f"{url}/health")).status_code < 500:
                        break
                if time.monotonic() > deadline:
                    raise Failure(f"{url} does not answer within {READY_SECONDS:g} s; see the logs")
                await asyncio.sleep(0.1)


async def _replace(processes: list[FleetProcess], every: float | None, stop: asyncio.Event) -> None:
    """A rolling restart of the workers, over and over."""
    workers = [one for one in processes if one.name.startswith("worker")]
    while every is not None and not stop.is_set():
        for one in workers:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), every)
            if stop.is_set():
                return
            one.ask_to_stop()
            await asyncio.to_thread(one.wait, time.monotonic() + 30)
            one.start()


async def _watch(
    app: Application, before: dict[str, int], processes: list[FleetProcess], posting: Load, stop: asyncio.Event,
    live: Live,
) -> None:  # fmt: skip
    done, at = 0, time.monotonic()
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK_SECONDS)
        counts, now = await _counts(app), time.monotonic()
        finished = counts.get("done", 0) - before.get("done", 0)
        live.update(
            await _view(app, before, counts, processes, posting, (finished - done) / (now - at)), refresh=True
        )
        done, at = finished, now


async def _drain(
    app: Application, before: dict[str, int], processes: list[FleetProcess], posting: Load, live: Live
) -> int:
    """Wait until what was accepted is done."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while True:
        counts = await _counts(app)
        left = posting.sent - (counts.get("done", 0) - before.get("done", 0))
        live.update(await _view(app, before, counts, processes, posting, 0.0), refresh=True)
        if left <= 0 or time.monotonic() > deadline:
            live.stop()
            click.echo(
                f"{posting.sent} jobs accepted, {posting.failed} refused; {posting.sent - max(0, left)} done, "
                f"{max(0, left)} left; POST took {posting.percentile(0.5):.1f} ms (p50), "
                f"{posting.percentile(0.99):.1f} ms (p99)"
            )
            return max(0, left)
        await asyncio.sleep(0.2)


async def _counts(app: Application) -> dict[str, int]:
    rows = await app.store.read(lambda transaction: transaction.all("count_jobs"))
    return {row["status"]: row["count"] for row in rows}


async def _view(
    app: Application, before: dict[str, int], counts: dict[str, int], processes: list[FleetProcess], posting: Load,
    rate: float,
) -> Group:  # fmt: skip
    fresh = health_of({state: count - before.get(state, 0) for state, count in counts.items()})
    alive: dict[int, dict[str, Any]] = {one["pid"]: one for one in await app.monitor.workers()}
    made = table(
        "process",
        "pid",
        "host",
        "version",
        "in hand",
        "restarts",
        "state",
        right=("pid", "in hand", "restarts"),
    )
    for one in processes:
        known = alive.get(one.pid or 0)
        add(
            made, one.name, one.pid, known and known["host"], known and known["version"], known and known["running"],
            one.restarts, "ended" if one.ended else "runs",
        )  # fmt: skip
    said = (
        f"accepted {posting.sent}   waiting {fresh.queued}   in hand {fresh.processing}   done {fresh.completed} "
        f"({rate:.0f}/s)   failed {fresh.failed}   POST p50 {posting.percentile(0.5):.1f} ms, "
        f"p99 {posting.percentile(0.99):.1f} ms"
    )
    return Group(made, Text(said), Text("Ctrl-C ends it.", style="dim"))


@contextlib.contextmanager
def _asked(act: Any) -> Iterator[None]:
    """SIGINT and SIGTERM end the load; what was accepted is waited for. A second one ends the command."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)

    def first() -> None:
        act()
        for number in numbers:
            loop.remove_signal_handler(number)

    for number in numbers:
        loop.add_signal_handler(number, first)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
