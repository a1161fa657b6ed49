"""A real application and Cloudflare's API of it, in the local environment or in production, with virtual time."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cloudflare_support import CONSUMER_TOKEN, OPERATOR_TOKEN, PRODUCER_TOKEN, Api

from postroom.queues.testing import VirtualClock
from postroom.settings import load
from postroom.wiring import open_application


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
async def api(tmp_path: Path, clock: VirtualClock) -> AsyncIterator[Api]:
    """The local environment; consumers are declared and not started."""
    settings = load({"POSTROOM_DATABASE_URL": f"sqlite:///{tmp_path / 'app.db'}"}, folder=tmp_path).settings
    async with open_application(settings, consume=True, clock=clock) as app:
        yield Api(app)


@pytest.fixture
async def production(tmp_path: Path, clock: VirtualClock) -> AsyncIterator[Api]:
    """An environment with tokens of three roles."""
    environ = {
        "POSTROOM_DATABASE_URL": f"sqlite:///{tmp_path / 'app.db'}",
        "POSTROOM_ENVIRONMENT": "production",
        "POSTROOM_SMTP_URL": "smtp://127.0.0.1:25",
        "POSTROOM_RATE_CLOUDFLARE": "3/300",
        "POSTROOM_API_TOKENS": f"shop:producer:{PRODUCER_TOKEN},anna:operator:{OPERATOR_TOKEN},"
        f"puller:consumer:{CONSUMER_TOKEN}",
    }
    settings = load(environ, folder=tmp_path).settings
    async with open_application(settings, consume=False, clock=clock) as app:
        yield Api(app)
