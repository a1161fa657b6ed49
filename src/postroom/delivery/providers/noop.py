"""The provider that sends nothing: it records what it would have sent, for tests, demos and dry runs.

Works for email and SMS. The content steers it, so that a demo can show every ending:

    test-failure    rejected for good
    test-temporary  rejected for now
    test-delay      accepted after two seconds
"""

from collections import deque
from typing import Final

from postroom.delivery.errors import ConfigurationError
from postroom.delivery.outcome import Outcome, Verdict
from postroom.delivery.provider import Channel, Envelope, Provider, ProviderContext
from postroom.kit.clock import Clock, SystemClock
from postroom.kit.ids import new_id

KEPT_MAX: Final = 1_000
"""Envelopes remembered; older ones are forgotten first."""
TEST_DELAY_SECONDS: Final = 2.0
"""How long `test-delay` waits before it accepts."""


class NoopProvider:
    """Accepts everything and keeps the last `KEPT_MAX` envelopes in `sent`, oldest first.

    `sent` holds what was accepted, recipients and contents included, in memory only. Takes Email and Text alike.
    """

    def __init__(self, *, channel: Channel = "sms", name: str = "noop", clock: Clock | None = None) -> None:
        self.name = name
        self.channel: Channel = channel
        self.sent: deque[Envelope] = deque(maxlen=KEPT_MAX)
        self._clock = clock or SystemClock()

    async def open(self) -> None:
        """Nothing to get ready."""

    async def send(self, envelope: Envelope) -> Outcome:
        """Record the envelope and accept it, unless its content asks for something else."""
        if "test-failure" in envelope.content:
            return Outcome(
                Verdict.REJECTED_PERMANENT,
                "test-failure",
                "the content asks for a failure",
                provider=self.name,
            )
        if "test-temporary" in envelope.content:
            return Outcome(
                Verdict.REJECTED_TEMPORARY,
                "test-temporary",
                "the content asks for a delay",
                provider=self.name,
            )
        if "test-delay" in envelope.content:
            await self._clock.sleep(TEST_DELAY_SECONDS)
        self.sent.append(envelope)
        return Outcome(
            Verdict.ACCEPTED,
            detail="recorded, not sent",
            provider=self.name,
            provider_message_id=f"noop-{new_id()}",
        )

    async def close(self) -> None:
        """Nothing to free; what was recorded stays."""


def from_url(url: str, *, channel: Channel, name: str, clock: Clock, context: ProviderContext) -> Provider:
    """`noop` or `noop://`; there are no options. Raises ConfigurationError for any."""
    del context
    if url.rstrip(":/").lower() != "noop":
        raise ConfigurationError("the provider noop takes no options; write noop://", key=channel)
    return NoopProvider(channel=channel, name=name, clock=clock)
