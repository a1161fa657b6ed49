"""The Cloudflare broker keeps the contract, against a Postroom that speaks Cloudflare's API."""

import functools
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest

from postroom.cloudflare import ACCOUNT_ID_DEFAULT as ACCOUNT
from postroom.kit.cloudflare import client
from postroom.queues.conformance import Conformance
from postroom.queues.testing import VirtualClock
from postroom.settings import load
from postroom.web.app import create_app
from postroom.wiring import open_application, web_services

BASE = "http://localhost:5173/client/v4"


class TestCloudflare(Conformance):
    @pytest.fixture
    async def url(
        self, folder: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[str]:
        """A Postroom of its own for each case, asked without a network, on the case's clock."""
        settings = load(
            {"POSTROOM_DATABASE_URL": f"sqlite:///{folder / 'server.db'}"}, folder=folder
        ).settings
        async with open_application(settings, consume=False, clock=clock) as app:
            for name in await app.queues.names():
                await app.queues.delete(name)
            transport = httpx2.ASGITransport(create_app(web_services(app)), client=("127.0.0.1", 50_000))
            monkeypatch.setattr(
                client.httpx2, "AsyncClient", functools.partial(httpx2.AsyncClient, transport=transport)
            )
            database = quote(f"sqlite:///{folder / 'outbox.db'}", safe="")
            yield f"cloudflare://any@{ACCOUNT}?base_url={BASE}&database={database}&poll=0.05"
