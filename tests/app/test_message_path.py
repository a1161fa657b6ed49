"""A message is sent once, its states are on record, and what fails for good is a dead letter with its history."""

from datetime import timedelta

import pytest

from postroom.jobs import EmailJob, JobContext, JobInvalid
from postroom.kit.clock import to_datetime
from postroom.queues.testing import VirtualClock
from postroom.store import StoreTransaction
from postroom.wiring import Application


def email(message_id: str = "m-1", content: str = "Hello") -> EmailJob:
    return EmailJob(message_id=message_id, recipient="anna@example.com", subject="Hi", content=content)


async def message(app: Application, message_id: str = "m-1") -> dict[str, object]:
    row = await app.store.read(lambda transaction: transaction.one("find_message", id=message_id))
    assert row is not None
    return row


async def job(app: Application, job_id: str) -> dict[str, object]:
    row = await app.store.read(lambda transaction: transaction.one("find_job", id=job_id))
    assert row is not None
    return row


async def attempts(app: Application, job_id: str) -> list[dict[str, object]]:
    return await app.store.read(lambda transaction: transaction.all("list_attempts", job_id=job_id))


async def test_email_is_sent_and_recorded(app: Application, clock: VirtualClock) -> None:
    """queued, then sent, with an attempt that names the provider."""
    made = await app.producer.enqueue_job(email())
    assert (await message(app))["status"] == "queued"

    await clock.advance(5)

    assert (await message(app))["status"] == "sent"
    assert (await job(app, made.job_id))["status"] == "done"
    assert [(a["number"], a["outcome"], a["provider"]) for a in await attempts(app, made.job_id)] == [
        (1, "done", "noop")
    ]


async def test_message_on_its_way_is_a_duplicate(app: Application, clock: VirtualClock) -> None:
    """The second answer is the first one, marked."""
    first = await app.producer.enqueue_job(email())
    await clock.advance(0.1)

    second = await app.producer.enqueue_job(email(content="something else"))

    assert second.duplicate
    assert (second.job_id, second.enqueued_at, second.status) == (
        first.job_id,
        first.enqueued_at,
        first.status,
    )
    await clock.advance(10)
    assert (await app.producer.enqueue_job(email())).duplicate
    assert (await app.status.read()).health.total == 1


async def test_duplicate_within_one_batch_is_enqueued_once(app: Application) -> None:
    """Two jobs with one messageId in one request are one job."""
    first, other, again = await app.producer.enqueue_batch([email(), email("m-2"), email()])

    assert (first.duplicate, other.duplicate, again.duplicate) == (False, False, True)
    assert again.job_id == first.job_id
    assert (await app.queues["message-delivery"].metrics()).backlog_count == 2


async def test_failed_message_may_be_enqueued_again(app: Application, clock: VirtualClock) -> None:
    """What failed for good gets a new job."""
    first = await app.producer.enqueue_job(email(content="test-failure"))
    await clock.advance(10)
    assert (await message(app))["status"] == "failed"

    second = await app.producer.enqueue_job(email(content="better"))
    await clock.advance(10)

    assert not second.duplicate
    assert second.job_id != first.job_id
    assert (await message(app))["status"] == "sent"


async def test_permanent_failure_is_a_dead_letter_at_once(app: Application, clock: VirtualClock) -> None:
    """With reason, history and the job as it was sent."""
    made = await app.producer.enqueue_job(email(content="test-failure"))
    await clock.advance(10)

    (dead,) = await app.queues["dlq"].peek()

    assert dead.id == made.job_id
    assert dead.body["messageId"] == "m-1"
    assert dead.dead_lettered is not None
    assert dead.dead_lettered.queue == "message-delivery"
    assert "failure" in dead.dead_lettered.reason
    assert [a["outcome"] for a in dead.dead_lettered.details["attempts"]] == ["failed"]


async def test_temporary_failure_is_tried_three_times(app: Application, clock: VirtualClock) -> None:
    """After about 2 and 4 minutes, then it is a dead letter."""
    made = await app.producer.enqueue_job(email(content="test-temporary"))
    await clock.advance(10)
    assert (await message(app))["status"] == "retry_scheduled"
    assert len(await attempts(app, made.job_id)) == 1

    await clock.advance(150)
    assert len(await attempts(app, made.job_id)) == 2
    await clock.advance(300)

    assert len(await attempts(app, made.job_id)) == 3
    assert (await message(app))["status"] == "failed"
    (dead,) = await app.queues["dlq"].peek()
    assert dead.dead_lettered is not None
    assert "gave up after 3 attempts" in dead.dead_lettered.reason


async def test_redriven_job_is_tried_again(app: Application, clock: VirtualClock) -> None:
    """A person may bring back what failed; its attempts go on being counted."""
    made = await app.producer.enqueue_job(email(content="test-failure"))
    await clock.advance(10)

    assert (await app.queues["dlq"].redrive()).moved == 1
    await clock.advance(10)

    assert [a["number"] for a in await attempts(app, made.job_id)] == [1, 2]


async def test_neighbours_of_a_failing_job_are_not_touched(app: Application, clock: VirtualClock) -> None:
    """One failure in a batch is one failure."""
    await app.producer.enqueue_batch([email("a"), email("b", "test-failure"), email("c")])
    await clock.advance(10)

    assert [(await message(app, name))["status"] for name in "abc"] == ["sent", "failed", "sent"]


