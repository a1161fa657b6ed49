"""Messages for months ahead: they outlast restarts, retention and a step of the schema."""

from datetime import timedelta

import pytest
from app_support import Open

from postroom.jobs.models import SmsJob
from postroom.queues.testing import VirtualClock
from postroom.store.migrations import Migration, known
from postroom.wiring import Application

DAY = 86_400


async def status(app: Application) -> str:
    row = await app.store.read(lambda transaction: transaction.one("find_record", id="later"))
    assert row is not None
    return str(row["status"])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_message_for_months_ahead_outlasts_restarts_and_an_upgrade(
    open_app: Open, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the four days of retention nor a step of the schema that came since takes it; it leaves at its moment."""
    at = clock.now() + timedelta(days=200)
    job = SmsJob(message_id="later", recipient="+14155552671", content="x")
    async with open_app() as app, app.queues.running():
        await app.producer.enqueue_job(job, send_at=at)
        await clock.advance(30 * DAY)
    # The next version of Postroom has a step of the schema more.
    steps = [*known(), Migration(9000, "9000_pre_later", "ALTER TABLE messages ADD COLUMN later TEXT;")]
    monkeypatch.setattr("postroom.store.migrations.known", lambda: steps)

    async with open_app() as app, app.queues.running():
        await clock.advance(169 * DAY)
        before = await status(app)
        await clock.advance(2 * DAY)
        assert (before, await status(app)) == ("scheduled", "sent")
        assert await app.store.read(lambda t: t.connection.execute("SELECT later FROM messages").fetchall())
