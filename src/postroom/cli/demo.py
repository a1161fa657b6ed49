"""`postroom demo`: the main job, shown.

Starts the service in a process of its own with a folder, database and port of its own, enqueues every kind of
job through the HTTP API, watches what becomes of them and of the queues, shows the email, the export and the dead
letter, and leaves the service running. With `--end` it stops the service and fails unless all went as it should.
How the service is started and stopped is `cli.child`'s.
"""

import contextlib
import importlib.util
import os
import shlex
import shutil
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click
import httpx
from rich.console import Console
from rich.live import Live
from rich.panel import Panel

from postroom.cli.child import Asked, Child, service
from postroom.cli.demo_messages import Stage, show_messages
from postroom.cli.demo_people import fill_desks, make_people, show_sign_ins
from postroom.cli.errors import Failure, not_installed
from postroom.cli.exhibits import (
    DONE,
    ENDED,
    FAILED,
    GRAVE,
    dead_letter_panel,
    email_panel,
    export_panel,
    jobs_table,
    picture,
    queues_panel,
)

FOLDER = Path("var/demo")
PATIENCE_SECONDS = 60.0
"""How long the demonstration waits for its jobs, and for the service before that: a busy machine takes its time."""
LOOK_SECONDS = 0.15
RECIPIENT = "patient@example.com"
NEEDED = ("aiosmtpd", "aiosmtplib", "litestar", "structlog", "uvicorn")
"""What its service imports only once it runs; asked for beforehand, so that the hint is not in a log file."""

ENVIRONMENT = {
    "POSTROOM_ENVIRONMENT": "local",
    "POSTROOM_DATABASE_URL": "sqlite:///postroom.db",
    "POSTROOM_RETRY_BASE_SECONDS": "1",
    "POSTROOM_DELAY_NORMAL_SECONDS": "0.5",
    "POSTROOM_DELAY_LOW_SECONDS": "1.5",
    "POSTROOM_LOG_FORMAT": "json",
    # The first one is nowhere: the second act shows the way to the next.
    "POSTROOM_SMS_PROVIDERS": f"twilio://AC{'0' * 32}:token@?from=%2B15005550006&phi=yes&base=http://127.0.0.1:9 noop://",
}
"""Short waits, so that a retry is seen and not waited for."""


class Planned(NamedTuple):
    """A job of the demonstration and how it has to end."""

    label: str
    body: Mapping[str, Any]
    ends: str
    attempts: int


def _mail(message_id: str, recipient: str, priority: str = "normal", **more: Any) -> dict[str, Any]:
    content = "Dear patient,\n\nyour appointment is tomorrow at 2 PM.\n\nYour practice\n"
    subject = "Appointment reminder"
    return {
        "type": "email_send", "messageId": message_id, "recipient": recipient, "subject": subject, "content": content,
        "priority": priority, **more,
    }  # fmt: skip


def _plan(later: str) -> list[Planned]:
    text = {
        "type": "sms_send",
        "messageId": "demo-sms",
        "recipient": "+14155552671",
        "content": "See you tomorrow.",
    }
    export = {"type": "export_generation", "exportId": "demo-export", "userId": "user-789", "format": "csv"}
    return [
        Planned("email", _mail("demo-email", RECIPIENT, "high"), DONE, 1),
        Planned("text message", {**text, "priority": "normal"}, DONE, 1),
        Planned("cleanup", {"type": "cleanup", "target": "temp_files", "olderThan": "2024-01-01"}, DONE, 1),
        Planned("email, greylisted", _mail("demo-greylist", "greylist@example.com"), DONE, 2),
        Planned("email, no such mailbox", _mail("demo-bounce", "bounce@example.com"), FAILED, 1),
        Planned("email, low priority", _mail("demo-low", "low@example.com", "low"), DONE, 1),
        Planned("email, sent later", {**_mail("demo-later", "later@example.com"), "sendAt": later}, DONE, 1),
        Planned("export", {**export, "filters": {"dataset": "messages"}, "sendAt": later}, DONE, 1),
    ]


@click.command()
@click.option("--end", is_flag=True, help="Stop after the show; fail unless all went as it should.")
@click.option(
    "--port", default=5173, show_default=True, help="Port of the service; another free one if it is taken."
)
def demo(end: bool, port: int) -> None:
    """Show the main job from the HTTP request to the inbox, on a database of its own in var/demo."""
    for name in NEEDED:
        if importlib.util.find_spec(name) is None:
            raise Failure(not_installed("demo", name, extra="demo"))
    console = Console()
    folder = FOLDER.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    port = _free_port(port)
    url = f"http://localhost:{port}"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("POSTROOM_")}
    with (
        service(
            ["up", "--port", str(port)],
            folder=folder,
            environment={**inherited, **ENVIRONMENT},
            log=folder / "service.log",
        ) as child,
        httpx.Client(base_url=url, timeout=PATIENCE_SECONDS) as client,
    ):
        _wait_ready(client, child)
        console.print(f"[bold]Postroom[/] is up at {url}. Eight jobs go in through its HTTP API.\n")
        stage = Stage(client)
        make_people(stage)
        unmet = _show(console, client, folder) + show_messages(console, client) + fill_desks(stage)
        if end:
            for problem in unmet:
                click.echo(f"error: {problem}", err=True)
            if unmet:
                raise SystemExit(1)
            console.print("\n[green]Everything went as it should.[/]")
            return
        _next_steps(console, url, folder)
        show_sign_ins(console, url)
        with contextlib.suppress(Asked):
            child.wait()
            raise Failure(f"the service ended by itself; the end of its log:\n{child.tail(5)}")


