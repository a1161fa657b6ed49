"""`/app/live`: what happens to messages, pushed to open pages (server-sent events) as parts that replace others.

One look at the store serves all pages of this process. Each event is a chip with a message's new state, named
`m:ID`, and, for lists, `arrived` when something is there that the list does not show. A page's session is looked at again
from time to time; when it has ended, the page is told and the stream ends.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, TypeAlias, cast

from litestar import get
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from litestar.response import Stream

from postroom.accounts import Permission
from postroom.kit.service import Service
from postroom.web.api.events import HEARTBEAT_SECONDS, PAGE, POLL_SECONDS
from postroom.web.asgi import Scope
from postroom.web.auth import cookie_of, needs, read_headers
from postroom.web.dashboard.rendering import part
from postroom.web.dependencies import Asked, Services
from postroom.web.paging import read_choice, read_cursor
from postroom.web.problems import UNAVAILABLE, Refusal
from postroom.web.services import WebServices

STREAMS_MAX: Final = 200
LISTS: Final = ("mine", "reviews")
Rows: TypeAlias = Sequence[dict[str, Any]]


class Feed(Service):
    """The newest events of the store, read once for all streams of a process; it looks only while somebody listens."""

    name = "live-feed"

    def __init__(self, services: WebServices) -> None:
        super().__init__()
        self._services = services
        self._listeners: set[asyncio.Queue[Rows]] = set()

    @property
    def streams(self) -> int:
        """How many listen."""
        return len(self._listeners)

    async def listen(self) -> "asyncio.Queue[Rows]":
        """Get events from now on; the first listener begins the looking."""
        queue: asyncio.Queue[Rows] = asyncio.Queue()
        self._listeners.add(queue)
        if not self.running:
            await self.start()
        return queue

    async def leave(self, queue: "asyncio.Queue[Rows]") -> None:
        """Get no more; the last one ends the looking."""
        self._listeners.discard(queue)
        if not self._listeners:
            # Should the looking have failed, its streams have ended by that already.
            with contextlib.suppress(Exception):
                await self.stop()

    async def after(self, seq: int) -> Rows:
        """Events after a place in the order of all."""
        rows: Rows = await self._services.store.read(
            lambda t: t.all("message_events_after", after=seq, limit=PAGE)
        )
        return rows

    async def newest(self) -> int:
        """The place of the newest event."""
        row = await self._services.store.read(lambda transaction: transaction.one("last_message_event"))
        return int(row["seq"]) if row is not None and row["seq"] is not None else 0

    async def _run(self) -> None:
        at = await self.newest()
        while True:
            rows = await self.after(at)
            if rows:
                at = rows[-1]["seq"]
                for queue in self._listeners:
                    queue.put_nowait(rows)
            if len(rows) < PAGE:
                await self._services.clock.sleep(POLL_SECONDS)


LiveFeed: TypeAlias = NamedDependency[SkipValidation[Feed]]
"""The parameter `feed` of a handler; provided once, in `app`."""


@get("/app/live", include_in_schema=False, guards=[needs(Permission.LOOK_UP)])
async def live(request: Asked, services: Services, feed: LiveFeed) -> Stream:
    """`for`: the list that is shown; `after`: the last event that the page has seen."""
    if feed.streams >= STREAMS_MAX:
        raise Refusal(UNAVAILABLE, f"At most {STREAMS_MAX} streams at once.", headers={"retry-after": "5"})
    shown = read_choice("for", request.query_params.get("for"), LISTS)
    last = request.headers.get("last-event-id") or request.query_params.get("after")
    after = read_cursor(last) if last else None
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return Stream(
        _stream(request, services, feed, shown, after), media_type="text/event-stream", headers=headers
    )


HANDLERS: Final = (live,)


async def _stream(
    request: Asked, services: WebServices, feed: Feed, shown: str | None, after: int | None
) -> AsyncIterator[bytes]:
    queue = await feed.listen()
    me, seen = request.user.name, after or 0
    try:
        yield b"retry: 2000\n\n"
        if after is not None:
            for row in await feed.after(after):
                seen = row["seq"]
                yield _frames(request, services, row, shown, me)
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    rows = await queue.get()
            except TimeoutError:
                if not await _still_in(request, services):
                    yield b"event: signed-out\ndata:\n\n"
                    return
                if not feed.running:
                    return
                yield b": still here\n\n"
                continue
            for row in rows:
                # What was missed before may overlap with what was just read.
                if row["seq"] > seen:
                    yield _frames(request, services, row, shown, me)
    finally:
        await feed.leave(queue)


async def _still_in(request: Asked, services: WebServices) -> bool:
    if request.user.session is None:
        return True
    cookie = cookie_of(read_headers(cast(Scope, request.scope)))
    now_us, sessions = services.clock.now_us(), services.accounts.sessions
    found = await services.store.read(lambda t: sessions.find(t, cookie or "", now_us))
    return found is not None


def _frames(request: Asked, services: WebServices, row: dict[str, Any], shown: str | None, me: str) -> bytes:
    """The new chip of a message, and a word to the list that it belongs to."""
    id_, after = row["message_id"], row["after"]
    if after is None:
        return b"id: %d\ndata:\n\n" % row["seq"]
    chip = part("ui.html", "chip", services.clock, cast(Scope, request.scope), after, f"m-{id_}")
    frames = b"id: %d\nevent: m:%b\ndata: %b\n\n" % (row["seq"], id_.encode(), chip.encode())
    came_in = (
        after == "pending_review" if shown == "reviews" else row["kind"] == "created" and row["actor"] == me
    )
    if shown is not None and came_in:
        frames += b"id: %d\nevent: arrived\ndata:\n\n" % row["seq"]
    return frames
