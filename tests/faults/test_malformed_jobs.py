"""Bodies that are no jobs end in the dead-letter queue with a reason, and their neighbours are done (dispatcher)."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from postroom.jobs import JobInvalid
from postroom.queues import MessageTooLarge, QueueNotFound
from postroom.wiring import Application
from support.patience import until
from support.service import GRAVE, QUEUE, an_email, records, running_application, settings_in

VALID = an_email("m1")

MALFORMED: dict[str, tuple[Any, str]] = {
    "not json": ("Dear Sir or Madam", "text"),
    "empty": ("", "text"),
    "torn json": ('{"type": "email_send", ', "text"),
    "not utf-8": (b"\xff\xfe\x00", "bytes"),
    "zeros": (bytes(100), "bytes"),
    "null": (None, "json"),
    "number": (42, "json"),
    "string": ("email_send", "json"),
    "list": ([VALID], "json"),
    "no type": ({"messageId": "m1"}, "json"),
    "type of the wrong kind": ({**VALID, "type": 7}, "json"),
    "unknown type": ({**VALID, "type": "fax_send"}, "json"),
    "missing fields": ({"type": "email_send"}, "json"),
    "wrong fields": ({**VALID, "recipient": ["a@b.example"], "subject": None}, "json"),
    "no address": ({**VALID, "recipient": "nobody"}, "json"),
    "deep": (msgspec.Raw(b'{"type":' + b"[" * 5000 + b"]" * 5000 + b"}"), "json"),
    "broken although declared json": (msgspec.Raw(b'{"type": "email_send"'), "json"),
}
"""What somebody else may put into the queue of jobs: body and content type."""


@pytest.fixture
async def app(place: Path) -> AsyncIterator[Application]:
    """A running application that sends nothing anywhere."""
    async with running_application(settings_in(place)) as running:
        yield running


async def drained(app: Application, queue: str = QUEUE) -> None:
    """Wait until the queue of jobs is empty."""

    async def empty() -> bool:
        return not (await app.queues[queue].metrics()).backlog_count

    await until(empty, "the queue is drained")


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed_body_is_dead_lettered_and_its_neighbours_are_done(
    name: str, app: Application
) -> None:
    """It is given up at its first delivery, with a reason that names no content; the rest of the batch is sent."""
    body, content_type = MALFORMED[name]
    requests = [{"body": an_email(f"n{number}")} for number in range(9)]
    requests.insert(4, {"body": body, "content_type": content_type})

    await app.queues[QUEUE].send_batch(requests)
    await drained(app)

    assert [record.status for record in await records(app)] == ["done"] * 9
    (dead,) = await app.queues.broker.browse(GRAVE)
    reason = msgspec.json.decode(dead.meta)["dead"]
    assert reason["queue"] == QUEUE
    assert reason["attempts"] == 1
    assert reason["reason"].startswith("not a valid job: ")
    assert len(reason["reason"]) > len("not a valid job: ")
    assert "nobody" not in reason["reason"]


async def test_dead_letters_can_be_looked_at_whatever_is_in_them(app: Application) -> None:
    """One body that cannot be decoded must not hide the others from an operator."""
    for body, content_type in MALFORMED.values():
        await app.queues[QUEUE].send(body, content_type=content_type)
    await drained(app)

    peeked = await app.queues[GRAVE].peek(batch_size=100)

    assert len(peeked) == len(MALFORMED)
    assert all(one.dead_lettered is not None for one in peeked)


async def test_oversize_body_is_refused_and_stores_nothing(app: Application) -> None:
    """The sender is told the size and the limit; neither a message nor a record comes into being."""
    await app.queues.stop()
    large = {**VALID, "content": "x" * 128_000}

    with pytest.raises(MessageTooLarge, match="exceeds limit of 128000"):
        await app.queues[QUEUE].send(large)
    with pytest.raises((MessageTooLarge, JobInvalid)):
        await app.producer.enqueue_job(large)
    with pytest.raises((MessageTooLarge, JobInvalid)):
        await app.producer.enqueue_batch([an_email("n1"), large])

    assert (await app.queues[QUEUE].metrics()).backlog_count == 0
    assert await records(app) == []


async def test_unknown_queue_is_refused_and_not_made(app: Application) -> None:
    """With a configuration only its queues exist; the error lists them and says how to make one."""
    with pytest.raises(QueueNotFound, match=r"message-delivery.*postroom queue create mesage-delivery"):
        await app.queues["mesage-delivery"].send(VALID)

    assert list(await app.queues.names()) == ["delivery-events", GRAVE, QUEUE]
