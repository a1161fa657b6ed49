"""`queue demo` and `queue test`: jobs to try the service with, under fresh ids, followed to their end."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click
from rich.live import Live
from rich.table import Table

from postroom.cli.errors import Failure
from postroom.cli.opening import opened, run, who
from postroom.cli.screen import add, plain, screen, state, table
from postroom.jobs import Enqueued
from postroom.jobs.states import FINAL, JobState
from postroom.kit.ids import new_id
from postroom.messages.history import describe
from postroom.wiring import Application

LOOK_SECONDS: Final = 0.1
TIMEOUT_SECONDS: Final = 60.0
"""A batch may wait 30 s to fill, as in the reference configuration."""
LONG_AGO: Final = "2000-01-01T00:00:00Z"
"""The cleanup looks for files older than this, so it deletes nothing."""

timeout_option = click.option(
    "--timeout", type=click.FloatRange(0, 86_400), default=TIMEOUT_SECONDS, show_default=True, metavar="SECONDS",
    help="How long to follow them.",
)  # fmt: skip


@click.command()
@timeout_option
def demo(timeout: float) -> None:
    """Enqueue one email and show what happens to it."""
    run(_try([_email(new_id(), "An email of `postroom queue demo`.")], timeout))


@click.command()
@timeout_option
def test(timeout: float) -> None:
    """Enqueue a job of each kind and follow them to their end; exit code 1 unless all are done."""
    mark = new_id()
    jobs = [
        _email(mark, "An email of `postroom queue test`."),
        {
            "type": "sms_send",
            "messageId": f"test-sms-{mark}",
            "recipient": "+14155552671",
            "content": "A text message of `postroom queue test`.",
        },
        {
            "type": "export_generation",
            "exportId": f"test-export-{mark}",
            "filters": {"dataset": "messages"},
            "userId": "queue-test",
            "format": "csv",
        },
        {"type": "cleanup", "target": "temp_files", "olderThan": LONG_AGO},
    ]
    run(_try(jobs, timeout))


def _email(mark: str, content: str) -> dict[str, Any]:
    return {
        "type": "email_send",
        "messageId": f"test-email-{mark}",
        "recipient": "test@example.com",
        "subject": "Postroom test",
        "content": content,
    }


async def _try(jobs: Sequence[Mapping[str, Any]], timeout: float) -> None:
    async with opened() as app:
        sent = await app.producer.enqueue_batch(jobs, actor=who())
        click.echo(f"enqueued {len(sent)} job{'' if len(sent) == 1 else 's'} in {app.queue}")
        if (await app.queues.info(app.queue)).paused:
            click.echo(
                f"note: delivery is paused; `postroom queue resume {app.queue}` continues it", err=True
            )
        found = await _follow(app, sent, timeout)
    ends = [job["status"] for job in found]
    if not all(status in FINAL for status in ends):
        open_jobs = sum(status not in FINAL for status in ends)
        idle = all(job["attempts"] == 0 for job in found)
        raise Failure(
            f"{open_jobs} of {len(found)} jobs had not ended after {timeout:g} s; "
            + ("does anything consume them? start `postroom up` or `postroom consume` here" if idle
               else "`postroom queue status --watch` shows what becomes of them")
        )  # fmt: skip
    if any(status != JobState.DONE for status in ends):
        raise Failure("not every job is done; `postroom dlq list` shows the dead letters")


async def _follow(app: Application, sent: Sequence[Enqueued], timeout: float) -> list[dict[str, Any]]:
    """Look until all have ended or time is up: a live table on a terminal, a line for each change elsewhere."""
    console = screen()
    deadline = time.monotonic() + timeout
    told: dict[str, tuple[str, int]] = {}
    live = Live(console=console, auto_refresh=False) if console.is_terminal else None
    with live or contextlib.nullcontext():
        while True:
            found = await _look(app, sent)
            if live is not None:
                live.update(_picture(found), refresh=True)
            else:
                for job in found:
                    now = (job["status"], job["attempts"])
                    if told.get(job["id"]) != now:
                        told[job["id"]] = now
                        click.echo(_line(job))
            if all(job["status"] in FINAL for job in found) or time.monotonic() >= deadline:
                return found
            await asyncio.sleep(LOOK_SECONDS)


async def _look(app: Application, sent: Sequence[Enqueued]) -> list[dict[str, Any]]:
    def read(transaction: Any) -> list[dict[str, Any]]:
        found = []
        for one in sent:
            job = transaction.one("find_job", id=one.job_id)
            # A job that is not on record was deleted by a cleanup: it had ended.
            status = job["status"] if job else JobState.DONE.value
            history = describe(transaction, one.job_id).get("attempts", [])
            last = next((attempt for attempt in reversed(history) if attempt["reason"]), None)
            found.append({
                "id": one.job_id, "type": one.type, "reference": one.reference, "status": status,
                "attempts": job["attempts"] if job else 0,
                "reason": (job or {}).get("reason") or (last["reason"] if last else None),
            })  # fmt: skip
        return found

    return await app.store.read(read)


def _picture(found: Sequence[Mapping[str, Any]]) -> Table:
    made = table("type", "reference", "status", "tries", "reason", right=("tries",))
    for job in found:
        add(made, job["type"], job["reference"], state(job["status"]), job["attempts"], job["reason"])
    return made


def _line(job: Mapping[str, Any]) -> str:
    tries = f", {job['attempts']} tries" if job["attempts"] > 1 else ""
    reason = f": {job['reason']}" if job["reason"] else ""
    return plain(f"{job['type']} {job['id']}: {job['status'].replace('_', ' ')}{tries}{reason}")
