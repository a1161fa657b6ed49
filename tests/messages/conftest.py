"""A whole application on a fresh SQLite file, with virtual time and providers that only record."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from workflow_support import Open

from postroom.delivery.routing import Route
from postroom.queues.testing import VirtualClock
from postroom.settings import load
from postroom.wiring import Application, open_application


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def open_app(tmp_path: Path, database_url: str, clock: VirtualClock) -> Open:
    @asynccontextmanager
    async def open_it(routes: Sequence[Route] | None = None, **settings: str) -> AsyncIterator[Application]:
        environ = {
            "POSTROOM_DATABASE_URL": database_url,
            "POSTROOM_EXPORTS_DIR": str(tmp_path / "exports"),
            "POSTROOM_ARCHIVE_DIR": str(tmp_path / "archive"),
            **{f"POSTROOM_{name.upper()}": value for name, value in settings.items()},
        }
        loaded = load(environ, folder=tmp_path).settings
        async with open_application(loaded, consume=True, clock=clock, routes=routes) as app:
            yield app

    return open_it


@pytest.fixture
async def app(open_app: Open) -> AsyncIterator[Application]:
    async with open_app() as app, app.queues.running():
        yield app
