"""The second act of the demonstration: messages from the draft to the proof of delivery, and what can go wrong."""

import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import httpx
from rich.console import Console
from rich.table import Table
from rich.text import Text

from postroom.cli.screen import state

ANNA, BEN = "anna", "ben"
PATIENCE_SECONDS: Final = 30.0
EMAIL: Final = {"channel": "email", "subject": "Your appointment", "content": "It is tomorrow at 2 pm."}
SMS: Final = {"channel": "sms", "recipient": "+14155552671", "content": "It is tomorrow at 2 pm."}


class Scene(NamedTuple):
    """A message, what is done with it, and how it has to end."""

    id: str
    shows: str
    draft: dict[str, Any]
    act: Callable[["Stage", str], None]
    ends: str


class Stage:
    """The API, in somebody's name."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def ask(self, method: str, path: str, body: Any = None, *, by: str | None = None) -> httpx.Response:
        """One request."""
        headers = {"if-match": "*", **({"x-postroom-act-as": by} if by else {})}
        return self.client.request(method, path, json=body, headers=headers)

    def do(self, id_: str, act: str, body: Any = None, *, by: str) -> httpx.Response:
        """An act on a message."""
        return self.ask("POST", f"/api/messages/{id_}/{act}", body, by=by)

    def status(self, id_: str) -> str:
        """Where it is."""
        found: str = self.ask("GET", f"/api/messages/{id_}").json().get("status", "missing")
        return found

    def wait(self, id_: str, *wanted: str) -> str:
        """Until it is there, or patience ends."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := self.status(id_)) not in wanted and time.monotonic() < deadline:
            time.sleep(0.1)
        return found

    def report(self, id_: str, status: str) -> None:
        """A signed callback, as a provider would post it."""
        self.ask("POST", "/debug/webhook-test", {"messageId": id_, "status": status})


def _reviewed(stage: Stage, id_: str) -> None:
    stage.do(id_, "submit", by=ANNA)
    stage.do(id_, "approve", {"note": "fine"}, by=BEN)


def _delivered(stage: Stage, id_: str) -> None:
    _reviewed(stage, id_)
    stage.wait(id_, "sent")
    stage.report(id_, "delivered")


def _rejected(stage: Stage, id_: str) -> None:
    stage.do(id_, "submit", by=ANNA)
    stage.do(id_, "approve", by=ANNA)
    stage.do(id_, "reject", {"note": "Name the room."}, by=BEN)


def _scheduled(stage: Stage, id_: str) -> None:
    stage.do(id_, "schedule", {"sendAt": "2031-07-01T09:00", "zone": "Europe/Berlin"}, by=ANNA)
    _reviewed(stage, id_)


def _bounced(stage: Stage, id_: str) -> None:
    _reviewed(stage, id_)
    stage.wait(id_, "sent")
    stage.report(id_, "bounced")
    stage.wait(id_, "bounced")


def _in_doubt(stage: Stage, id_: str) -> None:
    _reviewed(stage, id_)
    stage.wait(id_, "uncertain")
    stage.report(id_, "delivered")


def _resolved(stage: Stage, id_: str) -> None:
    _reviewed(stage, id_)
    stage.wait(id_, "uncertain")
    stage.do(id_, "resolve", {"arrived": True, "note": "She has it."}, by=BEN)


SCENES: Final = (
    Scene("show-reviewed", "reviewed, sent, and delivery proved by a signed callback",
          {**EMAIL, "recipient": "patient@example.com"}, _delivered, "delivered"),
    Scene("show-rejected", "its author may not approve it; the reviewer sends it back with a note",
          {**EMAIL, "recipient": "patient@example.com"}, _rejected, "rejected"),
    Scene("show-scheduled", "for nine o'clock in Berlin, years ahead",
          {**EMAIL, "recipient": "patient@example.com"}, _scheduled, "scheduled"),
    Scene("show-failover", "the preferred SMS provider cannot be reached, so the next one takes it",
          SMS, _reviewed, "sent"),
    Scene("show-bounced", "came back: nobody writes to that address any more",
          {**EMAIL, "recipient": "moved@example.com"}, _bounced, "bounced"),
    Scene("show-suppressed", "to that same address: refused before any provider is called",
          {**EMAIL, "recipient": "moved@example.com"}, _reviewed, "failed"),
    Scene("show-in-doubt", "the server's answer was lost: held rather than sent twice, until a callback tells",
          {**EMAIL, "recipient": "lost@example.com", "policy": "at_most_once"}, _in_doubt, "delivered"),
    Scene("show-resolved", "lost again, and no callback comes: Ben has rung up and says that it arrived",
          {**EMAIL, "recipient": "lost@example.com", "policy": "at_most_once"}, _resolved, "delivered"),
)  # fmt: skip


def show_messages(console: Console, client: httpx.Client) -> list[str]:
    """Play the scenes; returns what did not go as it should."""
    stage = Stage(client)
    console.print("\n[bold]Messages.[/] Anna writes, Ben reviews; each is a story of its own.\n")
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("message", "ends as", "providers", "what it shows"):
        made.add_column(heading, overflow="fold")
    unmet = []
    for scene in SCENES:
        stage.ask("POST", "/api/messages", {"messageId": scene.id, **scene.draft}, by=ANNA)
        scene.act(stage, scene.id)
        found = stage.wait(scene.id, scene.ends)
        timeline = stage.ask("GET", f"/api/messages/{scene.id}/events?limit=100").json()
        providers = ", ".join(
            f"{one['provider']} {one['code'] or one['state']}" for one in timeline["deliveries"]
        )
        made.add_row(scene.id, state(found), Text(providers or "none called"), Text(scene.shows))
        if found != scene.ends:
            unmet.append(f"{scene.id} ended as {found}, not as {scene.ends}")
    console.print(made)
    whole = stage.ask("GET", "/api/audit/verify").json()
    console.print(
        f"\nThe audit trail has {whole['entries']} chained entries and is whole: {whole['broken'] is None}."
    )
    if whole["broken"] is not None:
        unmet.append("the audit trail is broken")
    return unmet
