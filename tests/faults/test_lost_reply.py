"""The connection drops between the final dot and the reply: nobody knows whether the email left (`uncertain`)."""

from pathlib import Path

import pytest

from postroom.delivery.mailbox import Mailbox
from postroom.wiring import Application
from support.patience import until
from support.service import GRAVE, Record, an_email, records, running_application, settings_in

pytestmark = pytest.mark.slow

ENDED = ("done", "failed", "uncertain")


async def settled(app: Application) -> list[Record]:
    """Every job, once all have come to their end."""

    async def ended() -> list[Record] | None:
        found = await records(app)
        return found if found and all(record.status in ENDED for record in found) else None

    found = await until(ended, "all jobs have ended")
    assert found is not None
    return found


async def test_lost_reply_is_sent_again_with_the_same_message_id(place: Path) -> None:
    """Policy `resend`: two copies with one Message-ID, and the first attempt on record says that it is unknown."""
    async with Mailbox() as mailbox, running_application(settings_in(place), mailbox.port) as app:
        mailbox.script("anna@example.com", ["drop-after-dot"])

        await app.producer.enqueue_batch([an_email("m1"), an_email("m2", "berta@example.com")])
        first, second = await settled(app)

        assert (first.status, first.message) == ("done", "sent")
        assert (second.status, second.outcomes) == ("done", ["done"])
        assert first.attempts[0].code == "unknown"
        assert "unknown whether it left" in (first.attempts[0].reason or "")
        copies = [one for one in mailbox.received if one.envelope_to == ("anna@example.com",)]
        assert len(copies) == 2
        assert len({one.message_id for one in copies}) == 1
        assert (await app.queues[GRAVE].metrics()).backlog_count == 0


async def test_lost_reply_is_held_for_a_person(place: Path) -> None:
    """Policy `hold`: one copy, a dead letter with the reason, and a status that a person can see."""
    settings = settings_in(place, uncertain="hold")
    async with Mailbox() as mailbox, running_application(settings, mailbox.port) as app:
        mailbox.script("anna@example.com", ["drop-after-dot"])

        await app.producer.enqueue_batch([an_email("m1"), an_email("m2", "berta@example.com")])
        first, second = await settled(app)

        assert first.status in ("uncertain", "failed")
        assert "held for a person" in (first.reason or "")
        assert len(first.attempts) == 1
        assert (second.status, second.message) == ("done", "sent")
        assert len([one for one in mailbox.received if one.envelope_to == ("anna@example.com",)]) == 1
        (dead,) = await until(app.queues[GRAVE].peek, "the dead letter is there")
        assert dead.dead_lettered is not None
        assert "unknown whether it left" in dead.dead_lettered.reason
        assert dead.dead_lettered.details["attempts"][0]["code"] == "unknown"


async def test_dropped_connection_before_the_content_is_an_ordinary_failure(place: Path) -> None:
    """Hung up at RCPT: certainly not taken, so it is tried again under either policy, and arrives once."""
    settings = settings_in(place, uncertain="hold")
    async with Mailbox() as mailbox, running_application(settings, mailbox.port) as app:
        mailbox.script("anna@example.com", ["drop-at-rcpt", "drop-at-rcpt"])

        await app.producer.enqueue_job(an_email("m1"))
        (record,) = await settled(app)

        assert record.status == "done"
        assert record.outcomes[-1] == "done"
        assert len(mailbox.received) == 1


async def test_held_message_is_not_sent_again_by_enqueueing_it_again(place: Path) -> None:
    """Policy `hold` means at most once: its sender's own retry with the same messageId is answered, not sent."""
    settings = settings_in(place, uncertain="hold")
    async with Mailbox() as mailbox, running_application(settings, mailbox.port) as app:
        mailbox.script("anna@example.com", ["drop-after-dot"])
        await app.producer.enqueue_job(an_email("m1"))
        await settled(app)

        again = await app.producer.enqueue_job(an_email("m1"))

        assert again.duplicate
        assert len(await settled(app)) == 1
        assert len(mailbox.received) == 1
