"""`postroom check`, and what every command does with wrong input."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_support import answer, postroom

from postroom.cli.root import COMMANDS
from postroom.settings import TABLE

TOKEN = "s" * 40


def test_check_lists_every_setting_and_creates_nothing(folder: Path) -> None:
    """Name, value, origin and help of each; the folder stays empty."""
    output = postroom("check").stdout

    assert all(setting.name in output and setting.help[:20] in output for setting in TABLE)
    assert "message-delivery" in output
    assert list(folder.iterdir()) == []


def test_check_names_origins_and_masks_secrets(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environment before .env before default; a token is never shown."""
    monkeypatch.setenv("POSTROOM_PORT", "8080")
    monkeypatch.setenv("POSTROOM_API_TOKENS", f"ops:operator:{TOKEN}")
    (folder / ".env").write_text("POSTROOM_PORT=1\nPOSTROOM_MAX_ATTEMPTS=7\n")

    found = answer("check")
    listed = {one["name"]: one for one in found["settings"]}

    assert (listed["POSTROOM_PORT"]["value"], listed["POSTROOM_PORT"]["origin"]) == ("8080", "environment")
    assert (listed["POSTROOM_MAX_ATTEMPTS"]["value"], listed["POSTROOM_MAX_ATTEMPTS"]["origin"]) == (
        "7",
        ".env",
    )
    assert listed["POSTROOM_HOST"]["origin"] == "default"
    assert TOKEN not in json.dumps(found)
    assert TOKEN not in postroom("check").output


def test_check_reports_every_problem_on_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """All at once, exit code 1."""
    monkeypatch.setenv("POSTROOM_PORT", "many")
    monkeypatch.setenv("POSTROOM_PROT", "1")

    lines = postroom("check", code=1).stderr.splitlines()

    assert len(lines) == 2
    assert all(
        line.startswith("error: POSTROOM_PR") or line.startswith("error: POSTROOM_PO") for line in lines
    )
    assert len(answer("check", code=1)["problems"]) == 2


def test_check_reads_the_wrangler_file(folder: Path) -> None:
    """Its queues are listed, its mistakes reported."""
    producers = [{"queue": "letters", "binding": "MESSAGE_QUEUE"}]
    (folder / "wrangler.json").write_text(json.dumps({"queues": {"producers": producers}}))
    assert [queue["name"] for queue in answer("check")["queues"]] == ["letters"]

    (folder / "wrangler.json").write_text(json.dumps({"queues": {"producers": [{"queue": "Not A Name"}]}}))
    assert "wrangler.json" in postroom("check", code=1).stderr


def test_check_wants_the_queue_of_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A binding that is not there is a problem before the first job is lost."""
    monkeypatch.setenv("POSTROOM_QUEUE", "MESAGE_QUEUE")

    assert "bindings: MESSAGE_QUEUE" in postroom("check", code=1).stderr


def test_check_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is odd but not wrong is told, and the exit code stays 0."""
    monkeypatch.setenv("POSTROOM_ENVIRONMENT", "staging")
    monkeypatch.setenv("POSTROOM_SMTP_URL", "smtp://user:geheim@mail.example.com:587")

    result = postroom("check")

    assert "warning: POSTROOM_API_TOKENS" in result.stderr
    assert "geheim" not in result.output


@pytest.mark.parametrize(
    ("args", "suggestion"), [(["que"], "queue"), (["queue", "lst"], "list"), (["dlq", "redrve"], "redrive")]
)
def test_a_near_command_is_suggested(args: list[str], suggestion: str) -> None:
    """Wrong usage is exit code 2."""
    assert f"did you mean {suggestion}?" in postroom(*args, code=2).stderr


@pytest.mark.parametrize("group", [(), ("queue",), ("dlq",)])
def test_lists_of_commands_have_whole_sentences(group: tuple[str, ...]) -> None:
    """None is cut off to fit a line."""
    assert not [line for line in postroom(*group, "--help").stdout.splitlines()[1:] if line.endswith("...")]


def test_help_has_every_command() -> None:
    """With a line for each."""
    output = postroom("--help").stdout
    assert all(f"\n  {name} " in output for name in COMMANDS)


def test_foreign_database_is_one_line(folder: Path) -> None:
    """A file that is no database of ours is refused without a traceback."""
    (folder / "postroom.db").write_bytes(b"not a database, by any means " * 100)

    lines = postroom("queue", "list", code=1).stderr.splitlines()

    assert len(lines) == 1
    assert lines[0].startswith("error: ")


@pytest.mark.slow
def test_a_missing_extra_names_the_remedy(folder: Path) -> None:
    """Without click there is a line, not a traceback."""
    code = "import sys; sys.modules['click'] = None; from postroom.__main__ import main; main()"

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=30
    )

    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert 'pip install "postroom[service]"' in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_closed_pipe_is_no_failure_with_a_traceback(folder: Path) -> None:
    """`postroom check | true` stays quiet."""
    process = subprocess.Popen(
        [sys.executable, "-m", "postroom", "check"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as errors:
        text = errors.read().decode()
    process.wait(30)

    assert "Traceback" not in text
    assert "error" not in text


def test_an_unexpected_failure_tells_place_but_not_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception's text may quote a value."""

    def fail(*args: object, **options: object) -> None:
        raise KeyError("anna@example.com")

    monkeypatch.setattr("postroom.cli.check.load", fail)

    (line,) = postroom("check", code=1).stderr.splitlines()

    assert line.startswith("error: unexpected KeyError at test_cli_check.py:")
    assert "anna" not in line
