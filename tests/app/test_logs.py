"""Log lines are made from events, and no recipient or content can get into them."""

import json
import logging

import pytest
import structlog

from postroom.queues.testing import VirtualClock
from postroom.telemetry import configure_logging, log_events
from postroom.telemetry.logs import keep_allowed
from postroom.wiring import Application

CANARY = "canary-7f3a"


@pytest.fixture(autouse=True)
def structlog_is_left_as_it_was() -> object:
    """structlog's configuration is the process's."""
    yield
    structlog.reset_defaults()


async def test_no_recipient_or_content_reaches_a_log(
    app: Application, clock: VirtualClock, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A marked recipient, subject and content go every way; no line has the mark."""
    configure_logging(format="json", level="debug")
    log_events(app.queues.events)
    with caplog.at_level(logging.DEBUG):
        for number, content in enumerate(("fine", "test-failure", "test-temporary")):
            await app.producer.enqueue_email(
                message_id=f"m{number}",
                recipient=f"{CANARY}@example.com",
                subject=CANARY,
                content=CANARY + content,
            )
        await app.queues["message-delivery"].send(
            {"type": "email_send", "recipient": CANARY, "content": CANARY}
        )
        await app.queues["message-delivery"].send(CANARY, content_type="text")
        await clock.advance(2000)

    output = capfd.readouterr()
    assert CANARY not in output.out + output.err + caplog.text
    events = [json.loads(line)["event"] for line in output.err.splitlines()]
    assert {"job finished", "message dead lettered", "job rejected", "batch handled"} <= set(events)


def test_fields_that_are_not_listed_are_dropped() -> None:
    """A careless call cannot leak."""
    assert keep_allowed(None, "info", {"event": "x", "job_id": "1", "recipient": CANARY}) == {
        "event": "x",
        "job_id": "1",
    }


async def test_a_broken_listener_does_not_stop_the_work(app: Application, clock: VirtualClock) -> None:
    """Events are announcements, not steps."""

    def broken(event: object) -> None:
        raise RuntimeError(CANARY)

    app.queues.events.subscribe(object, broken)
    await app.producer.enqueue_email(message_id="m", recipient="a@example.com", subject="S", content="C")
    await clock.advance(10)

    assert (await app.status.read()).health.completed == 1
