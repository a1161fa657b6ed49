"""`queue status`: health, queues and recent activity, once or again and again."""

import asyncio
import contextlib
import sys
from datetime import datetime
from typing import Any

import click
import msgspec
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from postroom.cli.opening import opened, run
from postroom.cli.screen import add, ago, print_json, screen, size, state, table
from postroom.workers.status import QueueStatus


@click.command()
@click.option("--watch", is_flag=True, help="Look again and again, until Ctrl-C.")
@click.option(
    "--interval", type=click.FloatRange(0.1, 3600), default=1.0, show_default=True, metavar="SECONDS",
    help="Between two looks.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Write JSON; with --watch a line for each look.")
def status(watch: bool, interval: float, as_json: bool) -> None:
    """Show how the service is doing: jobs, queues and what happened last."""
    with contextlib.suppress(KeyboardInterrupt):
        run(_watch(interval, as_json) if watch else _once(as_json))


async def _once(as_json: bool) -> None:
    async with opened() as app:
        found = await app.status.read()
    if as_json:
        print_json(_plain(found))
    else:
        screen().print(_picture(found))


async def _watch(interval: float, as_json: bool) -> None:
    async with opened() as app:
        if as_json or not sys.stdout.isatty():
            while True:
                found = await app.status.read()
                if as_json:
                    print_json(_plain(found), indent=0)
                else:
                    screen().print(_picture(found))
                sys.stdout.flush()
                await asyncio.sleep(interval)
        with Live(console=screen(), auto_refresh=False) as live:
            while True:
                live.update(_picture(await app.status.read()), refresh=True)
                await asyncio.sleep(interval)


def _plain(found: QueueStatus) -> dict[str, Any]:
    """The answer of `/debug/queue-status`, without what only a consuming process knows."""
    answer: dict[str, Any] = msgspec.to_builtins(found)
    for fact in ("emailProvider", "smsProvider", "authentication"):
        answer["environment"].pop(fact, None)
    for queue in answer["queues"]:
        queue.pop("consumer")
    return answer


def _picture(found: QueueStatus) -> RenderableType:
    health = found.health
    rate = Text(f"{health.failure_rate:.1%} failed", style="red" if health.failure_rate else "green")
    jobs = Text.assemble(
        ("Jobs  ", "bold"),
        f"{health.total:,} in all: {health.queued:,} queued, {health.processing:,} processing, "
        f"{health.completed:,} done, {health.failed:,} failed (",
        rate,
        " of those ended)",
    )
    right = ("ready", "delayed", "in flight", "bytes")
    queues = table("queue", *right, "oldest", "delivery", right=right)
    for one in found.queues:
        delivery = Text("paused", style="yellow") if one.paused else Text("on")
        add(queues, one.name, one.ready, one.delayed, one.in_flight, size(one.backlog_bytes),
            _ago(one.oldest_message_at), delivery)  # fmt: skip
    recent = table("job", "type", "reference", "status", "tries", "changed", "reason", right=("tries",))
    for job in found.recent_activity:
        add(
            recent,
            job.job_id,
            job.type,
            job.reference,
            state(job.status),
            job.attempts,
            _ago(job.updated_at),
            job.reason,
        )
    facts = found.environment
    where = Text(f"{facts['name']}, database {facts['database']}, {found.at}", style="dim")
    parts: list[RenderableType] = [jobs, Text(), queues, Text()]
    parts += (
        [recent] if found.recent_activity else [Text("No jobs yet. Try: postroom queue test", style="dim")]
    )
    return Group(*parts, Text(), where)


def _ago(moment: str | None) -> str:
    return ago(datetime.fromisoformat(moment)) if moment else "-"
