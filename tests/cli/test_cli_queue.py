"""`postroom queue ...` on a real file."""

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import select
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from cli_support import JOB, answer, audited, hides, inside, postroom

from postroom.queues import MessageBatch
from postroom.wiring import Application, open_application


def send(queue: str = "message-delivery", *options: str) -> str:
    return postroom("queue", "send", queue, json.dumps(JOB), *options).stdout.strip()


def test_a_queue_is_made_filled_looked_at_and_deleted() -> None:
    """The life of a queue, and its traces in the audit trail."""
    assert "created orders" in postroom("queue", "create", "orders", "--delivery-delay", "60").stdout
    id_ = postroom("queue", "send", "orders", "hello", "--content-type", "text").stdout.strip()
    postroom("queue", "send", "orders", "-", "--content-type", "bytes", "--delay", "0", given=b"\xff\x00")

    info = answer("queue", "info", "orders")
    assert (info["ready"], info["delayed"], info["settings"]["delivery_delay"]) == (1, 1, 60)
    assert id_ in [message["id"] for message in answer("queue", "peek", "orders")]
    assert {one["name"] for one in answer("queue", "list")} == {
        "orders",
        "message-delivery",
        "delivery-events",
        "dlq",
    }
    assert "orders" in postroom("queue", "list").stdout

    assert "deleted 2 messages" in postroom("queue", "purge", "orders", "--yes").stdout
    assert "deleted orders" in postroom("queue", "delete", "orders", "--yes").stdout
    assert [action for action, name, _ in audited() if name == "orders"] == [
        "queue.created", "queue.purged", "queue.deleted",
    ]  # fmt: skip


def test_create_changes_only_what_is_given() -> None:
    """A second create keeps the other settings."""
    postroom("queue", "create", "orders", "--retention", "600")
    postroom("queue", "create", "orders", "--delivery-delay", "5")
    assert "exists already" in postroom("queue", "create", "orders").stdout

    settings = answer("queue", "info", "orders")["settings"]
    assert (settings["message_retention_period"], settings["delivery_delay"]) == (600, 5)


def test_pause_and_resume_hold_for_everyone() -> None:
    """Delivery is off and on again."""
    postroom("queue", "pause", "message-delivery")
    assert answer("queue", "info", "message-delivery")["paused"] is True
    postroom("queue", "resume", "message-delivery")
    assert answer("queue", "info", "message-delivery")["paused"] is False
    assert [action for action, _, _ in audited()] == ["queue.paused", "queue.resumed"]


def test_peek_hides_what_a_message_says() -> None:
    """Recipient masked, the rest hidden, unknown fields too."""
    send()

    table = postroom("queue", "peek", "message-delivery").output
    (message,) = answer("queue", "peek", "message-delivery")

    assert hides(table)
    assert hides(json.dumps(message))
    assert message["body"] == {
        "type": "email_send",
        "messageId": "msg-1",
        "priority": "normal",
        "recipient": "a***@example.com",
        "subject": "***",
        "content": "***",
        "hidden": "1 more",
    }
    assert audited() == []


def test_reveal_shows_and_is_recorded() -> None:
    """Who looks at health data is on record, without the data."""
    id_ = send()

    (message,) = answer("queue", "peek", "message-delivery", "--reveal")

    assert message["body"] == JOB
    assert audited() == [("queue.revealed", "message-delivery", {"ids": [id_]})]


def test_deduplication_and_priority() -> None:
    """The same deduplication id is stored once."""
    first = send("message-delivery", "--deduplication-id", "one", "--priority", "high")
    assert send("message-delivery", "--deduplication-id", "one") == first

    (message,) = answer("queue", "peek", "message-delivery")
    assert (message["id"], message["priority"]) == (first, "high")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["queue", "info", "message-delivry"], "did you mean message-delivery?"),
        (["queue", "send", "message-delivry", "1"], "did you mean message-delivery?"),
        (["queue", "pause", "nothing"], "does not exist"),
        (["queue", "create", "Not-A-Name"], "lower-case"),
        (["queue", "send", "dlq", "{anna@example.com"], "BODY is not JSON"),
        (["queue", "send", "dlq", "1", "--delay", "-1"], "delay"),
        (["queue", "purge", "dlq"], "--yes"),
        (["queue", "delete", "dlq"], "--yes"),
    ],
)
def test_a_failure_is_one_line(args: list[str], words: str) -> None:
    """`error: ...` and exit code 1."""
    postroom("queue", "list")

    result = postroom(*args, code=1)

    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1
    assert words in result.stderr
    assert hides(result.stderr)


