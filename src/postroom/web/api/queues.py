"""`/api/queues`: what operators look at and do. Message bodies do not leave; acts are written to the audit trail."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from litestar import get, patch, post
from litestar.params import FromPath, QueryParameter

from postroom.accounts import Permission
from postroom.audit import record
from postroom.kit.clock import MICROSECOND, to_datetime, to_us
from postroom.kit.tracing import trace_id_of
from postroom.operations import Hold, HoldKind
from postroom.queues import ConsumerOptions, PeekedMessage, QueueInfo, QueueOptions
from postroom.store.vault import VaultError
from postroom.web.auth import needs, require
from postroom.web.bodies import decode_body
from postroom.web.dependencies import Asked, Services, body_of
from postroom.web.moments import moment
from postroom.web.paging import LIMIT_DEFAULT, LIMIT_MAX, read_choice, read_limit
from postroom.web.problems import REQUEST_INVALID, FieldProblem, Refusal
from postroom.web.services import WebServices
from postroom.web.shapes import shape

REASON_MAX: Final = 300
HOLD_SECONDS_MAX: Final = 30 * 86_400
_REFERENCE: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class QueueView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A queue and what waits in it."""

    name: str
    paused: bool
    ready: int
    delayed: int
    in_flight: int
    backlog_count: int
    backlog_bytes: int
    oldest_message_at: datetime | None
    created_at: datetime


class HoldView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A pause or a drain."""

    kind: str
    """`pause` (delivers nothing) or `drain` (takes nothing new)."""
    reason: str | None
    by: str
    since: datetime
    until: datetime | None
    """When it ends by itself; null: when somebody ends it."""


class HoldRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Why, and for how long."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=REASON_MAX)] | None = None
    until: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    for_seconds: Annotated[int, msgspec.Meta(ge=1, le=HOLD_SECONDS_MAX)] | None = None


class PurgeRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The queue's name, typed."""

    confirm: str = ""


class Purged(msgspec.Struct, frozen=True):
    """How many messages are gone."""

    purged: int


