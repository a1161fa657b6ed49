"""The whole application for a fault test: quick retries, short leases, a mailbox to send to."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from postroom.settings import Settings, load
from postroom.wiring import Application, open_application

QUEUE, GRAVE = "message-delivery", "dlq"
LEASE_MS = 400
MAX_RETRIES = 20


def settings_in(
    place: Path,
    *,
    lease_ms: int = LEASE_MS,
    max_retries: int = MAX_RETRIES,
    batch: int = 10,
    concurrency: int = 4,
    **given: str,
) -> Settings:
    """Settings with everything in one folder; `given` are more of them, by field."""
    consumer = {
        "queue": QUEUE,
        "max_batch_size": batch,
        "max_batch_timeout": 0,
        "max_retries": max_retries,
        "dead_letter_queue": GRAVE,
        "max_concurrency": concurrency,
        "visibility_timeout_ms": lease_ms,
    }
    wrangler = {
        "queues": {"producers": [{"queue": QUEUE, "binding": "MESSAGE_QUEUE"}], "consumers": [consumer]}
    }
    (place / "wrangler.json").write_text(json.dumps(wrangler))
    fields = {
        "database_url": f"sqlite:///{place / 'postroom.db'}",
        "exports_dir": str(place / "exports"),
        "archive_dir": str(place / "archive"),
        "delay_normal_seconds": "0",
        "delay_low_seconds": "0",
        "retry_base_seconds": "0.02",
        "shutdown_grace_seconds": "5",
        **given,
    }
    environ = {f"POSTROOM_{field.upper()}": value for field, value in fields.items()}
    return load(environ, folder=place).settings


def smtp_url(port: int) -> str:
    """The test's mailbox."""
    return f"smtp://127.0.0.1:{port}?tls=none&hello=tests.example"


def an_email(reference: str, recipient: str = "anna@example.com") -> Mapping[str, Any]:
    """An email job as it comes over the wire."""
    return {
        "type": "email_send",
        "messageId": reference,
        "recipient": recipient,
        "subject": "Appointment",
        "content": f"This is {reference}.",
        "priority": "normal",
    }


class Attempt(NamedTuple):
    """One attempt as it is recorded."""

    number: int
    outcome: str | None
    code: str | None
    reason: str | None


class Record(NamedTuple):
    """A job, its message and its attempts as they are recorded."""

    id: str
    reference: str | None
    status: str
    reason: str | None
    message: str | None
    attempts: list[Attempt]

    @property
    def outcomes(self) -> list[str | None]:
        """How its attempts ended, in order."""
        return [attempt.outcome for attempt in self.attempts]


async def records(app: Application) -> list[Record]:
    """Every job on record, in the order of enqueueing."""

    def collect(transaction: Any) -> list[Record]:
        found = []
        rows = transaction.connection.execute(
            "SELECT j.id, j.reference, j.status, j.reason, m.status FROM jobs j"
            " LEFT JOIN messages m ON m.job_id = j.id ORDER BY j.seq"
        ).fetchall()
        for id_, reference, status, reason, message in rows:
            attempts = transaction.connection.execute(
                "SELECT number, outcome, code, reason FROM attempts WHERE job_id = ? ORDER BY number", (id_,)
            ).fetchall()
            found.append(Record(id_, reference, status, reason, message, [Attempt(*row) for row in attempts]))
        return found

    found: list[Record] = await app.store.read(collect)
    return found


@asynccontextmanager
async def running_application(settings: Settings, port: int | None = None) -> AsyncIterator[Application]:
    """An open application whose consumers run."""
    url = smtp_url(port) if port is not None else None
    async with open_application(settings, consume=True, smtp_url=url) as app, app.queues.running():
        yield app
