"""From a message's move to a job for each subscriber who wants to know, in the transaction of the move."""

from typing import Any

import msgspec

from postroom.jobs.models import BuiltInJob
from postroom.jobs.registry import JobRegistry
from postroom.jobs.states import JobState
from postroom.kit.clock import MICROSECOND
from postroom.kit.tracing import trace_id_of
from postroom.queues import MessageSendRequest, Queue
from postroom.store import StoreTransaction
from postroom.subscribers.subscriptions import Subscription, Subscriptions


class WebhookJob(BuiltInJob, frozen=True, kw_only=True, tag="webhook_post"):
    """Tell a subscriber of one event."""

    subscription_id: str
    event_id: str
    """The same at every try: `webhook-id`."""
    payload: dict[str, Any]
    """Ids, states and codes."""
    tries: int = 1
    """Which try it is."""


class Announcer:
    """Enqueues what subscribers are to be told."""

    def __init__(
        self, subscriptions: Subscriptions, queue: Queue, registry: JobRegistry, *, max_attempts: int
    ) -> None:
        self._subscriptions = subscriptions
        self._queue = queue
        self._registry = registry
        self._max_attempts = max_attempts

    def announce(
        self, transaction: StoreTransaction, event_id: str, state: str, payload: dict[str, Any]
    ) -> int:
        """One job for each who wants to know; returns how many. Costs one small read where there is nobody."""
        wanted = [
            one
            for one in self._subscriptions.all(transaction)
            if one.active and (not one.states or state in one.states)
        ]
        for one in wanted:
            self.tell(transaction, one, event_id, payload)
        return len(wanted)

    def tell(
        self, transaction: StoreTransaction, one: Subscription, event_id: str, payload: dict[str, Any]
    ) -> None:
        """Enqueue one event for one subscriber; `payload["atUs"]` is when it happened."""
        job = WebhookJob(subscription_id=one.id, event_id=event_id, payload=payload)
        self._enlist(transaction, job, payload["atUs"])

    def tell_again(
        self, transaction: StoreTransaction, job: WebhookJob, now_us: int, delay_seconds: float
    ) -> None:
        """Enqueue the next try of an event: a job of its own, so that waiting for hours is no failed attempt."""
        again = msgspec.structs.replace(job, tries=job.tries + 1)
        self._enlist(transaction, again, now_us, delay_seconds)

    def _enlist(
        self, transaction: StoreTransaction, job: WebhookJob, now_us: int, delay_seconds: float = 0.0
    ) -> None:
        request = MessageSendRequest(
            msgspec.Raw(self._registry.encode(job)),
            delay_seconds=delay_seconds or None,
            trace=transaction.trace,
        )
        (sent,) = self._queue.enlist([request], transaction=transaction.connection)
        later = now_us + round(delay_seconds * MICROSECOND) if delay_seconds else None
        transaction.run(
            "insert_job", id=sent.id, type="webhook_post", queue=self._queue.name, reference=None, priority="normal",
            status=JobState.QUEUED if later is None else JobState.SCHEDULED, max_attempts=self._max_attempts,
            now_us=now_us, send_at_us=later,
            trace_id=trace_id_of(transaction.trace),
        )  # fmt: skip