def _show(console: Console, client: httpx.Client, folder: Path) -> list[str]:
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 5))
    plan = _plan(later)
    answers = [client.post("/api/enqueue-job", json=dict(planned.body)) for planned in plan]
    refused = [
        f"{p.label} was answered {a.status_code}"
        for p, a in zip(plan, answers, strict=True)
        if a.status_code >= 300
    ]
    if refused:
        return refused
    ids = [answer.json()["jobId"] for answer in answers]
    again = client.post("/api/enqueue-job", json=dict(plan[0].body)).json()
    jobs = _watch(console, client, plan, ids)
    panels = [
        email_panel(folder / "var/mail", RECIPIENT),
        export_panel(folder / "var/exports/demo-export.csv"),
        _dead_letter(client, jobs),
    ]
    for panel in panels:
        if panel is not None:
            console.print(panel)
    duplicate = again.get("duplicate") is True and again["jobId"] == ids[0]
    console.print(f"\nEnqueued a second time, [bold]demo-email[/] was answered as a duplicate: {duplicate}.")
    return [
        *_unmet(plan, jobs, folder),
        *([] if duplicate else ["a second enqueueing was no duplicate"]),
        *([] if panels[-1] is not None else ["there is no dead letter"]),
    ]


def _dead_letter(client: httpx.Client, jobs: list[dict[str, Any]]) -> Panel | None:
    for message in client.get(f"/api/queues/{GRAVE}/peek").json()["messages"]:
        if message["deadLetter"] is not None:
            history: list[dict[str, Any]] = next(
                (job["history"] for job in jobs if job["jobId"] == message["id"]), []
            )
            return dead_letter_panel(message, history)
    return None


def _watch(
    console: Console, client: httpx.Client, plan: list[Planned], ids: list[str]
) -> list[dict[str, Any]]:
    """Follow the jobs to their end, as a table on a terminal and as lines elsewhere."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    told: dict[str, str] = {}
    labels = [planned.label for planned in plan]

    def look() -> list[dict[str, Any]]:
        return [client.get(f"/api/jobs/{one}").json() for one in ids]

    with (
        Live(console=console, auto_refresh=False) if console.is_terminal else contextlib.nullcontext() as live
    ):
        while True:
            jobs = look()
            if live is not None:
                queues = client.get("/api/queues").json()["queues"]
                live.update(
                    picture(jobs_table(labels, jobs), queues_panel(queues), console.width), refresh=True
                )
            else:
                for label, job in zip(labels, jobs, strict=True):
                    if told.get(job["jobId"]) != job["status"]:
                        told[job["jobId"]] = job["status"]
                        click.echo(f"{label}: {job['status']}")
            if all(job["status"] in ENDED for job in jobs) or time.monotonic() > deadline:
                return jobs
            time.sleep(LOOK_SECONDS)


def _unmet(plan: list[Planned], jobs: list[dict[str, Any]], folder: Path) -> list[str]:
    problems = [
        f"{planned.label} ended as {job['status']} after {job['attempts']} tries, not {planned.ends} after {planned.attempts}"
        for planned, job in zip(plan, jobs, strict=True)
        if (job["status"], job["attempts"]) != (planned.ends, planned.attempts)
    ]
    mails = len(list((folder / "var/mail").glob("*.eml")))
    if mails != 4:
        problems.append(f"{mails} emails arrived, not 4")
    return problems


def _next_steps(console: Console, url: str, folder: Path) -> None:
    postroom = f"cd {shlex.quote(str(folder))} && {_command()}"
    console.print(f"""
The service goes on at {url}. Ctrl-C ends it. To try next, from another terminal:

  curl -sS {url}/debug/queue-status
  curl -sS {url}/debug/enqueue-test
  curl -sS {url}/api/messages/show-failover/events
  curl -X POST {url}/api/enqueue-job -H "Content-Type: application/json" \\
    -d '{{"type":"email_send","messageId":"test-123","recipient":"test@example.com","subject":"Test","content":"Test message","priority":"normal"}}'

  {postroom} queue status --watch
  {postroom} dlq list
  {postroom} message show show-failover

What it wrote is in {folder}: the mail in var/mail, the log in service.log.""",
        highlight=False, soft_wrap=True, markup=False)  # fmt: skip


def _command() -> str:
    """What to type for `postroom` from any folder: the program beside this Python, else Python with the module."""
    program = Path(sys.executable).with_name("postroom")
    if os.access(program, os.X_OK):
        return shlex.quote(str(program))
    return f"{shlex.quote(sys.executable)} -m postroom"


def _wait_ready(client: httpx.Client, child: Child) -> None:
    def ready() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return client.get("/ready").status_code == 200
        return False

    if not _within(PATIENCE_SECONDS, lambda: child.ended or ready()) or child.ended:
        raise Failure(f"the service did not start; the end of its log:\n{child.tail(5)}")


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(LOOK_SECONDS)
    return False


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Failure("no free port on 127.0.0.1")
