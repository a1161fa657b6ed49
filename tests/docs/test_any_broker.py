"""The same example on every broker."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from postroom.cloudflare import ACCOUNT_ID_DEFAULT as ACCOUNT
from postroom.settings import load
from postroom.web.app import create_app
from postroom.web.server import serving
from postroom.wiring import open_application, web_services

ROOT = Path(__file__).parents[2]
PRINTED = "order 1: delivery 2\norder 2: no such customer, from any-orders\norder 3: delivery 1\n"


@pytest.fixture
async def base(tmp_path: Path) -> AsyncIterator[str]:
    """A Postroom that speaks Cloudflare's API."""
    settings = load({"POSTROOM_DATABASE_URL": f"sqlite:///{tmp_path / 'app.db'}"}, folder=tmp_path).settings
    async with (
        open_application(settings, consume=False) as app,
        serving(create_app(web_services(app)), "127.0.0.1", 0) as server,
    ):
        yield f"{server.url}/client/v4"


async def prints(url: str, folder: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", str(ROOT / "examples" / "any_broker.py"), url, cwd=folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(50):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


@pytest.mark.slow
@pytest.mark.parametrize("url", ["memory://", "sqlite:///orders.db"])
async def test_example_on_one_machine(url: str, tmp_path: Path) -> None:
    assert await prints(url, tmp_path) == PRINTED


@pytest.mark.slow
async def test_example_on_postgresql(postgres_database: str, tmp_path: Path) -> None:
    assert await prints(postgres_database, tmp_path) == PRINTED


@pytest.mark.slow
async def test_example_on_cloudflare(base: str, tmp_path: Path) -> None:
    """Against our own server."""
    assert await prints(f"cloudflare://any@{ACCOUNT}?base_url={base}&poll=0.1", tmp_path) == PRINTED
