"""Event subscriptions: queues that are told what happens to messages."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from postroom.cloudflare import EventSubscription, EventSubscriptionInvalid, EventSubscriptions
from postroom.store import StoreTransaction
from postroom.web.cloudflare_v4.call import Call, decode, moment, page
from postroom.web.cloudflare_v4.envelope import Answer
from postroom.web.cloudflare_v4.errors import BODY_REFUSED, NO_QUEUE, UNNUMBERED, ApiError

PER_PAGE: Final = 20
NAME_CHARS_MAX: Final = 200
DESTINATION: Final = "queues.queue"
ORDERS: Final = ("created_at", "name", "enabled", "source")


class _Source(msgspec.Struct, frozen=True):
    type: str


class _Destination(msgspec.Struct, frozen=True):
    queue_id: str
    type: str = DESTINATION


class _New(msgspec.Struct, frozen=True):
    name: str
    source: _Source
    destination: _Destination
    events: list[str]
    enabled: bool = True


class _Changes(msgspec.Struct, frozen=True):
    name: str | None = None
    enabled: bool | None = None
    events: list[str] | None = None
    destination: _Destination | None = None


_new = msgspec.json.Decoder(_New)
_changes = msgspec.json.Decoder(_Changes)


async def page_of_subscriptions(call: Call) -> Answer:
    """GET /subscriptions."""
    found = await call.services.store.read(_table(call).all)
    if "queue_id" in call.query:
        found = [one for one in found if one.queue_id in call.query["queue_id"]]
    order = call.query.get("order", ["created_at"])[-1]
    direction = call.query.get("direction", ["asc"])[-1]
    if order not in ORDERS or direction not in ("asc", "desc"):
        raise ApiError(400, BODY_REFUSED, f"order must be one of {', '.join(ORDERS)}, direction asc or desc")
    field = "created_us" if order == "created_at" else order
    found = sorted(found, key=lambda one: getattr(one, field), reverse=direction == "desc")
    part, info = page(call, found, per_page=PER_PAGE)
    return Answer([_view(one) for one in part], info)


async def create(call: Call) -> Answer:
    """POST /subscriptions."""
    wanted = decode(call.body, _new, code=BODY_REFUSED)
    queue_id, queue = await _target(call, wanted.destination)
    now_us, table = call.now_us, _table(call)

    def write(transaction: StoreTransaction) -> EventSubscription | None:
        id_ = table.create(
            transaction, name=_name(wanted.name), enabled=wanted.enabled, source=wanted.source.type,
            queue_id=queue_id, queue=queue, events=wanted.events, now_us=now_us,
        )  # fmt: skip
        return table.find(transaction, id_)

    made = await _written(call, "event_subscription.create", queue, write)
    return Answer(_view(made))


async def get(call: Call) -> Answer:
    """GET /subscriptions/{subscription}."""
    id_, table = call.path["subscription"], _table(call)
    return Answer(_view(_known(await call.services.store.read(lambda t: table.find(t, id_)))))


async def change(call: Call) -> Answer:
    """PATCH /subscriptions/{subscription}: what is named."""
    wanted = decode(call.body, _changes, code=BODY_REFUSED)
    target = await _target(call, wanted.destination) if wanted.destination is not None else None
    id_, now_us, table = call.path["subscription"], call.now_us, _table(call)

    def write(transaction: StoreTransaction) -> EventSubscription | None:
        known = _known(table.find(transaction, id_))
        changes: dict[str, Any] = {}
        if wanted.name is not None:
            changes["name"] = _name(wanted.name)
        if wanted.enabled is not None:
            changes["enabled"] = wanted.enabled
        if wanted.events is not None:
            changes["events"] = tuple(wanted.events)
        if target is not None:
            changes["queue_id"], changes["queue"] = target
        table.change(transaction, msgspec.structs.replace(known, **changes), now_us)
        return table.find(transaction, id_)

    return Answer(_view(await _written(call, "event_subscription.update", id_, write)))


async def delete(call: Call) -> Answer:
    """DELETE /subscriptions/{subscription}."""
    id_, table = call.path["subscription"], _table(call)

    def write(transaction: StoreTransaction) -> EventSubscription | None:
        known = _known(table.find(transaction, id_))
        table.delete(transaction, id_)
        return known

    return Answer(_view(await _written(call, "event_subscription.delete", id_, write)))


def _table(call: Call) -> EventSubscriptions:
    return call.services.event_subscriptions


async def _written(call: Call, action: str, object_id: str, write: Any) -> EventSubscription:
    try:
        return _known(await call.write(action, object_id, write, object_type="event_subscription"))
    except EventSubscriptionInvalid as error:
        raise ApiError(400, UNNUMBERED, str(error)) from None


async def _target(call: Call, destination: _Destination) -> tuple[str, str]:
    if destination.type != DESTINATION:
        raise ApiError(400, BODY_REFUSED, f'destination.type must be "{DESTINATION}"')
    entry = await call.catalogue.entry(destination.queue_id)
    if entry is None:
        raise ApiError(404, NO_QUEUE, "Queue does not exist")
    return entry.queue_id, entry.name


def _name(given: str) -> str:
    if not 0 < len(given) <= NAME_CHARS_MAX or not given.isprintable():
        raise ApiError(400, BODY_REFUSED, f"name must have 1 to {NAME_CHARS_MAX} printable characters")
    return given


def _known(found: EventSubscription | None) -> EventSubscription:
    if found is None:
        raise ApiError(404, BODY_REFUSED, "No subscription with this ID")
    return found


def _view(one: EventSubscription) -> dict[str, Any]:
    events: Sequence[str] = one.events
    return {
        "id": one.id,
        "created_at": moment(one.created_us),
        "modified_at": moment(one.modified_us),
        "name": one.name,
        "enabled": one.enabled,
        "source": {"type": one.source},
        "destination": {"type": DESTINATION, "queue_id": one.queue_id},
        "events": list(events),
    }
