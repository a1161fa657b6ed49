"""The provider that sends nothing records what it would have sent and shows every ending (providers/noop)."""

import pytest
from email_support import an_email
from hand_clock import HandClock

from postroom.delivery import Channel, Envelope, Text, Verdict
from postroom.delivery.providers.noop import KEPT_MAX, NoopProvider


def a_text(content: str = "Tomorrow at two.") -> Text:
    return Text("m1", "+12125551234", content)


@pytest.mark.parametrize(
    ("channel", "envelope"), [("sms", a_text()), ("email", an_email())], ids=["sms", "email"]
)
async def test_noop_accepts_and_records(channel: Channel, envelope: Envelope) -> None:
    """What is handed over is there to be looked at."""
    provider = NoopProvider(channel=channel)
    await provider.open()

    outcome = await provider.send(envelope)
    await provider.close()

    assert (outcome.verdict, outcome.provider) == (Verdict.ACCEPTED, "noop")
    assert (outcome.provider_message_id or "").startswith("noop-")
    assert list(provider.sent) == [envelope]


@pytest.mark.parametrize(
    ("content", "verdict"),
    [
        ("please test-failure now", Verdict.REJECTED_PERMANENT),
        ("please test-temporary now", Verdict.REJECTED_TEMPORARY),
    ],
)
async def test_content_asks_for_a_failure(content: str, verdict: Verdict) -> None:
    """A rejected envelope is not recorded."""
    provider = NoopProvider()

    outcome = await provider.send(a_text(content))

    assert outcome.verdict is verdict
    assert not provider.sent


async def test_content_asks_for_a_delay() -> None:
    """Two seconds of the injected clock pass before it is accepted."""
    clock = HandClock()
    provider = NoopProvider(clock=clock)

    outcome = await provider.send(a_text("test-delay"))

    assert outcome.verdict is Verdict.ACCEPTED
    assert clock.slept == [2.0]


async def test_memory_is_bounded() -> None:
    """Old envelopes are forgotten first."""
    provider = NoopProvider()

    for number in range(KEPT_MAX + 1):
        await provider.send(a_text(str(number)))

    assert (len(provider.sent), provider.sent[0].content) == (KEPT_MAX, "1")
