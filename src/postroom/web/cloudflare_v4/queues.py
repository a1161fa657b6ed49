"""Queues: listing, creating, changing, deleting, metrics."""

from typing import Any, Final

import msgspec

from postroom.cloudflare import Entry, QueueNote
from postroom.cloudflare.catalogue import id_of
from postroom.queues import ConfigurationError, QueueInfo, QueueNotFound, QueueOptions
from postroom.queues.broker import Backlog
from postroom.queues.limits import QUEUE_NAME as NAME
from postroom.store import StoreTransaction
from postroom.web.cloudflare_v4 import consumers
from postroom.web.cloudflare_v4.call import Call, decode, moment, page
from postroom.web.cloudflare_v4.envelope import Answer
from postroom.web.cloudflare_v4.errors import (
    NO_QUEUE,
    QUEUE_BOUND,
    QUEUE_EXISTS,
    QUEUE_NAME,
    QUEUE_NOTIFIED,
    QUEUE_SETTINGS,
    ApiError,
)

PATTERN: Final = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"


class _Settings(msgspec.Struct, frozen=True):
    delivery_delay: int | float | None = None
    delivery_paused: bool | None = None
    message_retention_period: int | float | None = None


class _Wanted(msgspec.Struct, frozen=True):
    queue_name: str | None = None
    settings: _Settings | None = None
    jurisdiction: str | None = None


_wanted = msgspec.json.Decoder(_Wanted)


async def page_of_queues(call: Call) -> Answer:
    """GET /queues; `name` may be repeated and is exact."""
    names = list(await call.services.queues.names())
    if "name" in call.query:
        asked = set(call.query["name"])
        names = [name for name in names if name in asked]
    part, info = page(call, names)
    result = []
    for name in part:
        try:
            found = await call.services.queues.info(name)
        except QueueNotFound:
            # Deleted between the list and the look.
            continue
        result.append(await _view(call, found))
    return Answer(result, info)


async def get(call: Call) -> Answer:
    """GET /queues/{queue}."""
    return Answer(await view(call, await call.entry()))


async def metrics(call: Call) -> Answer:
    """GET /queues/{queue}/metrics."""
    entry = await call.entry()
    return Answer(figures(await call.services.queues.broker.backlog(entry.name)))


async def create(call: Call) -> Answer:
    """POST /queues."""
    wanted = decode(call.body, _wanted, code=QUEUE_SETTINGS)
    name = _name(wanted.queue_name)
    if wanted.jurisdiction is not None:
        raise ApiError(
            400,
            QUEUE_SETTINGS,
            "jurisdiction cannot be chosen: messages stay where this Postroom keeps its data",
        )
    if name in await call.services.queues.names():
        raise ApiError(
            409, QUEUE_EXISTS, f"Queue name '{name}' is already taken. Please use a different name."
        )
    options = _options(QueueOptions(), wanted.settings)
    await call.services.queues.create(name, options)
    info = await call.services.queues.info(name)
    await _noted(call, id_of(info), "queue.create", name)
    await _pause(call, name, wanted.settings)
    return Answer(await _view(call, await call.services.queues.info(name)))


async def replace(call: Call) -> Answer:
    """PUT /queues/{queue}: every setting; what is left out gets its default."""
    wanted = decode(call.body, _wanted, code=QUEUE_SETTINGS)
    given = wanted.settings or _Settings()
    given = msgspec.structs.replace(given, delivery_paused=bool(given.delivery_paused))
    return await _change(call, wanted, QueueOptions(), given)


async def change(call: Call) -> Answer:
    """PATCH /queues/{queue}: the settings that are named."""
    wanted = decode(call.body, _wanted, code=QUEUE_SETTINGS)
    return await _change(call, wanted, None, wanted.settings)


async def delete(call: Call) -> Answer:
    """DELETE /queues/{queue}."""
    entry = await call.entry()
    if call.services.account.bound(entry.name):
        raise ApiError(
            409, QUEUE_BOUND,
            f"Queue '{entry.name}' is in use by Worker '{call.services.account.script}': its code or wrangler file "
            "sends to it or consumes it",
        )  # fmt: skip

    def forget(transaction: StoreTransaction) -> None:
        found = transaction.one("count_event_subscriptions_of_queue", queue_id=entry.queue_id)
        if found is not None and found["count"]:
            raise ApiError(409, QUEUE_NOTIFIED, f"Queue '{entry.name}' is in use by an event subscription")
        transaction.run("delete_cloudflare_queue", queue_id=entry.queue_id)
        call.catalogue.consumers.forget(transaction, entry.queue_id)

    await call.write("queue.delete", entry.name, forget)
    try:
        await call.services.queues.delete(entry.name)
    except QueueNotFound:
        raise ApiError(404, NO_QUEUE, "Queue does not exist") from None
    finally:
        call.catalogue.forget(entry.queue_id)
    return Answer()