class QueueChange(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Settings to be changed, in seconds."""

    delivery_delay: int | None = None
    message_retention_period: int | None = None
    deduplication_window: int | None = None


class QueueDetails(QueueView, frozen=True, kw_only=True, rename="camel"):
    """A queue with its settings, by wrangler's names."""

    settings: QueueOptions
    consumer: ConsumerOptions | None
    """As configured; null where nothing is."""
    hold: HoldView | None
    """Who paused or drains it, why, and until when."""


class QueueList(msgspec.Struct, frozen=True):
    """Every queue, by name."""

    queues: Sequence[QueueView]


class DeadLetterView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Why and whence a message came to a dead-letter queue."""

    queue: str
    reason: str
    attempts: int
    dead_at: datetime


class PeekedView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A message without its body."""

    id: str
    """Also the id of its job."""
    type: str | None
    """The job's type, where it is a known one."""
    reference: str | None
    """The job's messageId or exportId."""
    sent_at: datetime
    available_at: datetime
    attempts: int
    priority: str
    in_flight: bool
    dead_letter: DeadLetterView | None
    content_type: str
    bytes: int
    trace_id: str | None
    """Of the trace that sent it (W3C Trace Context)."""
    shape: dict[str, str]
    """The fields of the body, and of each the kind and size."""
    body: Any = None
    """Only when it was asked for."""


class PeekedList(msgspec.Struct, frozen=True):
    """The messages that are next."""

    messages: Sequence[PeekedView]


TAGS: Final = ["queues"]
_hold_request = msgspec.json.Decoder(HoldRequest)
_purge = msgspec.json.Decoder(PurgeRequest)
_change = msgspec.json.Decoder(QueueChange)
SEES: Final = [needs(Permission.SEE_STATUS)]
GUARDS: Final = [needs(Permission.MANAGE_QUEUES)]


@get("/api/queues", guards=SEES, operation_id="listQueues", tags=TAGS, summary="List the queues")
async def list_queues(services: Services) -> QueueList:
    """Every queue and what waits in it."""
    names = await services.queues.names()
    return QueueList([QueueView(**_facts(await services.queues.info(name))) for name in names])


@get("/api/queues/{name:str}", guards=SEES, operation_id="getQueue", tags=TAGS, summary="One queue")
async def get_queue(name: FromPath[str], services: Services) -> QueueDetails:
    """A queue, what waits in it, and its settings."""
    return await _details(services, name)


@post(
    "/api/queues/{name:str}/pause",
    guards=GUARDS, status_code=200, operation_id="pauseQueue", tags=TAGS, summary="Stop delivery",
)  # fmt: skip
async def pause_queue(name: FromPath[str], request: Asked, services: Services) -> QueueDetails:
    """Stop delivery in every process and over restarts; sending goes on. The body may give a reason and an end."""
    return await _hold(name, HoldKind.PAUSE, request, services)


@post(
    "/api/queues/{name:str}/drain",
    guards=GUARDS, status_code=200, operation_id="drainQueue", tags=TAGS, summary="Take nothing new",
)  # fmt: skip
async def drain_queue(name: FromPath[str], request: Asked, services: Services) -> QueueDetails:
    """Refuse producers (503, `queue-draining`) while delivery goes on, so that the queue becomes empty.

    Retries, redrives, schedules, callbacks and messages that people send still come in.
    """
    return await _hold(name, HoldKind.DRAIN, request, services)


@post(
    "/api/queues/{name:str}/resume",
    guards=GUARDS, status_code=200, operation_id="resumeQueue", tags=TAGS, summary="End a pause or a drain",
)  # fmt: skip
async def resume_queue(name: FromPath[str], request: Asked, services: Services) -> QueueDetails:
    """Deliver again, and take again."""
    await services.operating.holds.resume(await known(services, name), request.user.actor)
    services.watching.look_anew()
    return await _details(services, name)


@post(
    "/api/queues/{name:str}/purge",
    guards=GUARDS, status_code=200, operation_id="purgeQueue", tags=TAGS, summary="Delete what waits, for good",
)  # fmt: skip
async def purge_queue(name: FromPath[str], request: Asked, services: Services) -> Purged:
    """Delete everything that is ready or delayed; `confirm` must be the queue's name. What is in flight may finish."""
    wanted = decode_body(await body_of(request) or b"{}", _purge)
    return await purge(name, wanted.confirm, request, services)


@patch(
    "/api/queues/{name:str}",
    guards=GUARDS, operation_id="changeQueue", tags=TAGS, summary="Change a queue's settings",
)  # fmt: skip
async def change_queue(name: FromPath[str], request: Asked, services: Services) -> QueueDetails:
    """Of what is given; the rest stays. It acts at once in every process."""
    changes = decode_body(await body_of(request), _change)
    given = {key: value for key, value in msgspec.structs.asdict(changes).items() if value is not None}
    await configure(name, given, request, services)
    return await _details(services, name)


@get(
    "/api/queues/{name:str}/peek",
    guards=SEES, operation_id="peekQueue", tags=TAGS, summary="Look at the next messages",
)  # fmt: skip
async def peek_queue(
    name: FromPath[str],
    request: Asked,
    services: Services,
    limit: Annotated[
        str | None,
        QueryParameter(
            description=f"How many: 1 to {LIMIT_MAX}, by default {LIMIT_DEFAULT}.",
            schema_extra={"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
        ),
    ] = None,
    reveal: Annotated[
        str | None,
        QueryParameter(
            description="`true`: with the bodies. Needs read_bodies, and is audited.",
            schema_extra={"enum": ["true", "false"]},
        ),
    ] = None,
) -> PeekedList:
    """The next messages, those that are ready before those that are delayed; nothing is touched."""
    reveals = read_choice("reveal", reveal, ("true", "false")) == "true"
    return PeekedList(await look_into(name, read_limit(limit), request, services, reveal=reveals))


async def look_into(
    name: str, count: int, request: Asked, services: WebServices, *, reveal: bool = False
) -> list[PeekedView]:
    """The next messages of a queue; to show what they say is on record before it is shown."""
    if reveal:
        require(request.user, Permission.READ_BODIES)
    found = await services.queues[await known(services, name)].peek(batch_size=count)
    if reveal:
        await audit(services, request, "queue.revealed", name, {"ids": [message.id for message in found]})
    return [_peeked(message, services, reveal=reveal) for message in found]


async def purge(name: str, confirm: str, request: Asked, services: WebServices) -> Purged:
    """Delete what waits in a queue whose name was typed; raises Refusal."""
    if confirm != await known(services, name):
        reason = f"must be the queue's name, {name}; what is purged is gone for good"
        raise Refusal(REQUEST_INVALID, errors=[FieldProblem("confirm", reason)])
    await audit(services, request, "queue.purged", name)
    count = await services.queues[name].purge()
    services.watching.look_anew()
    return Purged(count)


async def configure(name: str, given: dict[str, int], request: Asked, services: WebServices) -> None:
    """Change some settings of a queue; raises Refusal and ConfigurationError."""
    before = (await services.queues.info(name)).options
    if not given:
        names = ", ".join(("deliveryDelay", "messageRetentionPeriod", "deduplicationWindow"))
        raise Refusal(REQUEST_INVALID, errors=[FieldProblem("$", f"must give one of: {names}")])
    options = msgspec.structs.replace(before, **given)
    changed = {key: {"before": getattr(before, key), "after": value} for key, value in given.items()}
    await audit(services, request, "queue.changed", name, changed)
    await services.queues[name].configure(options)


async def _hold(name: str, kind: HoldKind, request: Asked, services: WebServices) -> QueueDetails:
    wanted = decode_body(await body_of(request) or b"{}", _hold_request)
    until_us = end_of(wanted.until, wanted.for_seconds, services.clock.now_us())
    await services.operating.holds.hold(
        await known(services, name), kind, request.user.actor, reason=wanted.reason, until_us=until_us
    )
    services.watching.look_anew()
    return await _details(services, name)


def end_of(until: datetime | None, for_seconds: int | None, now_us: int) -> int | None:
    """When a hold ends by itself; raises Refusal."""
    if until is not None and for_seconds is not None:
        raise Refusal(
            REQUEST_INVALID, errors=[FieldProblem("until", "must not be given together with forSeconds")]
        )
    if for_seconds is not None:
        return now_us + for_seconds * MICROSECOND
    if until is None:
        return None
    if to_us(until) <= now_us:
        raise Refusal(REQUEST_INVALID, errors=[FieldProblem("until", "must be in the future")])
    return to_us(until)


async def known(services: WebServices, name: str) -> str:
    """The name, if there is a queue of that name; raises QueueNotFound."""
    return (await services.queues.info(name)).name


async def _details(services: WebServices, name: str) -> QueueDetails:
    info = await services.queues.info(name)
    consumer = services.queues.config.consumers.get(name)
    hold = await services.operating.holds.of(name)
    return QueueDetails(
        **_facts(info),
        settings=info.options,
        consumer=consumer,
        hold=None if hold is None else _hold_view(hold),
    )


def _hold_view(hold: Hold) -> HoldView:
    return HoldView(
        kind=hold.kind,
        reason=hold.reason,
        by=hold.actor,
        since=to_datetime(hold.since_us),
        until=moment(hold.until_us),
    )


def _facts(info: QueueInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "paused": info.paused,
        "ready": info.ready,
        "delayed": info.delayed,
        "in_flight": info.in_flight,
        "backlog_count": info.backlog.messages,
        "backlog_bytes": info.backlog.bytes,
        "oldest_message_at": moment(info.backlog.oldest_us),
        "created_at": to_datetime(info.created_us),
    }


def _peeked(message: PeekedMessage, services: WebServices, *, reveal: bool = False) -> PeekedView:
    """The outside of a message: of its body, only what names the job, and its shape."""
    whole, types = _opened(message.body, services), services.producer.registry.all_types
    body = whole if isinstance(whole, dict) else {}
    named = body.get("type")
    reference = body.get("messageId") or body.get("exportId")
    dead = message.dead_lettered
    return PeekedView(
        id=message.id,
        type=named if named in types else None,
        reference=reference if isinstance(reference, str) and _REFERENCE.fullmatch(reference) else None,
        sent_at=message.timestamp,
        available_at=message.available_at,
        attempts=message.attempts,
        priority=message.priority,
        in_flight=message.in_flight,
        content_type=message.content_type,
        bytes=message.size,
        trace_id=trace_id_of(message.trace),
        shape=shape(whole),
        body=_for_json(whole) if reveal else None,
        dead_letter=None
        if dead is None
        else DeadLetterView(
            queue=dead.queue, reason=dead.reason, attempts=dead.attempts, dead_at=to_datetime(dead.at_us)
        ),
    )


def _opened(body: Any, services: WebServices) -> Any:
    """A sealed body opened; any other as it is."""
    if not isinstance(body, bytes):
        return body
    try:
        return msgspec.json.decode(services.open_body(body))
    except (ValueError, VaultError):
        return body


def _for_json(body: Any) -> Any:
    if not isinstance(body, bytes):
        return body
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.hex()


async def audit(
    services: WebServices, request: Asked, action: str, name: str, details: dict[str, Any] | None = None
) -> None:
    """Write down who does what to the queue."""
    now_us, actor = services.clock.now_us(), request.user.actor
    await services.store.write(
        lambda transaction: record(
            transaction,
            at_us=now_us,
            actor=actor,
            action=action,
            object_type="queue",
            object_id=name,
            details=details,
        )
    )
