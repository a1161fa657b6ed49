"""What the tests of the HTTP API share: a client whose peer address can be chosen, bodies, and a canary."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import msgspec

from postroom.jobs import Enqueued, Entry, NoLedger
from postroom.queues import Queue
from postroom.web.app import create_app
from postroom.web.services import WebServices
from postroom.wiring import Application, web_services

CURL_BODY = (
    '{"type":"email_send","messageId":"test-123","recipient":"test@example.com","subject":"Test",'
    '"content":"Test message","priority":"normal"}'
)
"""The reference document's, as it stands."""

PRODUCER_TOKEN = "p" * 40
OPERATOR_TOKEN = "o" * 40

CANARY = "CaNaRy7"
"""Stands in every recipient, subject and content; must never come back."""

THIN, LITESTAR = "/api/enqueue-job", "/api/enqueue-job/"
"""The same endpoint by its two ways."""


def an_email(**fields: object) -> dict[str, Any]:
    email = {
        "type": "email_send",
        "messageId": "m-1",
        "recipient": f"{CANARY}@example.com",
        "subject": CANARY,
    }
    return {**email, "content": CANARY, **fields}


class Api:
    """Asks a real application, without a server."""

    def __init__(self, app: Application, **changes: Any) -> None:
        self.app = app
        self.services: WebServices = msgspec.structs.replace(web_services(app), **changes)
        self.asgi = create_app(self.services)
        self.announced: list[Any] = []
        app.queues.events.subscribe(object, self.announced.append)

    async def __call__(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        peer: str = "127.0.0.1",
    ) -> httpx.Response:
        """One request; a body that is no text or bytes is sent as JSON."""
        content = body if isinstance(body, str | bytes | None) else json.dumps(body)
        given = {**({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
        transport = httpx.ASGITransport(self.asgi, client=(peer, 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:5173") as client:
            return await client.request(method, path, content=content, headers=given)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        """GET."""
        return await self("GET", path, **options)

    async def post(self, path: str, body: object = None, **options: Any) -> httpx.Response:
        """POST."""
        return await self("POST", path, body, **options)


def errors_of(response: httpx.Response) -> dict[str, str]:
    """The problems of an answer, by field."""
    return {error["field"]: error["reason"] for error in response.json().get("errors", [])}


class FailingLedger(NoLedger):
    """Fails to store anything."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def enqueue(self, queue: Queue, entries: Sequence[Entry], actor: str) -> Sequence[Enqueued]:
        """Raise the error."""
        raise self._error
