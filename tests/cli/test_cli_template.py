"""`postroom template` on the database file (cli/template.py)."""

import json
from pathlib import Path
from typing import Any

import pytest
from cli_support import answer, audited, postroom


def a_file(folder: Path, **fields: Any) -> str:
    given = {
        "templateId": "reminder", "channel": "email", "subject": "Hello {{ name }}", "content": "On {{ day }}.",
        "variables": [{"name": "name", "sample": "Anna"}, {"name": "day", "type": "date", "sample": "2026-12-01"}],
    }  # fmt: skip
    path = folder / "reminder.json"
    path.write_text(json.dumps({**given, **fields}))
    return str(path)


def test_template_is_published_and_shown(folder: Path) -> None:
    """A new version only when something is different; what is shown can be published again."""
    assert "version 1" in postroom("template", "publish", a_file(folder)).stdout
    assert "says so already" in postroom("template", "publish", a_file(folder)).stdout
    assert "version 2" in postroom("template", "publish", a_file(folder, content="New")).stdout

    shown = answer("template", "show", "reminder")
    (folder / "again.json").write_text(json.dumps(shown))
    assert "at version 2" in postroom("template", "publish", "again.json").stdout
    assert answer("template", "show", "reminder", "--version", "1")["content"] == "On {{ day }}."
    assert [one["templateId"] for one in answer("template", "list")] == ["reminder"]
    assert "reminder" in postroom("template", "list").stdout
    assert "variable day" in postroom("template", "show", "reminder").stdout
    assert [(action, name) for action, name, _ in audited()] == [
        ("template.created", "reminder"), ("template.published", "reminder"),
    ]  # fmt: skip


def test_preview_shows_samples_and_own_values(folder: Path) -> None:
    """As text, HTML or JSON."""
    postroom("template", "publish", a_file(folder, html="<p>{{ name }}</p>"))

    assert postroom("template", "preview", "reminder").stdout == "Subject: Hello Anna\n\nOn 2026-12-01.\n"
    assert (
        postroom("template", "preview", "reminder", "--var", "name=<b>", "--html").stdout
        == "<p>&lt;b&gt;</p>\n"
    )
    assert answer("template", "preview", "reminder", "--var", "name=a=b")["subject"] == "Hello a=b"


def test_template_is_archived_and_restored(folder: Path) -> None:
    """It leaves the list."""
    postroom("template", "publish", a_file(folder))
    postroom("template", "archive", "reminder")
    assert answer("template", "list") == []
    assert len(answer("template", "list", "--archived")) == 1

    postroom("template", "restore", "reminder")

    assert len(answer("template", "list")) == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"content": "x\n {{{ y }}}"}, "content line 2, column 2: has three braces"),
        ({"subject": None}, "subject must have"),
        ({"channel": "fax"}, "reminder.json: Invalid enum value 'fax'"),
        ({"colour": "red"}, "reminder.json: Object contains unknown field"),
    ],
)
def test_wrong_file_is_explained(folder: Path, fields: dict[str, Any], words: str) -> None:
    """In lines that begin with `error:`."""
    assert words in postroom("template", "publish", a_file(folder, **fields), code=1).stderr


def test_other_mistakes_are_explained(folder: Path) -> None:
    """Unknown names, junk, another channel, wrong variables."""
    (folder / "junk.json").write_bytes(b"\xff{")
    postroom("template", "publish", a_file(folder))

    assert "not JSON" in postroom("template", "publish", "junk.json", code=1).stderr
    assert "no such template" in postroom("template", "show", "nope", code=1).stderr
    assert "no such template" in postroom("template", "archive", "nope", code=1).stderr
    other = a_file(folder, channel="portal")
    assert "for the channel email" in postroom("template", "publish", other, code=1).stderr
    wrong = postroom("template", "preview", "reminder", "--var", "day=secret", code=1).stderr
    assert "variables.day must be a date" in wrong
    assert "secret" not in wrong
    assert "NAME=VALUE" in postroom("template", "preview", "reminder", "--var", "secret", code=1).stderr
