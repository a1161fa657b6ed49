"""A whole service in virtual time: its API without a server, its consumers, and providers on loopback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from postroom.queues.testing import VirtualClock
from postroom.settings import load
from postroom.web.app import create_app
from postroom.wiring import Application, open_application, web_services

PUBLIC = "https://postroom.example.org"


class Service:
    """The application and its API; `act_as` asks in somebody's name."""

    def __init__(self, app: Application, clock: VirtualClock) -> None:
        self.app = app
        self.clock = clock
        self._asgi = create_app(web_services(app))

    async def ask(
        self, method: str, path: str, body: Any = None, *, by: str | None = None, **headers: str
    ) -> httpx.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if by is not None:
            given["x-postroom-act-as"] = by
        transport = httpx.ASGITransport(self._asgi, client=("127.0.0.1", 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:5173") as client:
            content = body if isinstance(body, bytes) else None
            return await client.request(
                method, path, json=None if content is not None else body, content=content, headers=given
            )

    async def get(self, path: str, *, by: str | None = None) -> Any:
        return (await self.ask("GET", path, by=by)).json()

    async def do(self, path: str, body: Any = None, *, by: str, seen: str = "*") -> httpx.Response:
        return await self.ask("POST", path, body, by=by, if_match=seen)

    async def callback(self, url: str, headers: dict[str, str], body: bytes) -> int:
        """Post what a vendor would; by the path behind our public URL."""
        answer = await self.ask("POST", url.removeprefix(PUBLIC), body, **headers)
        return answer.status_code

    async def status(self, message_id: str) -> str:
        found: str = (await self.get(f"/api/messages/{message_id}"))["status"]
        return found


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def serving(tmp_path: Path, database_url: str, clock: VirtualClock) -> Any:
    @asynccontextmanager
    async def serve(**settings: str) -> AsyncIterator[Service]:
        environ = {
            "POSTROOM_DATABASE_URL": database_url, "POSTROOM_PUBLIC_URL": PUBLIC,
            **{f"POSTROOM_{name.upper()}": value for name, value in settings.items()},
        }  # fmt: skip
        loaded = load(environ, folder=tmp_path).settings
        async with open_application(loaded, consume=True, clock=clock) as app:
            service = Service(app, clock)
            for name, role in (
                ("anna", "staff"),
                ("ben", "reviewer"),
                ("dora", "doctor"),
                ("adam", "auditor"),
            ):
                await service.ask("POST", "/api/users", {"name": name, "roles": [role]})
            async with app.queues.running():
                yield service

    return serve
