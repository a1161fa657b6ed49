"""`postroom message`, `audit` and `vault` on the database file (cli/message.py, cli/audit.py, cli/vault.py)."""

import os
import sqlite3
from pathlib import Path

import pytest
from cli_support import SECRETS, answer, hides, postroom

DRAFT = ("--to", SECRETS[0], "--subject", SECRETS[1], "--content", f"It is {SECRETS[2]}.", "--id", "m-1")


@pytest.fixture(autouse=True)
def people() -> None:
    for name, role in (("anna", "staff"), ("ben", "reviewer")):
        postroom("user", "create", name, "--role", role, "--no-password")


def act(name: str, *more: str, by: str = "anna", code: int = 0) -> str:
    done = postroom("message", name, *more, "--as", by, code=code)
    return done.stdout + done.stderr


def test_message_goes_through_review() -> None:
    """Nobody approves their own; what is shown is masked."""
    act("draft", *DRAFT)
    act("submit", "m-1")
    refused = act("approve", "m-1", by="anna", code=1)
    rejected = act("reject", "m-1", "--note", "Name the room.", by="ben")
    act("submit", "m-1")
    approved = act("approve", "m-1", by="ben")
    shown = postroom("message", "show", "m-1").output
    listed = postroom("message", "list").output

    assert "review" in refused
    assert ("m-1 is rejected" in rejected, "m-1 is queued" in approved) == (True, True)
    events = answer("message", "show", "m-1")["events"]
    assert [one["after"] for one in events if one["kind"] == "moved"] == [
        "pending_review", "rejected", "pending_review", "queued",
    ]  # fmt: skip
    assert "a***@example.com" in listed
    assert hides(shown + listed + refused + rejected + approved)


def test_message_is_scheduled_and_called_off() -> None:
    """In the zone that was named."""
    act("draft", *DRAFT)
    act("submit", "m-1")
    act("schedule", "m-1", "--at", "2035-07-01T09:00", "--zone", "Europe/Berlin", by="ben")
    act("approve", "m-1", by="ben")
    planned = answer("message", "show", "m-1")
    act("cancel", "m-1", by="ben")

    assert (planned["status"], planned["scheduledFor"]) == ("scheduled", "2035-07-01T07:00:00.000Z")
    assert answer("message", "show", "m-1")["status"] == "cancelled"


@pytest.mark.parametrize(
    ("args", "by", "complaint"),
    [
        (("submit", "nothing"), "anna", "there is no message nothing"),
        (("submit", "m-1"), "zoe", "'zoe' has no account"),
        (("send", "m-1"), "anna", "send"),
        (("schedule", "m-1", "--at", "tomorrow"), "ben", "'tomorrow' is no moment"),
        (("approve", "m-1"), "ben", "draft"),
    ],
)
def test_what_cannot_be_done_is_explained(args: tuple[str, ...], by: str, complaint: str) -> None:
    """And changes nothing."""
    act("draft", *DRAFT)
    assert complaint in act(*args, by=by, code=1)
    assert answer("message", "show", "m-1")["status"] == "draft"


def test_trail_is_listed_and_verified(folder: Path) -> None:
    """A changed entry is named, and the exit code is 1."""
    act("draft", *DRAFT)
    assert "whole" in postroom("audit", "verify").output
    listed = answer("audit", "list", "--action", "message.drafted")
    assert [(one["actor"], one["objectId"]) for one in listed] == [("anna", "m-1")]

    with sqlite3.connect(folder / "postroom.db") as connection:
        # What a person with the file would do: take the guards away first.
        guards = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'audit_log'"
        ).fetchall()
        for (name,) in guards:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("UPDATE audit_log SET actor = 'ben' WHERE seq = ?", (listed[0]["seq"],))
    connection.close()

    broken = postroom("audit", "verify", code=1).stderr
    assert f"broken at entry {listed[0]['seq']}" in broken


def test_keys_are_rotated(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sealed with the old one is wrapped with the new."""
    old, new = (os.urandom(32).hex() for _ in range(2))
    assert "POSTROOM_ENCRYPTION_KEYS" in postroom("vault", "rotate", code=1).stderr
    monkeypatch.setenv("POSTROOM_ENCRYPTION_KEYS", f"old:{old}")
    act("draft", *DRAFT)
    before = answer("vault", "status")
    monkeypatch.setenv("POSTROOM_ENCRYPTION_KEYS", f"new:{new} old:{old}")
    rotated = postroom("vault", "rotate").output

    assert before["messages"] == {"old": 1}
    assert "1 keys were wrapped anew" in rotated
    assert answer("vault", "status") == {"configured": ["new", "old"], "messages": {"new": 1}}
    assert act("submit", "m-1") == "m-1 is pending_review\n"