def test_wrong_usage_is_exit_code_2() -> None:
    """Click's own."""
    postroom("queue", "peek", "dlq", "--limit", "0", code=2)
    postroom("queue", "send", "dlq", code=2)


def test_status_shows_jobs_and_queues() -> None:
    """As a table and as JSON."""

    async def enqueue(app: Application) -> str:
        made = await app.producer.enqueue_job({key: value for key, value in JOB.items() if key != "note"})
        return made.job_id

    id_ = inside(enqueue)
    output = postroom("queue", "status").stdout
    found = answer("queue", "status")

    assert id_ in output
    assert "1 in all: 1 queued" in output
    assert hides(output + json.dumps(found))
    assert (found["health"]["total"], found["recentActivity"][0]["jobId"]) == (1, id_)
    assert {queue["name"] for queue in found["queues"]} == {"message-delivery", "delivery-events", "dlq"}


def test_status_without_jobs_tells_what_to_try() -> None:
    """And that it made the database file."""
    result = postroom("queue", "status")
    assert "postroom queue test" in result.stdout
    assert "postroom.db did not exist" in result.stderr


def test_trying_without_a_consumer_tells_to_start_one() -> None:
    """Exit code 1 after the timeout."""
    result = postroom("queue", "demo", "--timeout", "0", code=1)
    assert "start `postroom up`" in result.stderr
    assert "email_send" in result.stdout
    assert postroom("queue", "test", "--timeout", "0", code=1).stdout.count(": queued") == 4


@pytest.mark.slow
def test_trying_beside_a_consumer_ends_well(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All four kinds are done, each told when it changes."""
    from postroom.settings import load

    monkeypatch.setenv("POSTROOM_DELAY_NORMAL_SECONDS", "0")
    monkeypatch.setenv("POSTROOM_DELAY_LOW_SECONDS", "0")

    async def run() -> str:
        async with open_application(load().settings, consume=True) as app, app.queues.running():
            return (await asyncio.to_thread(postroom, "queue", "test", "--timeout", "30")).stdout

    output = asyncio.run(run())
    assert output.count(": done") == 4
    assert hides(output)


def test_handler_is_not_needed() -> None:
    """Commands never consume: what waits, waits on."""
    send()

    async def take(app: Application) -> int:
        seen: list[int] = []

        async def handle(batch: MessageBatch) -> None:
            seen.extend(message.attempts for message in batch.messages)

        app.queues.consumer(app.queue, max_batch_timeout=0)(handle)
        async with app.queues.running(), asyncio.timeout(20):
            while not seen:
                await asyncio.sleep(0.005)
        return seen[0]

    postroom("queue", "peek", "message-delivery")
    assert inside(take) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("typed", "code", "left"), [(b"y\n", 0, 0), (b"n\n", 1, 1), (b"\x03", 1, 1)])
def test_a_terminal_is_asked_before_a_purge(typed: bytes, code: int, left: int, folder: Path) -> None:
    """Yes deletes; no and Ctrl-C do not."""
    send()
    outer, inner = pty.openpty()
    command = [sys.executable, "-m", "postroom", "queue", "purge", "message-delivery"]
    process = subprocess.Popen(
        command, cwd=folder, stdin=inner, stdout=inner, stderr=inner, preexec_fn=become_foreground
    )
    os.close(inner)
    shown = b""
    while b"[y/N]" not in shown:
        assert select.select([outer], [], [], 30)[0], shown
        shown += os.read(outer, 1000)
    try:
        assert ended_after(process, outer, typed) == code
    finally:
        process.kill()
        process.wait()
        os.close(outer)
    assert answer("queue", "info", "message-delivery")["backlogCount"] == left


def ended_after(process: subprocess.Popen[bytes], terminal: int, typed: bytes) -> int:
    """Type until the process ends: a Ctrl-C just before the reading begins is noticed with the next key."""
    for _ in range(30):
        os.write(terminal, typed)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(1)
    raise AssertionError("it goes on")


def become_foreground() -> None:
    """Make standard input the controlling terminal, so that Ctrl-C becomes a signal."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
