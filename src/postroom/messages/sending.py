"""The processors of `email_send` and `sms_send`: one attempt each, through a provider.

A provider's verdict becomes the job's outcome. A lost reply after the message was handed over is not a
failure but *unknown*: what follows is the channel's policy, since a blind retry may send it twice.
"""

from enum import StrEnum
from typing import assert_never

from postroom.delivery import Email, Outcome, Provider, Text, Verdict
from postroom.jobs.models import EmailJob, SmsJob
from postroom.jobs.outcome import Done, Failed, JobContext, RetryAfter, Uncertain
from postroom.jobs.outcome import Outcome as JobOutcome


class UncertainPolicy(StrEnum):
    """What to do when nobody knows whether a message left."""

    RESEND = "resend"
    """Send it again with the same Message-ID: at least once, with a possible duplicate on record."""
    HOLD = "hold"
    """Leave it in the dead-letter queue for a person: at most once."""


class EmailSender:
    """Sends the email of a job through a provider; `sender` is its From, else the provider's own."""

    def __init__(
        self,
        provider: Provider,
        *,
        sender: str | None = None,
        uncertain: UncertainPolicy = UncertainPolicy.RESEND,
    ) -> None:
        self._provider = provider
        self._sender = sender
        self._uncertain = uncertain

    async def __call__(self, job: EmailJob, context: JobContext) -> JobOutcome:
        """One attempt; the Message-ID is made from the messageId, so it is the same each time."""
        email = Email(
            message_id=job.message_id,
            recipient=job.recipient,
            subject=job.subject,
            content=job.content,
            sender=self._sender,
        )
        return outcome_for(await self._provider.send(email), self._uncertain)


class TextSender:
    """Sends the text message of a job through a provider."""

    def __init__(self, provider: Provider, *, uncertain: UncertainPolicy = UncertainPolicy.RESEND) -> None:
        self._provider = provider
        self._uncertain = uncertain

    async def __call__(self, job: SmsJob, context: JobContext) -> JobOutcome:
        """One attempt."""
        text = Text(message_id=job.message_id, recipient=job.recipient, content=job.content)
        return outcome_for(await self._provider.send(text), self._uncertain)


def outcome_for(outcome: Outcome, uncertain: UncertainPolicy) -> JobOutcome:
    """What a provider's outcome means for the job."""
    code, reason, provider = (
        outcome.code or outcome.verdict,
        outcome.detail or outcome.verdict,
        outcome.provider,
    )
    match outcome.verdict:
        case Verdict.ACCEPTED:
            return Done(outcome.code or None, provider, outcome.provider_message_id)
        case Verdict.REJECTED_PERMANENT | Verdict.OPTED_OUT:
            return Failed(reason, code, provider)
        case Verdict.REJECTED_TEMPORARY | Verdict.THROTTLED | Verdict.CONFIG_ERROR:
            # Our own settings can be put right while the message waits.
            return RetryAfter(outcome.retry_after_seconds, reason, code, provider)
        case Verdict.UNKNOWN:
            if uncertain is UncertainPolicy.HOLD:
                return Uncertain(f"{reason}; unknown whether it left, held for a person", code, provider)
            return RetryAfter(None, f"{reason}; unknown whether it left", code, provider)
        case _:
            assert_never(outcome.verdict)
