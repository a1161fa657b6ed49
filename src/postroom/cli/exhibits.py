"""What the demonstration shows: jobs beside queues while they run, then the email, the export and the dead letter.

Only looks: values from the HTTP API and files in, things that rich can print out.
"""

import email
import email.policy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from postroom.cli.screen import add, table

DONE = "done"
FAILED = "failed"
ENDED = (DONE, FAILED, "uncertain")
GRAVE = "dlq"
EXPORT_LINES = 4

STYLES = {
    DONE: "green",
    FAILED: "red",
    "retry_scheduled": "yellow",
    "processing": "cyan",
    "scheduled": "magenta",
}


WIDE_COLUMNS = 130
"""From this width on the queues stand beside the jobs, else below."""


def picture(jobs: Group, queues: Panel, width: int) -> Table | Group:
    """The queues beside the jobs where there is room."""
    if width < WIDE_COLUMNS:
        return Group(jobs, queues)
    grid = Table.grid(padding=(0, 4))
    grid.add_row(jobs, queues)
    return grid


def queues_panel(queues: Sequence[Mapping[str, Any]]) -> Panel:
    """What waits, what is being handled, and what was given up."""
    right = ("backlog", "in flight")
    made = table("queue", *right, right=right)
    for queue in queues:
        if queue["name"] != GRAVE:
            add(made, queue["name"], queue["backlogCount"], queue["inFlight"])
    dead = sum(queue["backlogCount"] for queue in queues if queue["name"] == GRAVE)
    letters = Text(f"\ndead letters: {dead}", style="red" if dead else "dim")
    return _panel("Queues", Group(made, letters))


def jobs_table(labels: Sequence[str], jobs: Sequence[Mapping[str, Any]]) -> Group:
    """What became of each job so far."""
    made = Table(box=None, pad_edge=False, expand=False, header_style="dim")
    for heading in ("job", "type", "status", "tries", "what happened"):
        made.add_column(heading, no_wrap=heading != "what happened")
    for label, job in zip(labels, jobs, strict=True):
        status = Text(job["status"].replace("_", " "), style=STYLES.get(job["status"], ""))
        made.add_row(label, job["type"], status, str(job["attempts"] or ""), _happened(job))
    ended = sum(job["status"] in ENDED for job in jobs)
    return Group(made, Text(f"\n{ended} of {len(jobs)} have ended", style="dim"))


def _happened(job: Mapping[str, Any]) -> str:
    last = next((one for one in reversed(job["history"]) if one["reason"]), None)
    if job["status"] == DONE:
        return f"at first: {last['reason']}" if last is not None else ""
    return job["reason"] or ""


def email_panel(folder: Path, recipient: str) -> Panel | None:
    """The first email to that recipient in the mailbox's folder."""
    for path in sorted(folder.glob("*.eml")):
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        if message["To"] == recipient:
            shown = [f"{name}: {message[name]}" for name in ("From", "To", "Subject", "Date", "Message-ID")]
            body = message.get_content() if not message.is_multipart() else ""
            return _panel("The email as it arrived", Text("\n".join([*shown, "", body.strip()])))
    return None


def export_panel(path: Path) -> Panel | None:
    """The first lines of the export."""
    if not path.is_file():
        return None
    lines = path.read_text().splitlines()[:EXPORT_LINES]
    return _panel("The export", Text("\n".join(lines), no_wrap=True, overflow="ellipsis"))


def dead_letter_panel(message: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> Panel:
    """A peeked dead letter, with the attempts of its job."""
    dead = message["deadLetter"]
    lines = [
        f"job:       {message['id']} ({message['reference']})",
        f"failed on: {dead['queue']}",
        f"reason:    {dead['reason']}",
    ]
    lines += [
        f"attempt {one['number']} at {one['startedAt']}: {one['outcome']}, {one['code']} ({one['reason']})"
        for one in history
    ]
    return _panel("The dead letter", Text("\n".join(lines)))


def _panel(title: str, content: RenderableType) -> Panel:
    return Panel(content, title=title, title_align="left", expand=False)
