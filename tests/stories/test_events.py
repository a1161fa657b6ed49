"""`GET /api/events`: the live stream of messages' events (web/api/events.py)."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from postroom.queues.testing import VirtualClock
from postroom.web.app import create_app
from postroom.wiring import web_services

EMAIL = {
    "channel": "email", "messageId": "e-1", "recipient": "patient@example.com", "subject": "Your appointment",
    "content": "Tomorrow at 2 pm.",
}  # fmt: skip


@asynccontextmanager
async def listening(service: Any, after: str | None = None) -> AsyncIterator[Any]:
    """A stream's frames, as a browser would get them: (id, data)."""
    arrived: asyncio.Queue[bytes] = asyncio.Queue()
    gone = asyncio.Event()
    first = True

    async def receive() -> dict[str, Any]:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 200
            assert (b"content-type", b"text/event-stream") in [
                (name, value.split(b";")[0]) for name, value in message["headers"]
            ]
        elif message.get("body"):
            await arrived.put(message["body"])

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": "/api/events", "raw_path": b"/api/events", "query_string": b"", "root_path": "",
        "client": ("127.0.0.1", 5000), "server": ("localhost", 5173),
        "headers": [(b"host", b"localhost:5173"), *([(b"last-event-id", after.encode())] if after else [])],
    }  # fmt: skip
    asgi = create_app(web_services(service.app))
    serving = asyncio.create_task(asgi(scope, receive, send))
    try:
        assert await arrived.get() == b"retry: 2000\n\n"

        async def frame() -> tuple[str, dict[str, Any]]:
            while (text := (await arrived.get()).decode()).startswith(":"):
                pass
            fields = dict(line.split(": ", 1) for line in text.strip().splitlines())
            assert fields["event"] == "message"
            return fields["id"], json.loads(fields["data"])

        yield frame
    finally:
        gone.set()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def test_events_come_as_they_happen(serving: Any, clock: VirtualClock) -> None:
    """From now on, without a word about people."""
    async with serving() as service:
        await service.ask("POST", "/api/messages", {**EMAIL, "messageId": "before"}, by="anna")
        async with listening(service) as frame:
            await service.ask("POST", "/api/messages", EMAIL, by="anna")
            await clock.advance(1)
            _, drafted = await frame()
            await service.do("/api/messages/e-1/submit", by="anna")
            await clock.advance(1)
            _, submitted = await frame()

        assert (drafted["messageId"], drafted["after"]) == ("e-1", "draft")
        assert (submitted["before"], submitted["after"]) == ("draft", "pending_review")
        assert "patient" not in json.dumps([drafted, submitted])


async def test_who_comes_back_misses_nothing(serving: Any, clock: VirtualClock) -> None:
    """Last-Event-ID is where they were."""
    async with serving() as service:
        await service.ask("POST", "/api/messages", EMAIL, by="anna")
        async with listening(service, "0") as frame:
            seen, _ = await frame()
        await service.do("/api/messages/e-1/submit", by="anna")
        async with listening(service, seen) as frame:
            _, missed = await frame()

        assert missed["after"] == "pending_review"
        refused = await service.ask("GET", "/api/events", last_event_id="yesterday")
        assert refused.status_code == 400
