"""From a message's move to a job for each subscriber who wants to know, in the transaction of the move."""

from typing import Any

import msgspec

from postroom.jobs.models import BuiltInJob
from postroom.jobs.registry import JobRegistry
from postroom.jobs.states import JobState
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
        request = MessageSendRequest(msgspec.Raw(self._registry.encode(job)), trace=transaction.trace)
        (sent,) = self._queue.enlist([request], transaction=transaction.connection)
        transaction.run(
            "insert_job", id=sent.id, type="webhook_post", queue=self._queue.name, reference=None, priority="normal",
            status=JobState.QUEUED, max_attempts=self._max_attempts, now_us=payload["atUs"], send_at_us=None,
            trace_id=trace_id_of(transaction.trace),
        )  # fmt: skip
