"""Parts of a page that are pushed when they change (server-sent events); what is not changed is not sent.

https://html.spec.whatwg.org/multipage/server-sent-events.html . A stream ends after some minutes; the browser comes
back by itself and has to show again who it is.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final, NamedTuple

from litestar.response import Stream

from postroom.kit.clock import Clock
from postroom.web.problems import UNAVAILABLE, Refusal

SECONDS_MAX: Final = 300.0
HEARTBEAT_SECONDS: Final = 15.0
STREAMS_MAX: Final = 200
STEP_SECONDS: Final = 1.0


class Part(NamedTuple):
    """A part of a page."""

    name: str
    """The event, and what the page's `sse-swap` names."""
    every_seconds: float
    render: Callable[[], Awaitable[str]]
    """Its markup on one line."""


class _Open:
    count = 0


_rendered: dict[str, tuple[tuple[object, ...], str]] = {}


def shared(name: str, key: tuple[object, ...], render: Callable[[], str]) -> str:
    """What a part is rendered to, once for all who look at the same figures in the same zone; `key` tells those."""
    known = _rendered.get(name)
    if known is None or known[0] != key:
        known = _rendered[name] = (key, render())
    return known[1]


def stream(clock: Clock, parts: Sequence[Part]) -> Stream:
    """What pushes these parts; raises Refusal when there are too many streams."""
    if _Open.count >= STREAMS_MAX:
        raise Refusal(UNAVAILABLE, f"At most {STREAMS_MAX} streams at once.", headers={"retry-after": "5"})
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return Stream(_frames(clock, parts), media_type="text/event-stream", headers=headers)


async def _frames(clock: Clock, parts: Sequence[Part]) -> AsyncIterator[bytes]:
    _Open.count += 1
    known: dict[str, str] = {}
    due = {part.name: 0.0 for part in parts}
    elapsed = quiet = 0.0
    try:
        yield b"retry: 2000\n\n"
        while elapsed < SECONDS_MAX:
            for part in parts:
                if elapsed < due[part.name]:
                    continue
                due[part.name] = elapsed + part.every_seconds
                text = await part.render()
                if known.get(part.name) != text:
                    known[part.name], quiet = text, 0.0
                    yield f"event: {part.name}\ndata: {text}\n\n".encode()
            if quiet >= HEARTBEAT_SECONDS:
                quiet = 0.0
                yield b": still here\n\n"
            await clock.sleep(STEP_SECONDS)
            elapsed += STEP_SECONDS
            quiet += STEP_SECONDS
    finally:
        _Open.count -= 1
