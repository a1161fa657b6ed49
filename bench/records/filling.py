"""Rows of the application's tables, made by SQL: quick, and the same each time."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from postroom.audit import record
from postroom.kit.clock import to_us
from postroom.settings import Settings, load
from postroom.store import StoreTransaction
from postroom.wiring import Application, open_application

FIRST_US: Final = to_us(datetime(2019, 1, 1, tzinfo=UTC))
"""When the first of all rows was made; each is a second younger than the one before."""
AT_ONCE: Final = 20_000
CHAINED_AT_ONCE: Final = 2_000
SERIES: Final = "WITH RECURSIVE n (i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last) "

# Ids are as long as ours, and do not come in order, as of writers on several machines.
AUDIT: Final = (
    SERIES
    + """
INSERT INTO audit_log (at_us, actor, actor_role, address, action, object_type, object_id, request_id, before_sha256,
                       after_sha256, details, key_id, hash)
SELECT :first_us + i * 1000000, 'user-' || (i % 97), 'staff', printf('%016x', i * 2654435761), 'message.approved', 'message',
       printf('019a%028x', i * 2654435761 % 4294967296), printf('req-%028x', i), NULL, printf('%064x', i),
       '{"status":"queued","version":' || (i % 7) || ',"note":"said \\"yes\\", twice"}', '0a1b2c3d', printf('%064x', i * 7)
FROM n"""
)
PARTS: Final = (
    """
INSERT INTO jobs (id, type, queue, reference, priority, status, attempts, max_attempts, created_us, updated_us, finished_us)
SELECT printf('019b%028x', i), 'email_send', 'message-delivery', printf('m-%08d', i), 'normal', 'done', 1, 3,
       :first_us + i * 1000000, :first_us + i * 1000000 + 900000, :first_us + i * 1000000 + 900000 FROM n""",
    """
INSERT INTO messages (id, channel, recipient, recipient_key, subject, content, status, author, content_sha256, job_id, provider,
                      provider_id, created_us, updated_us, sent_us, delivered_us)
SELECT printf('m-%08d', i), 'email', 'patient-' || i || '@example.com', printf('%064x', i % 5000), 'Your appointment',
       'Dear patient, your appointment is on Tuesday at 9:15, in room ' || (i % 40) || '.' || printf('%120c', ' '),
       'delivered', 'user-' || (i % 97), printf('%064x', i), printf('019b%028x', i), 'smtp', printf('<%032x@example.com>', i),
       :first_us + i * 1000000, :first_us + i * 1000000 + 950000, :first_us + i * 1000000 + 900000,
       :first_us + i * 1000000 + 950000 FROM n""",
    """
INSERT INTO attempts (job_id, number, started_us, finished_us, outcome, provider)
SELECT printf('019b%028x', i), 1, :first_us + i * 1000000 + 800000, :first_us + i * 1000000 + 900000, 'done', 'smtp' FROM n""",
    """
INSERT INTO deliveries (id, message_id, job_id, job_attempt, generation, provider, state, rank, verdict, code, provider_id,
                        request_sha256, idempotency_key, claimed_us, ended_us, updated_us)
SELECT printf('%032x', i * 2654435761), printf('m-%08d', i), printf('019b%028x', i), 1, 1, 'smtp', 'delivered', 50, 'sent',
       '250', printf('<%032x@example.com>', i), printf('%064x', i), printf('%032x', i), :first_us + i * 1000000 + 800000,
       :first_us + i * 1000000 + 900000, :first_us + i * 1000000 + 950000 FROM n""",
    *(
        f"""
INSERT INTO message_events (message_id, at_us, kind, before, after, actor, provider)
SELECT printf('m-%08d', i), :first_us + i * 1000000 + {number}, 'moved', 'queued', '{after}', 'worker', 'smtp' FROM n"""
        for number, after in enumerate(("queued", "processing", "sent", "delivered"))
    ),
)
ROWS_A_MESSAGE: Final = len(PARTS)


def settings_in(folder: Path, **given: str) -> Settings:
    """Everything in one folder."""
    fields = {
        "database_url": f"sqlite:///{folder / 'records.db'}", "exports_dir": str(folder / "exports"),
        "archive_dir": str(folder / "archive"), "mailbox_dir": str(folder / "mail"), "cron": "housekeeping=off",
        "delay_normal_seconds": "0", **given,
    }  # fmt: skip
    return load({f"POSTROOM_{name.upper()}": value for name, value in fields.items()}, folder=folder).settings


async def _statements(app: Application, count: int, statements: tuple[str, ...], at_once: int) -> None:
    for first in range(1, count + 1, at_once):
        values: dict[str, Any] = {
            "first": first,
            "last": min(count, first + at_once - 1),
            "first_us": FIRST_US,
        }

        def put(transaction: StoreTransaction, values: dict[str, Any] = values) -> None:
            for text in statements:
                transaction.connection.execute(text if text is AUDIT else SERIES + text, values)

        await app.store.write(put)


async def audit(app: Application, count: int) -> None:
    """Entries of the audit trail whose hashes are not right: for reading only."""
    await _statements(app, count, (AUDIT,), AT_ONCE)


async def messages(app: Application, count: int) -> None:
    """Delivered messages with their jobs, attempts, calls and timelines: ROWS_A_MESSAGE rows each."""
    await _statements(app, count, PARTS, AT_ONCE // ROWS_A_MESSAGE)


async def trail(app: Application, count: int) -> None:
    """Entries of the audit trail as they are written, chained by its key."""
    for first in range(0, count, CHAINED_AT_ONCE):

        def put(transaction: StoreTransaction, first: int = first) -> None:
            for number in range(first, min(count, first + CHAINED_AT_ONCE)):
                record(
                    transaction, at_us=FIRST_US + number * 1_000_000, actor=f"user-{number % 97}", action="message.approved",
                    object_type="message", object_id=f"m-{number:08d}", details={"status": "queued", "version": number % 7},
                )  # fmt: skip

        await app.store.write(put)
        await asyncio.sleep(0)


async def fill(folder: Path, **counts: int) -> None:
    """A new database with so many `audit`, `messages` or `trail`."""
    async with open_application(settings_in(folder), consume=False) as app:
        for kind, count in counts.items():
            await {"audit": audit, "messages": messages, "trail": trail}[kind](app, count)
