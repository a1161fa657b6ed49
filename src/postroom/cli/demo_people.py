"""The people of the demonstration, one of each role, and what lies on their desks when one opens the pages."""

from typing import Any, Final, NamedTuple

from rich.console import Console
from rich.table import Table

from postroom.cli.demo_messages import ANNA, BEN, Stage

PASSWORD: Final = "postroom-demo"  # noqa: S105 - of people who exist in the demonstration alone
WAITING: Final = 6
"""Messages that wait for a reviewer in the end."""
LETTER: Final = (
    "Dear patient,\n\nyour appointment is tomorrow at 2 pm.\nPlease bring your card.\n\nYour practice"
)
TEMPLATE: Final = {
    "templateId": "appointment-reminder", "channel": "email", "subject": "Your appointment on {{day}}",
    "content": "Dear {{name}},\n\nyour appointment is on {{day}} at {{hour}}.\n\nYour practice",
    "html": "<p>Dear <b>{{name}}</b>,</p><p>your appointment is on {{day}} at {{hour}}.</p><p>Your practice</p>",
    "variables": [
        {"name": "name", "sample": "Anna Bauer"}, {"name": "day", "type": "date", "sample": "2031-07-01"},
        {"name": "hour", "sample": "9:30"},
    ],
}  # fmt: skip


class Somebody(NamedTuple):
    """A person of the demonstration."""

    name: str
    role: str
    does: str


PEOPLE: Final = (
    Somebody(ANNA, "staff", "writes messages, and sees what becomes of them"),
    Somebody(BEN, "reviewer", "decides what leaves"),
    Somebody("dora", "doctor", "decides too"),
    Somebody("omar", "operator", "looks after queues and providers"),
    Somebody("otto", "auditor", "sees that things were done, and by whom"),
    Somebody("ada", "admin", "may do everything"),
)


def make_people(stage: Stage) -> None:
    """An account for each, with the password of the demonstration."""
    for one in PEOPLE:
        stage.ask("POST", "/api/users", {"name": one.name, "roles": [one.role], "password": PASSWORD})


def fill_desks(stage: Stage) -> list[str]:
    """A draft, and messages that wait for a reviewer: free ones, an edited one, some of a template, a text message.

    Returns what did not go as it should.
    """
    stage.ask("POST", "/api/templates", TEMPLATE, by=BEN)
    for number in range(1, 3):
        _waiting(stage, f"waits-letter-{number}", {"subject": "Your appointment", "content": LETTER})
    changed = LETTER.replace("2 pm", "3 pm").replace("your card", "your insurance card")
    stage.ask("PATCH", "/api/messages/waits-letter-2", {"content": changed}, by=BEN)
    for number in range(1, 4):
        values = {"name": f"Patient {number}", "day": "2031-07-01", "hour": f"{8 + number}:30"}
        _waiting(
            stage, f"waits-reminder-{number}", {"template": "appointment-reminder", "variables": values}
        )
    text = {"channel": "sms", "recipient": "+491512345678", "content": "See you tomorrow at 2 pm 😀."}
    _waiting(stage, "waits-text", text)
    draft = {"channel": "email", "recipient": "patient@example.com", "subject": "Your bill", "content": LETTER}
    stage.ask("POST", "/api/messages", {"messageId": "desk-draft", **draft}, by=ANNA)
    waiting = len(stage.ask("GET", "/api/reviews").json()["messages"])
    return [] if waiting == WAITING else [f"{waiting} messages wait for a reviewer, not {WAITING}"]


def show_sign_ins(console: Console, url: str) -> None:
    """The pages' address, and who can sign in there."""
    console.print(
        f"\nWho signs in at {url}/app/sign-in, each with the password [bold]{PASSWORD}[/] or, at this machine, by "
        "choosing a name:\n"
    )
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2), show_header=False)
    for one in PEOPLE:
        made.add_row(one.name, one.role, one.does)
    console.print(made)
    console.print(f"\n[bold]The pages are at {url}[/] and open as local-developer, who may do everything.")


def _waiting(stage: Stage, id_: str, values: dict[str, Any]) -> None:
    given = {"channel": "email", "recipient": "patient@example.com", **values}
    stage.ask("POST", "/api/messages", {"messageId": id_, **given}, by=ANNA)
    stage.do(id_, "submit", by=ANNA)
