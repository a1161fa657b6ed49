"""What commands show: tables that are readable in a pipe too, JSON, and messages without what they say.

Of a body, only the fields named here are shown, and recipients masked; everything else is hidden, whatever
somebody put into the queue.
"""

import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from postroom.kit.redact import HIDDEN, mask
from postroom.queues import PeekedMessage

PIPE_COLUMNS: Final = 400
"""Width where nobody looks: lines are cut by whoever reads them."""
BODY_FIELDS: Final = ("type", "messageId", "exportId", "priority", "format", "target", "olderThan")
HIDDEN_FIELDS: Final = ("subject", "content", "filters", "userId")
STYLES: Final = {
    "done": "green",
    "failed": "red",
    "uncertain": "red",
    "retry_scheduled": "yellow",
    "processing": "cyan",
    "scheduled": "magenta",
}
_HARMLESS: Final = re.compile(r"[A-Za-z0-9._:+-]{1,128}")


def screen(*, err: bool = False) -> Console:
    """The terminal, or the pipe in its place."""
    stream = sys.stderr if err else sys.stdout
    return Console(
        file=stream,
        width=None if stream.isatty() else PIPE_COLUMNS,
        highlight=False,
        markup=False,
        emoji=False,
    )


def table(*headings: str, right: Sequence[str] = ()) -> Table:
    """An empty table; the columns named in `right` hold numbers."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        made.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    return made


def add(made: Table, *cells: object) -> None:
    """Add a row; a cell is shown as it is, without markup or control characters."""
    made.add_row(*(cell if isinstance(cell, Text) else Text(plain(cell)) for cell in cells))


def state(name: str) -> Text:
    """A job's state in its colour."""
    return Text(name.replace("_", " "), style=STYLES.get(name, ""))


def plain(value: object) -> str:
    """Text that cannot steer a terminal."""
    if value is None:
        return "-"
    return "".join(
        char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in str(value)
    )


def print_json(value: Any, *, indent: int = 2) -> None:
    """Write JSON: indented for people, a line when `indent` is 0."""
    data = msgspec.json.encode(value, enc_hook=str)
    click.echo((msgspec.json.format(data, indent=indent) if indent else data).decode())


def ago(moment: datetime | None) -> str:
    """`3 min ago`, `in 5 s`."""
    if moment is None:
        return "-"
    seconds = (datetime.now(UTC) - moment).total_seconds()
    return f"in {span(-seconds)}" if seconds <= -1 else f"{span(max(0.0, seconds))} ago"


def span(seconds: float) -> str:
    """A duration in its largest fitting unit."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def size(count: int) -> str:
    """Bytes in a fitting unit."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


def masked(body: Any) -> dict[str, Any]:
    """A body without health data: what names the job, its recipient masked, and the size of the rest."""
    if not isinstance(body, dict):
        return {"hidden": type(body).__name__}
    shown: dict[str, Any] = {}
    for field in BODY_FIELDS:
        if field in body:
            value = body[field]
            shown[field] = value if isinstance(value, str) and _HARMLESS.fullmatch(value) else HIDDEN
    if "recipient" in body:
        shown["recipient"] = mask(body["recipient"])
    shown.update({field: HIDDEN for field in HIDDEN_FIELDS if field in body})
    more = len(body) - len(shown)
    if more:
        shown["hidden"] = f"{more} more"
    return shown


def message_view(message: PeekedMessage, *, reveal: bool) -> dict[str, Any]:
    """A message as JSON shows it; its body masked unless revealed."""
    dead = message.dead_lettered
    view: dict[str, Any] = {
        "id": message.id,
        "sentAt": message.timestamp,
        "availableAt": message.available_at,
        "attempts": message.attempts,
        "priority": message.priority,
        "inFlight": message.in_flight,
        "contentType": message.content_type,
        "revealed": reveal,
        "body": readable(message.body) if reveal else masked(message.body),
    }
    if dead is not None:
        view["deadLetter"] = {
            "queue": dead.queue,
            "reason": dead.reason,
            "attempts": dead.attempts,
            "deadAt": datetime.fromtimestamp(dead.at_us / 1_000_000, UTC),
        }
    return view


def readable(body: Any) -> Any:
    """A body for JSON; bytes as text where they are, else as hex digits."""
    if not isinstance(body, bytes):
        return body
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.hex()


def in_line(body: Any) -> str:
    """A body on one line."""
    if isinstance(body, dict):
        return " ".join(f"{key}={value}" for key, value in body.items())
    return str(body)
