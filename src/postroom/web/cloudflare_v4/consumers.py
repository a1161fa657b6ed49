"""Consumers of a queue: one at a time, the Python handler that stands for a Worker, or a puller."""

import hashlib
from typing import Any

import msgspec

from postroom.cloudflare import HTTP_PULL, NONE, WORKER, Account, Attachment, Entry
from postroom.queues import ConfigurationError, ConsumerOptions
from postroom.web.cloudflare_v4.call import Call, decode, moment
from postroom.web.cloudflare_v4.envelope import Answer
from postroom.web.cloudflare_v4.errors import (
    BODY_REFUSED,
    CONSUMER_EXISTS,
    CONSUMER_SETTINGS,
    NO_CONSUMER,
    NO_HANDLER,
    NO_WORKER,
    ApiError,
)

Number = int | float


class _Settings(msgspec.Struct, frozen=True):
    batch_size: Number | None = None
    max_retries: Number | None = None
    max_wait_time_ms: Number | None = None
    max_concurrency: Number | None = None
    retry_delay: Number | None = None
    visibility_timeout_ms: Number | None = None


class _Wanted(msgspec.Struct, frozen=True):
    type: str | None = None
    script_name: str | None = None
    script: str | None = None
    environment_name: str | None = None
    dead_letter_queue: str | None = None
    settings: _Settings | None = None


_wanted = msgspec.json.Decoder(_Wanted)


async def list_all(call: Call) -> Answer:
    """GET /consumers."""
    return Answer(_views(call, await call.entry()))


async def get(call: Call) -> Answer:
    """GET /consumers/{consumer}."""
    return Answer(_the_one(call, await call.entry()))


async def create(call: Call) -> Answer:
    """POST /consumers."""
    entry = await call.entry()
    kind, options, environment = await _read(call, entry)
    if _views(call, entry):
        raise ApiError(
            409, CONSUMER_EXISTS,
            f"Queue '{entry.name}' already has a consumer (workers.api.error.consumer_exists): remove that first",
        )  # fmt: skip
    return await _put(call, entry, kind, options, environment, "queue.consumer.create")


async def replace(call: Call) -> Answer:
    """PUT /consumers/{consumer}: other settings, what is left out getting its default; or a new one."""
    entry = await call.entry()
    kind, options, environment = await _read(call, entry)
    if _views(call, entry):
        _the_one(call, entry)
    return await _put(call, entry, kind, options, environment, "queue.consumer.update")


async def delete(call: Call) -> Answer:
    """DELETE /consumers/{consumer}."""
    entry = await call.entry()
    _the_one(call, entry)
    now_us, consumers = call.now_us, call.catalogue.consumers
    options = ConsumerOptions(queue=entry.name)

    def forget(transaction: Any) -> None:
        if entry.name in call.services.account.handlers:
            # The code goes on declaring it, so that it is gone has to be written down.
            consumers.put(transaction, entry.queue_id, NONE, options, now_us)
        else:
            consumers.forget(transaction, entry.queue_id)

    await call.write("queue.consumer.delete", entry.name, forget)
    await _changed(call, entry)
    return Answer()


def views(
    account: Account, queue_id: str, name: str, created_us: int, attachment: Attachment | None
) -> list[dict[str, Any]]:
    """The consumers of a queue as the API shows them: one, or none."""
    if attachment is None:
        options = account.handlers.get(name)
        if options is None:
            return []
        consumer_id = hashlib.blake2b(f"{queue_id}\0consumer".encode(), digest_size=16).hexdigest()
        return [_view(account, name, consumer_id, created_us, WORKER, options, "")]
    if attachment.kind == NONE:
        return []
    return [
        _view(
            account, name, attachment.consumer_id, attachment.created_us, attachment.kind, attachment.options,
            attachment.environment,
        )
    ]  # fmt: skip