async def view(call: Call, entry: Entry) -> dict[str, Any]:
    """A queue as the API shows it."""
    try:
        return await _view(call, await call.services.queues.info(entry.name))
    except QueueNotFound:
        raise ApiError(404, NO_QUEUE, "Queue does not exist") from None


def figures(backlog: Backlog) -> dict[str, int]:
    """Metrics; 0 for a moment stands for none."""
    return {
        "backlog_count": backlog.messages,
        "backlog_bytes": backlog.bytes,
        "oldest_message_timestamp_ms": (backlog.oldest_us or 0) // 1000,
    }


async def _change(
    call: Call, wanted: _Wanted, before: QueueOptions | None, settings: _Settings | None
) -> Answer:
    entry = await call.entry()
    if wanted.queue_name is not None and _name(wanted.queue_name) != entry.name:
        raise ApiError(
            400, QUEUE_NAME,
            "queue_name cannot be changed here: other processes know the queue by its name; create another queue",
        )  # fmt: skip
    if settings is not None:
        known = (await call.services.queues.info(entry.name)).options
        # Postroom's own setting, which this API does not know, stays as it is.
        base = known if before is None else msgspec.structs.replace(
            before, deduplication_window=known.deduplication_window
        )  # fmt: skip
        await call.services.queues.create(entry.name, _options(base, settings))
        await _pause(call, entry.name, settings)
    await _noted(call, entry.queue_id, "queue.update", entry.name)
    call.catalogue.forget(entry.queue_id)
    return Answer(await view(call, entry))


def _name(given: str | None) -> str:
    if given is None or NAME.fullmatch(given) is None:
        raise ApiError(400, QUEUE_NAME, f"Invalid queue name: it must match {PATTERN}")
    return given


def _options(base: QueueOptions, settings: _Settings | None) -> QueueOptions:
    if settings is None:
        return base
    changes = {}
    for name in ("delivery_delay", "message_retention_period"):
        value = getattr(settings, name)
        if value is None:
            continue
        # JSON of JavaScript and of the SDK may write whole numbers with a point.
        changes[name] = int(value) if value == int(value) else value
    try:
        return msgspec.structs.replace(base, **changes)
    except ConfigurationError as error:
        raise ApiError(400, QUEUE_SETTINGS, f"Invalid queue settings: {error}") from None


async def _pause(call: Call, name: str, settings: _Settings | None) -> None:
    if settings is None or not isinstance(settings.delivery_paused, bool):
        return
    if (await call.services.queues.info(name)).paused == settings.delivery_paused:
        return
    queue = call.services.queues[name]
    await (queue.pause() if settings.delivery_paused else queue.resume())


async def _noted(call: Call, queue_id: str, action: str, name: str) -> None:
    now_us = call.now_us
    await call.write(action, name, lambda t: t.run("note_cloudflare_queue", queue_id=queue_id, now_us=now_us))


async def _view(call: Call, info: QueueInfo) -> dict[str, Any]:
    account, queue_id = call.services.account, id_of(info)
    note: QueueNote = await call.catalogue.note(queue_id)
    producers = [
        {"type": "worker", "script": account.script}
        for queue in dict.fromkeys(account.producers.values())
        if queue == info.name
    ]
    attachment = await call.services.store.read(lambda t: call.catalogue.consumers.find(t, queue_id))
    found = consumers.views(account, queue_id, info.name, info.created_us, attachment)
    return {
        "queue_id": queue_id,
        "queue_name": info.name,
        "created_on": moment(info.created_us),
        "modified_on": moment(note.modified_us or info.created_us),
        "producers_total_count": len(producers),
        "producers": producers,
        "consumers_total_count": len(found),
        "consumers": found,
        "settings": {
            "delivery_delay": info.options.delivery_delay,
            "delivery_paused": info.paused,
            "message_retention_period": info.options.message_retention_period,
        },
    }
