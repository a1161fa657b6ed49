"""`GET /api/events`: what happens to messages, as it happens (server-sent events); and how providers are doing.

https://html.spec.whatwg.org/multipage/server-sent-events.html . Each event's id is its place in the timeline of all
messages, so that a client that comes back with `Last-Event-ID` misses nothing.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec
from litestar import MediaType, get
from litestar.response import Stream

from postroom.accounts import Permission
from postroom.delivery.routing import Health
from postroom.kit.clock import isoformat
from postroom.web.auth import needs
from postroom.web.dependencies import Asked, Services
from postroom.web.paging import read_cursor
from postroom.web.problems import UNAVAILABLE, Refusal
from postroom.web.services import WebServices

LOOKS_UP: Final = [needs(Permission.LOOK_UP)]
POLL_SECONDS: Final = 0.5
"""How often the store is looked at: it is where other processes' events are too."""
HEARTBEAT_SECONDS: Final = 15.0
"""A comment at least this often, so that proxies keep the connection."""
STREAMS_MAX: Final = 100
PAGE: Final = 500
SHOWN: Final = ("kind", "before", "after", "actor", "provider", "code")


class Providers(msgspec.Struct, frozen=True):
    """The routes, by channel in order of preference."""

    providers: Sequence[Health]


class _Streams:
    """How many there are."""

    open = 0


@get(
    "/api/events",
    guards=LOOKS_UP,
    operation_id="events",
    tags=["messages"],
    summary="Live events of messages",
)
async def events(request: Asked, services: Services) -> Stream:
    """`text/event-stream`; each event's data is JSON without recipients and contents."""
    if _Streams.open >= STREAMS_MAX:
        raise Refusal(UNAVAILABLE, f"At most {STREAMS_MAX} streams at once.", headers={"retry-after": "5"})
    last = request.headers.get("last-event-id")
    after = read_cursor(last) if last is not None else await _newest(services)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return Stream(_stream(services, after), media_type="text/event-stream", headers=headers)


@get(
    "/api/providers", guards=[needs(Permission.SEE_STATUS)], operation_id="listProviders", tags=["delivery"],
    summary="How providers are doing",
)  # fmt: skip
async def list_providers(services: Services) -> Providers:
    """Circuits, budgets and the last failure's code, as all workers know them."""
    now_us = services.clock.now_us()
    return Providers(await services.store.read(lambda t: services.router.health(t, now_us)))


@get(
    "/metrics", guards=[needs(Permission.SEE_STATUS)], operation_id="metrics", tags=["health"],
    summary="Metrics for Prometheus", media_type=MediaType.TEXT,
)  # fmt: skip
async def metrics(services: Services) -> str:
    """The text exposition; counts are this process's, gauges the queues'."""
    if services.metrics is None:
        raise Refusal(UNAVAILABLE, 'Metrics are not installed: pip install "postroom[metrics]".')
    return (await services.metrics()).decode()


HANDLERS: Final = (events, list_providers, metrics)


async def _newest(services: WebServices) -> int:
    row = await services.store.read(lambda transaction: transaction.one("last_message_event"))
    return int(row["seq"]) if row is not None and row["seq"] is not None else 0


async def _stream(services: WebServices, after: int) -> AsyncIterator[bytes]:
    _Streams.open += 1
    try:
        yield b"retry: 2000\n\n"
        quiet = 0.0
        while True:
            rows = await _rows(services, after)
            for row in rows:
                after = row["seq"]
                yield _frame(row)
            quiet = 0.0 if rows else quiet + POLL_SECONDS
            if quiet >= HEARTBEAT_SECONDS:
                quiet = 0.0
                yield b": still here\n\n"
            if len(rows) < PAGE:
                await services.clock.sleep(POLL_SECONDS)
    finally:
        _Streams.open -= 1


async def _rows(services: WebServices, after: int) -> list[dict[str, Any]]:
    return await services.store.read(lambda t: t.all("message_events_after", after=after, limit=PAGE))


def _frame(row: dict[str, Any]) -> bytes:
    data = {
        "messageId": row["message_id"],
        "at": isoformat(row["at_us"]),
        **{name: row[name] for name in SHOWN},
    }
    return b"id: %d\nevent: message\ndata: %b\n\n" % (row["seq"], msgspec.json.encode(data))
