"""`postroom demo`: the main job, shown.

Starts the service in a process of its own with a folder, database and port of its own, enqueues every kind of
job through the HTTP API, watches what becomes of them, shows the email, the export and the dead letter, and
leaves the service running. With `--end` it stops the service and fails unless all went as it should.
"""

import contextlib
import email
import email.policy
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click
import httpx
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

FOLDER = Path("var/demo")
PATIENCE_SECONDS = 60.0
"""How long the demonstration waits for its jobs."""
LOOK_SECONDS = 0.15
DONE = "done"
FAILED = "failed"
ENDED = (DONE, FAILED, "uncertain")

ENVIRONMENT = {
    "POSTROOM_ENVIRONMENT": "local",
    "POSTROOM_DATABASE_URL": "sqlite:///postroom.db",
    "POSTROOM_RETRY_BASE_SECONDS": "1",
    "POSTROOM_DELAY_NORMAL_SECONDS": "0.5",
    "POSTROOM_DELAY_LOW_SECONDS": "1.5",
    "POSTROOM_LOG_FORMAT": "json",
}
"""Short waits, so that a retry is seen and not waited for."""

STYLES = {
    DONE: "green",
    FAILED: "red",
    "retry_scheduled": "yellow",
    "processing": "cyan",
    "scheduled": "magenta",
}


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
        Planned("email", _mail("demo-email", "patient@example.com", "high"), DONE, 1),
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
    console = Console()
    folder = FOLDER.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with _service(folder, _free_port(port)) as (process, url):
        client = httpx.Client(base_url=url, timeout=10)
        _wait_ready(client, process, folder)
        console.print(f"[bold]Postroom[/] is up at {url}. Eight jobs go in through its HTTP API.\n")
        unmet = _show(console, client, folder)
        if end:
            for problem in unmet:
                click.echo(f"error: {problem}", err=True)
            if unmet:
                raise SystemExit(1)
            console.print("\n[green]Everything went as it should.[/]")
            return
        _next_steps(console, url)
        with contextlib.suppress(KeyboardInterrupt):
            process.wait()


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
    _show_email(console, folder)
    _show_export(console, folder)
    dead = _show_dead_letter(console, client, jobs)
    duplicate = again.get("duplicate") is True and again["jobId"] == ids[0]
    console.print(f"\nEnqueued a second time, [bold]demo-email[/] was answered as a duplicate: {duplicate}.")
    return [
        *_unmet(plan, jobs, folder),
        *([] if duplicate else ["a second enqueueing was no duplicate"]),
        *dead,
    ]


