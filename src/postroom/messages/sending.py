"""The processor of every job that sends a message: claim a call, make it, conclude it, and go on if another may help."""

from collections.abc import Callable

import msgspec

from postroom.delivery import LookupFailed, Outcome, Searchable, Sought, Verdict
from postroom.jobs.models import EmailJob, SmsJob
from postroom.jobs.outcome import JobContext
from postroom.jobs.outcome import Outcome as JobOutcome
from postroom.kit.events import Events
from postroom.messages.claims import Ask, Claimed, Claims, Nap, Stop
from postroom.messages.job import MessageJob
from postroom.messages.tracking import Tracking
from postroom.store import Store, StoreTransaction


class AttemptFinished(msgspec.Struct, frozen=True, kw_only=True):
    """A provider was called."""

    message_id: str
    delivery_id: str
    channel: str
    provider: str
    outcome: str
    """The verdict."""
    code: str | None
    duration_seconds: float


class FailedOver(msgspec.Struct, frozen=True, kw_only=True):
    """A message left by another provider than the preferred one, which had failed; somebody should look at that."""

    message_id: str
    failed: str
    code: str | None
    provider: str


class MessageSender:
    """Sends the message of a job through the providers that may have it."""

    def __init__(self, store: Store, claims: Claims, tracking: Tracking, events: Events) -> None:
        self._store = store
        self._claims = claims
        self._tracking = tracking
        self._events = events

    async def __call__(self, job: EmailJob | SmsJob | MessageJob, context: JobContext) -> JobOutcome:
        """One attempt: a call to one provider, and to the next ones where the first certainly sent nothing."""
        asked: list[str] = []
        failed: tuple[str, str | None] | None = None
        while True:
            step = await self._store.write(
                lambda transaction: self._claims.claim(
                    transaction, job.message_id, context, context.clock.now_us(), asked
                )
            )
            match step:
                case Stop(outcome):
                    return outcome
                case Nap(seconds):
                    await context.clock.sleep(seconds)
                case Ask():
                    asked.append(step.delivery_id)
                    await self._ask(step, context)
                case Claimed():
                    outcome_of_call, finished = await self._call(step, context)
                    if outcome_of_call.verdict is Verdict.ACCEPTED and failed is not None:
                        self._events.emit(
                            FailedOver(
                                message_id=step.record.id,
                                failed=failed[0],
                                code=failed[1],
                                provider=step.route.name,
                            )
                        )
                    if finished is not None:
                        return finished
                    failed = step.route.name, outcome_of_call.code or outcome_of_call.verdict

    async def _call(self, step: Claimed, context: JobContext) -> tuple[Outcome, JobOutcome | None]:
        started_us = context.clock.now_us()
        attributes = {
            "provider": step.route.name, "channel": step.record.channel, "message_id": step.record.id,
            "delivery_id": step.delivery_id,
        }  # fmt: skip
        with self._store.tracer.call("send", attributes) as span:
            outcome = step.route.revised(await step.route.provider.send(step.envelope))
            span.note({"outcome": outcome.verdict, "code": outcome.code})
        ended_us = context.clock.now_us()
        concluded = await self._store.write(
            lambda transaction: self._claims.conclude(transaction, step, outcome, context, ended_us)
        )
        if self._events:
            self._events.emit(
                AttemptFinished(
                    message_id=step.record.id, delivery_id=step.delivery_id, channel=step.record.channel,
                    provider=step.route.name, outcome=outcome.verdict, code=outcome.code or None,
                    duration_seconds=(ended_us - started_us) / 1_000_000,
                )
            )  # fmt: skip
            if concluded.moved is not None:
                self._events.emit(concluded.moved)
        return outcome, concluded.outcome

    async def _ask(self, step: Ask, context: JobContext) -> None:
        """Ask the provider what became of a call in doubt, and record the answer."""
        provider = step.route.provider
        assert isinstance(provider, Searchable)
        sought = Sought(
            message_id=step.record.id,
            attempt_id=step.delivery_id,
            since_us=step.since_us,
            envelope=step.envelope,
            provider_message_id=step.provider_id,
        )
        try:
            found = await provider.find(sought)
        except LookupFailed:
            return
        now_us = context.clock.now_us()
        if found is None:
            await self._store.write(_forget(self._claims, step.delivery_id, now_us))
            return
        event = msgspec.structs.replace(found, attempt_id=step.delivery_id)
        await self._store.write(lambda transaction: self._tracking.apply(transaction, event, now_us))


def _forget(claims: Claims, delivery_id: str, now_us: int) -> Callable[[StoreTransaction], None]:
    return lambda transaction: claims.forget(transaction, delivery_id, now_us)