def _view(
    account: Account,
    name: str,
    consumer_id: str,
    created_us: int,
    kind: str,
    options: ConsumerOptions,
    env: str,
) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "batch_size": options.max_batch_size,
        "max_retries": options.max_retries,
        "retry_delay": options.retry_delay,
    }
    shown: dict[str, Any] = {
        "consumer_id": consumer_id,
        "created_on": moment(created_us),
        "queue_name": name,
        "dead_letter_queue": options.dead_letter_queue or "",
        "type": kind,
        "settings": settings,
    }
    if kind == HTTP_PULL:
        settings["visibility_timeout_ms"] = options.visibility_timeout_ms
        return shown
    settings["max_wait_time_ms"] = round(options.max_batch_timeout * 1000)
    settings["max_concurrency"] = options.max_concurrency
    # The reference says `script_name`, the wire `script`; clients read either.
    return shown | {"script": account.script, "script_name": account.script, "environment_name": env}


def _views(call: Call, entry: Entry) -> list[dict[str, Any]]:
    return views(call.services.account, entry.queue_id, entry.name, entry.created_us, entry.attachment)


def _the_one(call: Call, entry: Entry) -> dict[str, Any]:
    for found in _views(call, entry):
        if found["consumer_id"] == call.path["consumer"]:
            return found
    raise ApiError(404, NO_CONSUMER, "Consumer does not exist")


async def _read(call: Call, entry: Entry) -> tuple[str, ConsumerOptions, str]:
    """What is wanted: kind, settings, environment. Raises ApiError."""
    wanted = decode(call.body, _wanted, code=BODY_REFUSED)
    script = wanted.script_name or wanted.script
    kind = wanted.type or (WORKER if script else None)
    if kind not in (WORKER, HTTP_PULL):
        raise ApiError(400, BODY_REFUSED, f'type must be "{WORKER}" or "{HTTP_PULL}"')
    if kind == WORKER:
        _check_script(call.services.account, script, entry.name)
    return kind, _options(entry.name, kind, wanted), wanted.environment_name or ""


def _check_script(account: Account, script: str | None, queue: str) -> None:
    if not script:
        raise ApiError(400, BODY_REFUSED, "script_name is missing")
    if script != account.script:
        raise ApiError(
            404, NO_WORKER, f"This Worker does not exist on your account; there is one: {account.script}"
        )
    if queue not in account.handlers:
        raise ApiError(
            400, NO_HANDLER,
            f'Worker "{script}" has no queue handler for "{queue}": declare one in Python, or make the consumer '
            f'"{HTTP_PULL}"',
        )  # fmt: skip


def _options(queue: str, kind: str, wanted: _Wanted) -> ConsumerOptions:
    settings = wanted.settings or _Settings()
    found: dict[str, Any] = {}
    for wire, name, scale in (
        ("batch_size", "max_batch_size", 1),
        ("max_retries", "max_retries", 1),
        ("max_wait_time_ms", "max_batch_timeout", 1000),
        ("max_concurrency", "max_concurrency", 1),
        ("retry_delay", "retry_delay", 1),
        ("visibility_timeout_ms", "visibility_timeout_ms", 1),
    ):
        value = getattr(settings, wire)
        if value is None:
            continue
        number = value / scale if scale != 1 else value
        found[name] = int(number) if number == int(number) else number
    if found.get("visibility_timeout_ms") == 0:
        # wrangler leaves a 0 out; said by others it means the same.
        del found["visibility_timeout_ms"]
    if wanted.dead_letter_queue:
        found["dead_letter_queue"] = wanted.dead_letter_queue
    try:
        return ConsumerOptions(queue=queue, **found)
    except ConfigurationError as error:
        raise ApiError(400, CONSUMER_SETTINGS, f"Invalid consumer settings: {error}") from None


async def _put(
    call: Call, entry: Entry, kind: str, options: ConsumerOptions, environment: str, action: str
) -> Answer:
    if options.dead_letter_queue is not None:
        # As Cloudflare does: one that is not there is made.
        await call.services.queues.create(options.dead_letter_queue)
    consumers, now_us, queue_id = call.catalogue.consumers, call.now_us, entry.queue_id

    def put(transaction: Any) -> None:
        known = consumers.find(transaction, queue_id)
        if known is not None and known.kind != NONE:
            consumers.change(transaction, queue_id, kind, options, environment)
        else:
            consumers.put(transaction, queue_id, kind, options, now_us, environment=environment)

    await call.write(action, entry.name, put, kind=kind)
    await _changed(call, entry)
    return Answer(_views(call, await call.entry())[0])


async def _changed(call: Call, entry: Entry) -> None:
    call.catalogue.forget(entry.queue_id)
    if call.services.attaching is not None:
        await call.services.attaching()
