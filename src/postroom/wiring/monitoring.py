"""Alerts, made from the settings."""

from typing import TYPE_CHECKING, Any

from postroom.exports.generate import Enlist
from postroom.jobs.models import Job
from postroom.kit.clock import Clock
from postroom.queues import Queues
from postroom.settings import Settings
from postroom.store import Store, StoreTransaction
from postroom.subscribers import Announcer, Subscriptions
from postroom.workers.monitoring import Alerts, Monitor
from postroom.workers.monitoring.exposition import exposition

if TYPE_CHECKING:
    from postroom.telemetry.metrics import Metrics

ALERT = "alert"
"""What a subscription names to be told of alerts; one that names nothing is told of messages only."""


def dead_letters_of(queues: Queues, name: str) -> str | None:
    """Where a queue's consumer sends what failed for good."""
    consumer = queues.config.consumers.get(name)
    return consumer.dead_letter_queue if consumer is not None else None


async def metrics_page(counters: "Metrics | None", monitor: Monitor) -> bytes:
    """The whole exposition: this process's counters, where they are installed, and what a look tells."""
    page = await counters.page() if counters is not None else b""
    return page + (await exposition(monitor)).encode()


def make_alerts(
    settings: Settings, store: Store, monitor: Monitor, clock: Clock, enlist: Enlist, subscriptions: Subscriptions,
    announcer: Announcer, dead_letters: str | None,
) -> Alerts:  # fmt: skip
    """What looks at the rules."""

    def put(transaction: StoreTransaction, job: Job) -> str:
        enlist(transaction, job, None)
        return ""

    def tell(transaction: StoreTransaction, event_id: str, payload: dict[str, Any]) -> None:
        for one in subscriptions.all(transaction):
            if one.active and ALERT in one.states:
                announcer.tell(transaction, one, event_id, payload)

    return Alerts(
        store, monitor, clock, settings.alerts, addresses=settings.alert_to, enlist=put, tell=tell,
        dead_letters=dead_letters,
    )  # fmt: skip