async def test_slow_text_does_not_hold_up_its_neighbours(app: Application, clock: VirtualClock) -> None:
    """test-delay waits; the email of the same batch is sent meanwhile."""
    await app.producer.enqueue_sms(message_id="slow", recipient="+14155552671", content="test-delay")
    await app.producer.enqueue_job(email("quick"))
    await clock.advance(2.5)

    assert (await message(app, "quick"))["status"] == "sent"
    assert (await message(app, "slow"))["status"] == "processing"
    await clock.advance(5)
    assert (await message(app, "slow"))["status"] == "sent"


async def test_send_later_waits_for_its_moment(app: Application, clock: VirtualClock) -> None:
    """However far away; the answer says when."""
    moment = clock.now() + timedelta(days=2)
    made = await app.producer.enqueue_send_later(email(), moment)

    assert (made.status, made.scheduled_for) == ("scheduled", moment)
    await clock.advance(2 * 86_400 - 1)
    assert (await message(app))["status"] == "scheduled"
    await clock.advance(5)
    assert (await message(app))["status"] == "sent"


async def test_send_later_in_the_past_means_now(app: Application, clock: VirtualClock) -> None:
    """A past date sends at once, without the delay of its priority."""
    made = await app.producer.enqueue_send_later(email(), clock.now() - timedelta(hours=1))
    await clock.advance(5)

    assert (made.status, made.scheduled_for) == ("queued", None)
    assert (await message(app))["status"] == "sent"


async def test_invalid_job_is_refused_before_anything_is_stored(app: Application) -> None:
    """Each problem is named by its field."""
    with pytest.raises(JobInvalid) as caught:
        await app.producer.enqueue_job({"type": "email_send", "messageId": "m", "recipient": "nobody"})

    assert {problem.field for problem in caught.value.problems} == {"recipient", "subject", "content"}
    assert (await app.status.read()).health.total == 0


async def test_batch_with_one_invalid_job_stores_none(app: Application) -> None:
    """All or none."""
    with pytest.raises(JobInvalid):
        await app.producer.enqueue_batch([email(), {"type": "nonsense"}])

    assert (await app.queues["message-delivery"].metrics()).backlog_count == 0


async def test_job_sent_to_the_queue_directly_is_adopted(app: Application, clock: VirtualClock) -> None:
    """A job that came without a record gets one when it is processed."""
    body = {
        "type": "email_send",
        "messageId": "raw",
        "recipient": "a@example.com",
        "subject": "S",
        "content": "C",
    }
    sent = await app.queues["message-delivery"].send(body)
    await clock.advance(10)

    assert (await message(app, "raw"))["status"] == "sent"
    assert (await job(app, sent.id))["status"] == "done"


async def test_second_message_with_the_same_id_in_the_queue_is_not_sent(
    app: Application, clock: VirtualClock
) -> None:
    """Duplicate delivery of a messageId by another route sends once."""
    await app.producer.enqueue_job(email("once"))
    body = {
        "type": "email_send",
        "messageId": "once",
        "recipient": "a@example.com",
        "subject": "S",
        "content": "C",
    }
    stray = await app.queues["message-delivery"].send(body)
    await clock.advance(10)

    assert await attempts(app, stray.id) == []
    assert (await message(app, "once"))["status"] == "sent"


async def test_malformed_message_goes_to_the_dead_letters(app: Application, clock: VirtualClock) -> None:
    """With what is wrong with it, and without touching its neighbours."""
    await app.queues["message-delivery"].send("{", content_type="text")
    await app.producer.enqueue_job(email())
    await clock.advance(10)

    (dead,) = await app.queues["dlq"].peek()
    assert dead.dead_lettered is not None
    assert dead.dead_lettered.reason.startswith("not a valid job")
    assert (await message(app))["status"] == "sent"


def context_of(app: Application, job_id: str, clock: VirtualClock, attempt: int = 1) -> JobContext:
    return JobContext(
        job_id=job_id, type="email_send", attempt=attempt, max_attempts=3,
        enqueued_at=to_datetime(clock.now_us()), queue="message-delivery", clock=clock,
    )  # fmt: skip


async def test_attempt_without_an_end_is_unknown(app: Application, clock: VirtualClock) -> None:
    """A worker died in the middle of an attempt: that is on record, and the next one begins."""
    made = await app.producer.enqueue_job(email())
    context = context_of(app, made.job_id, clock)
    assert (await app.ledger.begin(context, email())).number == 1

    again = await app.ledger.begin(context, email())

    assert again.number == 2
    assert [a["outcome"] for a in await attempts(app, made.job_id)] == ["unknown", None]
    assert (await message(app))["status"] == "processing"


async def test_finished_job_that_comes_again_is_skipped(app: Application, clock: VirtualClock) -> None:
    """A worker died between its record and its acknowledgement: nothing is sent again."""
    made = await app.producer.enqueue_job(email())
    await clock.advance(10)

    assert (
        await app.ledger.begin(context_of(app, made.job_id, clock, 2), email())
    ).skip == "the job is done already"


async def test_every_step_is_in_the_audit_trail(app: Application, clock: VirtualClock) -> None:
    """Who enqueued it, and how it ended; without recipient and content."""
    await app.producer.enqueue_job(email(), actor="anna")
    await clock.advance(10)

    def entries(transaction: StoreTransaction) -> list[dict[str, object]]:
        values = {
            "after": 0,
            "last": 1 << 60,
            "from_us": 0,
            "until_us": 1 << 62,
            "actor": None,
            "action": None,
        }
        return transaction.all("scan_audit", limit=10, **values)

    trail = await app.store.read(entries)

    assert [(row["actor"], row["action"]) for row in trail] == [
        ("anna", "job.enqueued"),
        ("worker", "job.done"),
    ]
    assert "example.com" not in str(trail)
