"""A real application on a fresh file with virtual time, whose consumers run when a test says so."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from postroom.queues.testing import VirtualClock
from postroom.settings import load
from postroom.wiring import Application, open_application


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
async def app(tmp_path: Path, clock: VirtualClock) -> AsyncIterator[Application]:
    settings = load({"POSTROOM_DATABASE_URL": f"sqlite:///{tmp_path / 'app.db'}"}, folder=tmp_path).settings
    async with open_application(settings, consume=True, clock=clock) as opened:
        yield opened
