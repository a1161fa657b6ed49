"""`postroom dlq ...` on a real file."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_support import JOB, PATIENCE_SECONDS, answer, audited, bury, hides, postroom, until


def waiting(queue: str) -> int:
    return int(answer("queue", "info", queue)["backlogCount"])


def test_list_tells_why_and_hides_what() -> None:
    """Reason and origin, with the recipient masked."""
    (id_,) = bury(JOB)

    output = postroom("dlq", "list").output
    (message,) = answer("dlq", "list")

    assert all(
        part in output for part in (id_, "the mailbox does not exist", "message-delivery", "a***@example.com")
    )
    assert hides(output + json.dumps(message))
    assert (message["deadLetter"]["queue"], message["deadLetter"]["attempts"]) == ("message-delivery", 1)


def test_list_filters_and_limits() -> None:
    """By reason and origin; an empty answer says so."""
    ids = bury(JOB, {**JOB, "messageId": "msg-2"})

    assert len(answer("dlq", "list", "--reason", "MAILBOX")) == 2
    assert answer("dlq", "list", "--reason", "full") == []
    assert answer("dlq", "list", "--queue", "other") == []
    assert [message["id"] for message in answer("dlq", "list", "--limit", "1")] == ids[:1]
    assert "no dead letters in dlq match" in postroom("dlq", "list", "--reason", "full").stdout


def test_show_has_the_history_without_people() -> None:
    """The beginning of an id is enough; details show known fields only."""
    (id_,) = bury(JOB)

    output = postroom("dlq", "show", id_[:30]).output
    found = answer("dlq", "show", id_)

    assert hides(output + json.dumps(found))
    assert found["history"] == [
        {"number": 1, "startedAt": None, "outcome": None, "code": "550", "reason": None}
    ]
    assert audited() == []


def test_show_reveals_on_the_record() -> None:
    """The whole body, and an entry in the audit trail."""
    (id_,) = bury(JOB)

    assert answer("dlq", "show", id_, "--reveal")["body"] == JOB
    assert JOB["recipient"] in postroom("dlq", "show", id_, "--reveal").stdout
    assert audited() == [("queue.revealed", "dlq", {"ids": [id_]})] * 2


def test_a_body_cannot_steer_the_terminal() -> None:
    """Control characters are replaced."""
    (id_,) = bury(JOB, reason="a \x1b[2J reason")

    assert "\x1b" not in postroom("dlq", "list").output
    assert "\x1b" not in postroom("dlq", "show", id_).output


def test_redrive_counts_first_and_moves_then() -> None:
    """A dry run moves nothing; the act is recorded before and after."""
    bury(JOB, {**JOB, "messageId": "msg-2"})

    assert (
        "2 match; would move 2 to message-delivery" in postroom("dlq", "redrive", "--all", "--dry-run").stdout
    )
    assert (waiting("dlq"), audited()) == (2, [])

    assert "moved 2 of 2" in postroom("dlq", "redrive", "--reason", "mailbox", "--rate", "1000").stdout
    assert (waiting("dlq"), waiting("message-delivery")) == (0, 2)
    assert [action for action, _, _ in audited()] == ["queue.redrive", "queue.redriven"]


def test_redrive_chooses_by_code() -> None:
    """The code of the last attempt is as good as the reason's own words."""
    bury(JOB)

    assert len(answer("dlq", "list", "--reason", "550")) == 1
    assert "nothing in dlq matches" in postroom("dlq", "redrive", "--reason", "421").stdout
    assert "moved 1 of 1" in postroom("dlq", "redrive", "--reason", "550").stdout


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 1), (signal.SIGTERM, 143)])
def test_interrupted_redrive_is_on_record(number: signal.Signals, code: int, folder: Path) -> None:
    """What had moved by then; the rest is where it was."""
    bury(*({**JOB, "messageId": f"msg-{index}"} for index in range(3)))
    command = [sys.executable, "-m", "postroom", "dlq", "redrive", "--all", "--rate", "0.01"]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: waiting("dlq") == 2, "the first has moved")
        process.send_signal(number)
        _, errors = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == code
    assert "moved 1 of 3" in errors
    assert "Traceback" not in errors
    assert audited()[1:] == [("queue.redriven", "dlq", {"moved": 1, "interrupted": True})]
    assert waiting("dlq") == 2


def test_redrive_of_one_to_another_queue() -> None:
    """`--id` and `--to`."""
    first, _ = bury(JOB, {**JOB, "messageId": "msg-2"})
    postroom("queue", "create", "elsewhere")

    done = answer("dlq", "redrive", "--id", first, "--to", "elsewhere")

    assert done == {"dryRun": False, "matched": 1, "moved": 1, "targets": {"elsewhere": 1}, "unroutable": 0}
    assert (waiting("dlq"), waiting("elsewhere")) == (1, 1)


def test_redrive_refuses_what_it_cannot_do() -> None:
    """Nothing chosen, an unknown target, an unknown id, a message without an origin."""
    bury(JOB)

    assert "--all" in postroom("dlq", "redrive", code=2).stderr
    postroom("dlq", "redrive", "--all", "--reason", "x", code=2)
    postroom("dlq", "redrive", "--all", "--rate", "0", code=2)
    unknown = postroom("dlq", "redrive", "--all", "--to", "message-delivry", code=1).stderr
    assert "did you mean message-delivery?" in unknown
    assert "not in dlq" in postroom("dlq", "redrive", "--id", "f" * 32, code=1).stderr
    postroom("queue", "send", "dlq", "1")
    assert "--to" in postroom("dlq", "redrive", "--all", code=1).stderr


def test_delete_is_for_good_and_asks() -> None:
    """Without a terminal it needs --yes; what is chosen goes, the rest stays."""
    first, second = bury(JOB, {**JOB, "messageId": "msg-2"})

    assert "--yes" in postroom("dlq", "delete", first, code=1).stderr
    postroom("dlq", "delete", code=2)
    assert "deleted 1 from dlq" in postroom("dlq", "delete", first, "--yes").stdout
    assert [message["id"] for message in answer("dlq", "list")] == [second]
    assert "nothing in dlq matches" in postroom("dlq", "delete", first, "--yes", code=1).stderr
    assert [action for action, _, _ in audited()] == ["dead_letters.deleted"]


def test_another_queue_can_be_named() -> None:
    """`--queue-name`, with near names for a mistyped one."""
    postroom("queue", "create", "graveyard")
    id_ = postroom("queue", "send", "graveyard", json.dumps(JOB)).stdout.strip()

    assert [message["id"] for message in answer("dlq", "list", "--queue-name", "graveyard")] == [id_]
    assert id_ in postroom("dlq", "show", id_, "--queue-name", "graveyard").stdout
    assert "did you mean graveyard?" in postroom("dlq", "list", "--queue-name", "graveyrd", code=1).stderr
    assert "no message" in postroom("dlq", "show", id_, code=1).stderr


@pytest.mark.parametrize("command", [["list"], ["show", "abc"], ["redrive", "--all"], ["delete", "--all"]])
def test_without_a_configured_queue_one_has_to_be_named(command: list[str], folder: Path) -> None:
    """A wrangler file without dead_letter_queue."""
    producers = [{"queue": "letters", "binding": "MESSAGE_QUEUE"}]
    (folder / "wrangler.json").write_text(json.dumps({"queues": {"producers": producers}}))

    assert "--queue-name" in postroom("dlq", *command, code=1).stderr
