"""`/api/queues`: what operators look at and do. Message bodies do not leave; acts are written to the audit trail."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from litestar import get, post
from litestar.params import FromPath, QueryParameter

from postroom.accounts import Permission
from postroom.audit import record
from postroom.kit.clock import to_datetime
from postroom.queues import ConsumerOptions, PeekedMessage, QueueInfo, QueueOptions
from postroom.web.auth import needs
from postroom.web.dependencies import Asked, Services
from postroom.web.moments import moment
from postroom.web.paging import LIMIT_DEFAULT, LIMIT_MAX, read_limit
from postroom.web.services import WebServices

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


class QueueDetails(QueueView, frozen=True, kw_only=True, rename="camel"):
    """A queue with its settings, by wrangler's names."""

    settings: QueueOptions
    consumer: ConsumerOptions | None
    """As configured; null where nothing is."""


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


class PeekedList(msgspec.Struct, frozen=True):
    """The messages that are next."""

    messages: Sequence[PeekedView]


TAGS: Final = ["queues"]
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
    """Stop delivery in every process and over restarts; sending goes on."""
    await audit(services, request, "queue.paused", await known(services, name))
    await services.queues[name].pause()
    return await _details(services, name)


@post(
    "/api/queues/{name:str}/resume",
    guards=GUARDS, status_code=200, operation_id="resumeQueue", tags=TAGS, summary="Continue delivery",
)  # fmt: skip
async def resume_queue(name: FromPath[str], request: Asked, services: Services) -> QueueDetails:
    """Continue delivery."""
    await audit(services, request, "queue.resumed", await known(services, name))
    await services.queues[name].resume()
    return await _details(services, name)


@get(
    "/api/queues/{name:str}/peek",
    guards=SEES, operation_id="peekQueue", tags=TAGS, summary="Look at the next messages",
)  # fmt: skip
async def peek_queue(
    name: FromPath[str],
    services: Services,
    limit: Annotated[
        str | None,
        QueryParameter(
            description=f"How many: 1 to {LIMIT_MAX}, by default {LIMIT_DEFAULT}.",
            schema_extra={"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
        ),
    ] = None,
) -> PeekedList:
    """The next messages, those that are ready before those that are delayed; nothing is touched."""
    count = read_limit(limit)
    found = await services.queues[await known(services, name)].peek(batch_size=count)
    types = services.producer.registry.types
    return PeekedList([_peeked(message, types) for message in found])


async def known(services: WebServices, name: str) -> str:
    """The name, if there is a queue of that name; raises QueueNotFound."""
    return (await services.queues.info(name)).name


async def _details(services: WebServices, name: str) -> QueueDetails:
    info = await services.queues.info(name)
    consumer = services.queues.config.consumers.get(name)
    return QueueDetails(**_facts(info), settings=info.options, consumer=consumer)


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


def _peeked(message: PeekedMessage, types: Sequence[str]) -> PeekedView:
    """The outside of a message: of its body, only what names the job."""
    body = message.body if isinstance(message.body, dict) else {}
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
        dead_letter=None
        if dead is None
        else DeadLetterView(
            queue=dead.queue, reason=dead.reason, attempts=dead.attempts, dead_at=to_datetime(dead.at_us)
        ),
    )


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
