"""Dead letters of which a job's record does not know: a look records them, unless something has happened since."""

from typing import Any

from app_support import Open

from postroom.jobs import EmailJob, JobContext
from postroom.kit.clock import to_datetime
from postroom.queues import connect
from postroom.queues.testing import VirtualClock
from postroom.wiring import Application

REASON = "gave up after 6 deliveries"
JOB = EmailJob(message_id="m-1", recipient="anna@example.com", subject="Hi", content="Hello")


def context(app: Application, job_id: str, clock: VirtualClock) -> JobContext:
    return JobContext(
        job_id=job_id, type="email_send", attempt=1, max_attempts=3, enqueued_at=to_datetime(clock.now_us()),
        queue=app.queue, clock=clock,
    )  # fmt: skip


async def bury(app: Application, clock: VirtualClock) -> str:
    """A job whose attempt began, and whose dead letter was made by a process that died before it told anybody."""
    job_id = (await app.producer.enqueue_job(JOB)).job_id
    async with connect(app.settings.queue_url, config=app.queues.config, clock=clock) as dying:
        await clock.advance(2)
        (message,) = (await dying[app.queue].pull()).messages
        await app.ledger.begin(context(app, job_id, clock), JOB)
        await dying[app.queue].settle(dead_letters={message.lease_id: REASON})
    return job_id


async def record(app: Application, job_id: str) -> dict[str, Any]:
    row = await app.store.read(lambda transaction: transaction.one("find_job", id=job_id))
    assert row is not None
    return row


async def test_dead_letter_without_a_record_is_found(open_app: Open, clock: VirtualClock) -> None:
    """With its reason; the attempt that never ended is on record as unknown."""
    async with open_app() as app:
        job_id = await bury(app, clock)
        assert (await record(app, job_id))["status"] == "processing"

        assert await app.given_up.look() == 1

        job = await record(app, job_id)
        assert (job["status"], job["code"], job["reason"]) == ("failed", "given_up", REASON)
        assert await app.given_up.look() == 0


async def test_job_that_was_sent_back_since_is_left_alone(open_app: Open, clock: VirtualClock) -> None:
    """The look may have read the dead letter before somebody redrove it; its new attempt is not the old one's."""
    async with open_app() as app:
        job_id = await bury(app, clock)
        died_us = clock.now_us()
        await clock.advance(1)
        await app.ledger.begin(context(app, job_id, clock), JOB)

        await app.ledger.give_up(job_id, REASON, seen_us=died_us)

        assert (await record(app, job_id))["status"] == "processing"
