"""Event subscriptions: queues that are told what happens to messages, in the transaction in which it happens.

Cloudflare's sources are its own products, of which there are none here; Postroom's source is its messages.
https://developers.cloudflare.com/queues/event-subscriptions/
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec

from postroom.kit.clock import isoformat
from postroom.kit.ids import new_id
from postroom.queues import MessageSendRequest, QueueNotFound, Queues
from postroom.store import StoreTransaction

SOURCE: Final = "postroom.messages"
PREFIX: Final = "message."
EVENTS: Final = PREFIX + "%s"
"""An event is this with the state that a message has reached."""
COUNT_MAX: Final = 50
"""Each is asked at every move of every message."""


class EventSubscriptionInvalid(ValueError):
    """A subscription that cannot be; the text says why."""


class EventSubscription(msgspec.Struct, frozen=True, kw_only=True):
    """A queue that is told."""

    id: str
    name: str
    enabled: bool
    source: str
    queue_id: str
    queue: str
    events: tuple[str, ...]
    created_us: int
    modified_us: int


class EventSubscriptions:
    """The table; every method runs inside a transaction of the caller's, who audits."""

    def __init__(self, queues: Queues, states: Collection[str]) -> None:
        """`states` are those that messages have."""
        self._queues = queues
        self.known = tuple(EVENTS % state for state in states)

    def check(self, source: str, events: Sequence[str]) -> None:
        """Raise EventSubscriptionInvalid for a source or an event that is not offered."""
        if source != SOURCE:
            raise EventSubscriptionInvalid(
                f"Unrecognized source: {source[:60]!r} is not offered by this Postroom, which has one: {SOURCE!r}"
            )
        unknown = sorted(set(events) - set(self.known))
        if unknown or not events:
            named = ", ".join(unknown)[:200] or "none given"
            raise EventSubscriptionInvalid(
                f"Unrecognized event types: {named}; known: {', '.join(self.known)}"
            )

    def create(
        self,
        transaction: StoreTransaction,
        *,
        name: str,
        enabled: bool,
        source: str,
        queue_id: str,
        queue: str,
        events: Sequence[str],
        now_us: int,
    ) -> str:
        """A new one; returns its id. Raises EventSubscriptionInvalid."""
        self.check(source, events)
        if len(self.all(transaction)) >= COUNT_MAX:
            raise EventSubscriptionInvalid(f"there may be {COUNT_MAX} subscriptions; delete one")
        id_ = new_id()
        transaction.run(
            "insert_event_subscription", id=id_, name=name, enabled=int(enabled), source=source, queue_id=queue_id,
            queue=queue, events=msgspec.json.encode(list(events)).decode(), now_us=now_us,
        )  # fmt: skip
        return id_

    def change(self, transaction: StoreTransaction, changed: EventSubscription, now_us: int) -> None:
        """Write a changed one. Raises EventSubscriptionInvalid."""
        self.check(changed.source, changed.events)
        transaction.run(
            "change_event_subscription", id=changed.id, name=changed.name, enabled=int(changed.enabled),
            queue_id=changed.queue_id, queue=changed.queue, now_us=now_us,
            events=msgspec.json.encode(list(changed.events)).decode(),
        )  # fmt: skip

    def find(self, transaction: StoreTransaction, id_: str) -> EventSubscription | None:
        """The one of that id."""
        row = transaction.one("find_event_subscription", id=id_)
        return None if row is None else _subscription(row)

    def all(self, transaction: StoreTransaction) -> list[EventSubscription]:
        """Every one, oldest first."""
        return [_subscription(row) for row in transaction.all("list_event_subscriptions")]

    def delete(self, transaction: StoreTransaction, id_: str) -> bool:
        """Forget it; False when there is none."""
        return bool(transaction.run("delete_event_subscription", id=id_))

    def announce(self, transaction: StoreTransaction, state: str, payload: dict[str, Any], at_us: int) -> int:
        """Send a message to each queue that wants to know, with the caller's transaction; returns how many."""
        event = EVENTS % state
        wanted = [one for one in self.all(transaction) if one.enabled and event in one.events]
        for one in wanted:
            body = {
                "type": f"{SOURCE}.{event}", "source": {"type": SOURCE}, "payload": payload,
                "metadata": {
                    "eventSubscriptionId": one.id, "eventSchemaVersion": 1, "eventTimestamp": isoformat(at_us),
                },
            }  # fmt: skip
            request = MessageSendRequest(body, trace=transaction.trace)
            try:
                self._queues[one.queue].enlist([request], transaction=transaction.connection)
            except QueueNotFound:
                # Deleted beside the API, which would have refused it. The message's own move must not fail for that.
                transaction.run("disable_event_subscription", id=one.id, now_us=at_us)
        return len(wanted)


def _subscription(row: dict[str, Any]) -> EventSubscription:
    events = tuple(msgspec.json.decode(row["events"]))
    return msgspec.convert({**row, "events": events, "enabled": bool(row["enabled"])}, EventSubscription)
