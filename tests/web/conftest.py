"""A real application on a fresh SQLite file, with virtual time, and its API: local and in production."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from web_support import OPERATOR_TOKEN, PRODUCER_TOKEN, Api

from postroom.queues.testing import VirtualClock
from postroom.settings import load
from postroom.wiring import open_application


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def folders(tmp_path: Path, database_url: str) -> dict[str, str]:
    return {
        "POSTROOM_DATABASE_URL": database_url,
        "POSTROOM_EXPORTS_DIR": str(tmp_path / "exports"),
        "POSTROOM_ARCHIVE_DIR": str(tmp_path / "archive"),
    }


@pytest.fixture
async def api(tmp_path: Path, folders: dict[str, str], clock: VirtualClock) -> AsyncIterator[Api]:
    """The local environment; consumers are declared and not started."""
    settings = load(folders, folder=tmp_path).settings
    async with open_application(settings, consume=True, clock=clock) as app:
        yield Api(app)


@pytest.fixture
async def production(tmp_path: Path, folders: dict[str, str], clock: VirtualClock) -> AsyncIterator[Api]:
    """An environment with tokens: `shop` is a producer, `anna` an operator."""
    environ = {
        **folders,
        "POSTROOM_ENVIRONMENT": "production",
        "POSTROOM_SMTP_URL": "smtp://127.0.0.1:25",
        "POSTROOM_API_TOKENS": f"shop:producer:{PRODUCER_TOKEN},anna:operator:{OPERATOR_TOKEN}",
    }
    settings = load(environ, folder=tmp_path).settings
    async with open_application(settings, consume=False, clock=clock) as app:
        yield Api(app)
