"""What providers report, applied to deliveries and messages: twice, late, early and out of order.

Each event is stored once, under its sender's id for it. A delivery's state only rises in rank, with two documented
corrections: a late bounce after a delivery, and a delivery after a bounce or failure. An event that matches nothing yet
is kept and matched when the call it belongs to is concluded. A complaint does not take a delivery back: it is a flag.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from postroom.delivery import DeliveryEvent, EventKind
from postroom.kit.actor import WEBHOOK, Actor
from postroom.messages.records import Records, note
from postroom.messages.states import MessageState
from postroom.messages.wishes import Wishes
from postroom.store import StoreTransaction

RANKS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "claimed": 0, "queued": 10, "sent": 20, "deferred": 25, "delivered": 100, "bounced": 100, "rejected": 100,
        "failed": 100, "canceled": 100,
    }
)  # fmt: skip
"""How far a delivery has come by each of its states; one of 100 is over."""


class Effect(NamedTuple):
    """What an event means for a delivery and its message."""

    state: str | None
    """The delivery's state; None: it says nothing about that."""
    move: str | None
    """The message's move."""
    corrects: str = ""
    """A final state that it overrides all the same."""


EFFECTS: Final[Mapping[EventKind, Effect]] = MappingProxyType(
    {
        EventKind.QUEUED: Effect("queued", None),
        EventKind.SENT: Effect("sent", "report_sent"),
        EventKind.DEFERRED: Effect("deferred", "report_sent"),
        EventKind.DELIVERED: Effect("delivered", "report_delivered", "bounced"),
        EventKind.READ: Effect("delivered", "report_delivered", "bounced"),
        EventKind.BOUNCED: Effect("bounced", "report_bounced", "delivered"),
        EventKind.REJECTED: Effect("rejected", "report_failed"),
        EventKind.FAILED: Effect("failed", "report_failed"),
        EventKind.CANCELED: Effect("canceled", "report_failed"),
        EventKind.COMPLAINED: Effect(None, None),
        EventKind.UNSUBSCRIBED: Effect(None, None),
        EventKind.RESUBSCRIBED: Effect(None, None),
        EventKind.OPENED: Effect(None, None),
        EventKind.CLICKED: Effect(None, None),
        EventKind.INBOUND: Effect(None, None),
    }
)
FLAGS: Final[Mapping[EventKind, str]] = MappingProxyType(
    {EventKind.COMPLAINED: "flag_complained", EventKind.OPENED: "flag_opened", EventKind.CLICKED: "flag_opened",
     EventKind.READ: "flag_opened"}
)  # fmt: skip
"""Events that set a flag on the message, and the query that does it."""