def _watch(
    console: Console, client: httpx.Client, plan: list[Planned], ids: list[str]
) -> list[dict[str, Any]]:
    """Follow the jobs to their end, as a table on a terminal and as lines elsewhere."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    told: dict[str, str] = {}

    def look() -> list[dict[str, Any]]:
        return [client.get(f"/api/jobs/{one}").json() for one in ids]

    with (
        Live(console=console, auto_refresh=False) if console.is_terminal else contextlib.nullcontext() as live
    ):
        while True:
            jobs = look()
            if live is not None:
                live.update(_table(plan, jobs), refresh=True)
            else:
                for planned, job in zip(plan, jobs, strict=True):
                    if told.get(job["jobId"]) != job["status"]:
                        told[job["jobId"]] = job["status"]
                        click.echo(f"{planned.label}: {job['status']}")
            if all(job["status"] in ENDED for job in jobs) or time.monotonic() > deadline:
                return jobs
            time.sleep(LOOK_SECONDS)


def _table(plan: list[Planned], jobs: list[dict[str, Any]]) -> Group:
    table = Table(box=None, pad_edge=False, expand=False, header_style="dim")
    for heading in ("job", "type", "status", "tries", "what happened"):
        table.add_column(heading, no_wrap=heading != "what happened")
    for planned, job in zip(plan, jobs, strict=True):
        status = Text(job["status"].replace("_", " "), style=STYLES.get(job["status"], ""))
        table.add_row(planned.label, job["type"], status, str(job["attempts"] or ""), _happened(job))
    ended = sum(job["status"] in ENDED for job in jobs)
    return Group(table, Text(f"\n{ended} of {len(jobs)} have ended", style="dim"))


def _happened(job: Mapping[str, Any]) -> str:
    last = next((one for one in reversed(job["history"]) if one["reason"]), None)
    if job["status"] == DONE:
        return f"at first: {last['reason']}" if last is not None else ""
    return job["reason"] or ""


def _show_email(console: Console, folder: Path) -> None:
    for path in sorted((folder / "var/mail").glob("*.eml")):
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        if message["To"] == "patient@example.com":
            shown = [f"{name}: {message[name]}" for name in ("From", "To", "Subject", "Date", "Message-ID")]
            body = message.get_content() if not message.is_multipart() else ""
            text = "\n".join([*shown, "", body.strip()])
            console.print(
                Panel(Text(text), title="The email as it arrived", title_align="left", expand=False)
            )


def _show_export(console: Console, folder: Path) -> None:
    path = folder / "var/exports/demo-export.csv"
    if path.is_file():
        lines = Text("\n".join(path.read_text().splitlines()[:4]), no_wrap=True, overflow="ellipsis")
        console.print(Panel(lines, title="The export", title_align="left", expand=False))


def _show_dead_letter(console: Console, client: httpx.Client, jobs: list[dict[str, Any]]) -> list[str]:
    peeked = client.get("/api/queues/dlq/peek").json()
    found = [one for one in peeked["messages"] if one["deadLetter"] is not None]
    if not found:
        return ["there is no dead letter"]
    dead = found[0]["deadLetter"]
    lines = [
        f"job:       {found[0]['id']} ({found[0]['reference']})",
        f"failed on: {dead['queue']}",
        f"reason:    {dead['reason']}",
    ]
    history: list[dict[str, Any]] = next(
        (job["history"] for job in jobs if job["jobId"] == found[0]["id"]), []
    )
    lines += [
        f"attempt {one['number']} at {one['startedAt']}: {one['outcome']}, {one['code']} ({one['reason']})"
        for one in history
    ]
    console.print(Panel(Text("\n".join(lines)), title="The dead letter", title_align="left", expand=False))
    return []


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


def _next_steps(console: Console, url: str) -> None:
    console.print(f"""
The service goes on at [bold]{url}[/]. Ctrl-C ends it. To try next, from another terminal:

  curl -sS {url}/debug/queue-status
  curl -sS {url}/debug/enqueue-test
  curl -X POST {url}/api/enqueue-job -H "Content-Type: application/json" \\
    -d '{{"type":"email_send","messageId":"test-123","recipient":"test@example.com","subject":"Test","content":"Test message","priority":"normal"}}'

  cd {_relative(FOLDER)} && ../../.venv/bin/postroom queue status --watch
  cd {_relative(FOLDER)} && ../../.venv/bin/postroom dlq list

What it wrote is in {FOLDER}: the mail in var/mail, the log in service.log.""", highlight=False, soft_wrap=True)  # fmt: skip


def _relative(path: Path) -> str:
    return os.path.relpath(path)


@contextmanager
def _service(folder: Path, port: int) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """`postroom up` in the folder; ended whatever happens to the demonstration."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("POSTROOM_")}
    with (folder / "service.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "postroom", "up", "--port", str(port)],
            cwd=folder, env={**inherited, **ENVIRONMENT}, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        yield process, f"http://localhost:{port}"
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_ready(client: httpx.Client, process: subprocess.Popen[bytes], folder: Path) -> None:
    def ready() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return client.get("/ready").status_code == 200
        return False

    if not _within(20, lambda: process.poll() is not None or ready()) or process.poll() is not None:
        tail = (folder / "service.log").read_text(errors="replace").strip().splitlines()[-5:]
        raise click.ClickException("the service did not start; the end of its log:\n" + "\n".join(tail))


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
    raise click.ClickException("no free port on 127.0.0.1")
