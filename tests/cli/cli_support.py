"""What the tests of the command line share."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from click.testing import CliRunner, Result

from postroom.cli.root import cli
from postroom.queues import MessageBatch
from postroom.settings import load
from postroom.wiring import Application, open_application

T = TypeVar("T")

PATIENCE_SECONDS = 30.0

SECRETS = ("anna@example.com", "Blood test", "positive", "private-note")
"""Health data of the job below."""
JOB = {
    "type": "email_send",
    "messageId": "msg-1",
    "recipient": SECRETS[0],
    "subject": SECRETS[1],
    "content": f"It is {SECRETS[2]}.",
    "priority": "normal",
    "note": SECRETS[3],
}


def postroom(*args: str, code: int = 0, given: str | bytes | None = None) -> Result:
    """Run a command in this process, in the current folder; its exit code must be `code`."""
    result = CliRunner().invoke(cli, args, input=given, prog_name="postroom")
    assert result.exit_code == code, (args, result.output, result.exception)
    assert "Traceback" not in result.output
    return result


def until(look: Callable[[], T], what: str) -> T:
    """Look until there is something."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {PATIENCE_SECONDS:g} s: {what}")


def answer(*args: str, code: int = 0) -> Any:
    """What a command with --json wrote."""
    return json.loads(postroom(*args, "--json", code=code).stdout)


def hides(text: str) -> bool:
    """Whether none of the health data is in it."""
    return not any(secret in text for secret in SECRETS)


def inside(work: Callable[[Application], Awaitable[T]]) -> T:
    """Do something with the application on the same database file."""

    async def run() -> T:
        async with open_application(load().settings, consume=False) as app:
            return await work(app)

    return asyncio.run(run())


def audited() -> list[tuple[str, str, dict[str, Any]]]:
    """Action, object and details of every entry in the audit trail."""

    async def read(app: Application) -> list[tuple[str, str, dict[str, Any]]]:
        def rows(transaction: Any) -> list[Any]:
            query = "SELECT action, object_id, details FROM audit_log ORDER BY rowid"
            return list(transaction.connection.execute(query))

        return [(action, name, json.loads(details)) for action, name, details in await app.store.read(rows)]

    return inside(read)


def bury(*bodies: dict[str, Any], reason: str = "the mailbox does not exist") -> list[str]:
    """Send messages that fail for good; their ids in the dead letter queue."""

    async def work(app: Application) -> list[str]:
        async def fail(batch: MessageBatch) -> None:
            for message in batch.messages:
                message.dead_letter(
                    reason, details={"attempts": [{"number": 1, "code": "550", "to": SECRETS[0]}]}
                )

        app.queues.consumer(app.queue, max_batch_timeout=0)(fail)
        ids = [(await app.queues[app.queue].send(body)).id for body in bodies]
        async with app.queues.running(), asyncio.timeout(20):
            while (await app.queues.info(app.queue)).backlog.messages:
                await asyncio.sleep(0.005)
        return ids

    return inside(work)