class Tracking:
    """Applies events; every method runs inside a transaction of the caller's."""

    def __init__(self, records: Records, wishes: Wishes) -> None:
        self._records = records
        self._wishes = wishes

    def apply(
        self, transaction: StoreTransaction, event: DeliveryEvent, now_us: int, actor: Actor = WEBHOOK
    ) -> bool:
        """Take an event in; False when it was known already."""
        delivery = _find(transaction, event)
        fresh = transaction.run(
            "insert_provider_event", receiver=event.provider, event_id=event.event_id, kind=event.kind,
            at_us=event.at_us, received_us=now_us, delivery_id=delivery["id"] if delivery else None,
            attempt_id=event.attempt_id, provider_id=event.provider_message_id, rfc_message_id=event.rfc_message_id,
            code=event.code, bounce=event.bounce, suppress=event.suppress,
        )  # fmt: skip
        if not fresh:
            return False
        if event.kind is EventKind.INBOUND:
            self._wishes.hear(transaction, event, now_us)
            return True
        if delivery is not None:
            self._follow(transaction, delivery, event, now_us, actor)
        elif event.recipient is not None:
            # Nothing of ours is known to match, but a bounce or a complaint is about the address all the same.
            self._wishes.learn_event(transaction, event.recipient, None, event, now_us)
        return True

    def match(
        self, transaction: StoreTransaction, delivery_id: str, provider_id: str | None, now_us: int
    ) -> None:
        """Apply the events that came before the call was concluded."""
        if provider_id is not None:
            transaction.lock(_call(provider_id))
        early = transaction.all("match_provider_events", delivery_id=delivery_id, provider_id=provider_id)
        for row in early:
            delivery = transaction.one("find_delivery", id=delivery_id)
            if delivery is None:
                return
            transaction.run("adopt_provider_event", seq=row["seq"], delivery_id=delivery_id)
            self._follow(transaction, delivery, _event_of(row), now_us, WEBHOOK)

    def _follow(
        self,
        transaction: StoreTransaction,
        delivery: Mapping[str, Any],
        event: DeliveryEvent,
        now_us: int,
        actor: Actor,
    ) -> None:
        effect = EFFECTS[event.kind]
        message_id = delivery["message_id"]
        note(
            transaction, message_id=message_id, at_us=now_us, kind="reported", actor=actor.name,
            delivery_id=delivery["id"], provider=delivery["provider"], code=event.code,
            details={"event": event.kind, "at": event.at_us, "bounce": event.bounce},
        )  # fmt: skip
        rose = effect.state is not None and transaction.run(
            "raise_delivery", id=delivery["id"], state=effect.state, rank=RANKS[effect.state], code=event.code,
            provider_id=event.provider_message_id, corrects=effect.corrects, now_us=now_us,
            undone=effect.corrects == "bounced" and not self._for_good(transaction, delivery["id"], event),
        )  # fmt: skip
        if rose and effect.move is not None and self._speaks(transaction, delivery, event):
            self._move(transaction, delivery, effect.move, event, now_us, actor)
        if event.kind in FLAGS:
            transaction.run(FLAGS[event.kind], id=message_id)
        record = self._records.find(transaction, message_id)
        if record is not None:
            self._wishes.learn_event(transaction, record.recipient, record, event, now_us)

    def _move(
        self,
        transaction: StoreTransaction,
        delivery: Mapping[str, Any],
        move: str,
        event: DeliveryEvent,
        now_us: int,
        actor: Actor,
    ) -> None:
        delivered = move == "report_delivered"
        before = transaction.one("find_message_state", id=delivery["message_id"])
        if before is not None and before["status"] == MessageState.SENT and move == "report_sent":
            return
        self._records.move(
            transaction, delivery["message_id"], move, actor=actor, now_us=now_us, provider=delivery["provider"],
            provider_id=event.provider_message_id, code=event.code or delivery["code"], delivery_id=delivery["id"],
            sent_us=event.at_us or now_us if move == "report_sent" else None,
            delivered_us=event.at_us or now_us if delivered else None,
        )  # fmt: skip

    def _for_good(self, transaction: StoreTransaction, delivery_id: str, event: DeliveryEvent) -> bool:
        """Whether what came back is not undone by the event: a hard bounce, or another part of a long text message."""
        found = transaction.one(
            "find_hard_bounce", delivery_id=delivery_id, provider_id=event.provider_message_id
        )
        return found is not None

    def _speaks(
        self, transaction: StoreTransaction, delivery: Mapping[str, Any], event: DeliveryEvent
    ) -> bool:
        """Whether a delivery's fate is the message's: good news always is, bad news only of the last call."""
        if event.kind in (EventKind.DELIVERED, EventKind.READ, EventKind.SENT):
            return True
        others = transaction.all("list_deliveries", message_id=delivery["message_id"])
        return bool(others) and others[-1]["id"] == delivery["id"]


def _find(transaction: StoreTransaction, event: DeliveryEvent) -> dict[str, Any] | None:
    """The delivery that the event is about: by our token, by the provider's id, by our Message-ID."""
    if event.attempt_id is not None:
        found = transaction.one("find_delivery", id=event.attempt_id)
        if found is not None:
            return found
    if event.provider_message_id is not None:
        found = transaction.one("find_delivery_by_provider_id", provider_id=event.provider_message_id)
        if found is None:
            # Its call may be concluded just now: one of the two comes first, and the other sees it.
            transaction.lock(_call(event.provider_message_id))
            found = transaction.one("find_delivery_by_provider_id", provider_id=event.provider_message_id)
        if found is not None:
            return found
    if event.rfc_message_id is not None and event.rfc_message_id.startswith("pr."):
        message_id = event.rfc_message_id.removeprefix("pr.").rpartition("@")[0]
        deliveries = transaction.all("list_deliveries", message_id=message_id)
        return deliveries[-1] if deliveries else None
    return None


def _call(provider_id: str) -> str:
    """What a call is locked by that is known by the provider's id alone."""
    return f"call/{provider_id}"


def _event_of(row: Mapping[str, Any]) -> DeliveryEvent:
    return DeliveryEvent(
        kind=EventKind(row["kind"]), provider=row["receiver"], event_id=row["event_id"],
        attempt_id=row["attempt_id"], provider_message_id=row["provider_id"], rfc_message_id=row["rfc_message_id"],
        at_us=row["at_us"], code=row["code"], bounce=row["bounce"], suppress=bool(row["suppress"]),
    )  # fmt: skip
