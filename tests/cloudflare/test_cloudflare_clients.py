"""Cloudflare's own clients, talking to a Postroom: its Python SDK, wrangler, and a pull loop in JavaScript."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from clients import install
from postroom.cloudflare import ACCOUNT_ID_DEFAULT as ACCOUNT
from postroom.settings import load
from postroom.web.app import create_app
from postroom.web.server import serving
from postroom.wiring import Application, open_application, web_services

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

PROGRAMS = Path(install.__file__).parent / "programs"
SECONDS_MAX = 120


class Postroom(NamedTuple):
    """A Postroom that listens."""

    app: Application
    base: str

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.request(method, f"{self.base}/accounts/{ACCOUNT}/{path}", json=body)
        assert answer.json()["success"], answer.text
        return answer.json()["result"]

    async def queue(self, name: str) -> str:
        made = await self.ask("POST", "queues", {"queue_name": name})
        path = f"queues/{made['queue_id']}"
        await self.ask("POST", f"{path}/consumers", {"type": "http_pull"})
        return path


class Ran(NamedTuple):
    """A program that has ended."""

    status: int
    out: str
    err: str


@pytest.fixture
async def postroom(tmp_path: Path) -> AsyncIterator[Postroom]:
    settings = load({"POSTROOM_DATABASE_URL": f"sqlite:///{tmp_path / 'app.db'}"}, folder=tmp_path).settings
    async with (
        open_application(settings, consume=True) as app,
        serving(create_app(web_services(app)), "127.0.0.1", 0) as server,
    ):
        yield Postroom(app, f"{server.url}/client/v4")


def installed(make: Callable[[], Any]) -> Any:
    """The client; where it cannot be had, the test is skipped with the reason, or fails where it is demanded."""
    try:
        return make()
    except install.NotInstalled as error:
        if os.environ.get("POSTROOM_TEST_CLIENTS") == "required":
            pytest.fail(str(error))
        pytest.skip(str(error))


async def run(*command: object, folder: Path, **environ: str) -> Ran:
    """Run a program; nothing of our environment but where programs are."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *map(str, command), cwd=folder, env={**kept, **environ}, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(SECONDS_MAX):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())


@pytest.mark.parametrize("version", install.SDKS)
async def test_python_sdk(version: str, postroom: Postroom, tmp_path: Path) -> None:
    """Queues, consumers, pushing, pulling, acks, retries, purging and errors, as the SDK understands them."""
    ran = await run(
        sys.executable, "-S", PROGRAMS / "sdk_story.py", ACCOUNT, folder=tmp_path, PYTHONPATH=str(installed(lambda: install.sdk(version))),
        CLOUDFLARE_BASE_URL=postroom.base, CLOUDFLARE_API_TOKEN="any",
    )  # fmt: skip

    assert ran.status == 0, ran.err
    seen = json.loads(ran.out)
    assert seen.pop("version") == version
    major = version.partition(".")[0]
    newer = {"peeked": ["seen"], "metrics": 0, "subscriptions": ["states"]} if major == "5" else {}
    assert seen == {
        "made": [f"story-{major}", 345_600],
        "twice": ["ConflictError", 409, 11009],
        "listed": True,
        "edited": 7200,
        "consumer": ["http_pull", 30_000],
        "bodies": [{"number": 1}, "two", {"number": 3}],
        "attempts": [1, 1, 1],
        "acked": [2, 1],
        "again": [{"number": 3}, 2],
        "late": [1, 1],
        "purged": True,
        "paused": [True, ["ConflictError", 409, 10252]],
        "gone": ["NotFoundError", 404, 11000],
        **newer,
    }


async def test_javascript_pull_loop(postroom: Postroom, tmp_path: Path) -> None:
    """Nothing but `fetch`."""
    node = installed(install.node)
    path = await postroom.queue("work")
    messages = [
        {"body": {"n": 1}},
        {"body": "again", "content_type": "text"},
        {"body": "three", "content_type": "text"},
    ]
    await postroom.ask("POST", f"{path}/messages/batch", {"messages": messages})

    ran = await run(
        node,
        PROGRAMS / "pull_loop.mjs",
        postroom.base,
        ACCOUNT,
        "any",
        path.removeprefix("queues/"),
        folder=tmp_path,
    )

    assert ran.status == 0, ran.err
    assert json.loads(ran.out) == [['{"n":1}', 1], ["three", 1], ["again", 2]]
    assert (await postroom.ask("GET", f"{path}/metrics"))["backlog_count"] == 0


class Wrangler:
    """wrangler, pointed at a Postroom; it finds the account by itself."""

    def __init__(self, postroom: Postroom, folder: Path) -> None:
        self._program = installed(install.wrangler)
        self._folder = folder
        self._environ = {
            "CLOUDFLARE_API_BASE_URL": postroom.base, "CLOUDFLARE_API_TOKEN": "any", "CI": "1", "NO_COLOR": "1",
            "WRANGLER_SEND_METRICS": "false", "WRANGLER_LOG_SANITIZE": "true",
            "WRANGLER_LOG_PATH": str(folder), "HOME": str(folder), "XDG_CONFIG_HOME": str(folder),
        }  # fmt: skip

    async def __call__(self, line: str, *, fails: bool = False) -> str:
        """`wrangler queues ...`; what it says."""
        ran = await run(self._program, "queues", *line.split(), folder=self._folder, **self._environ)
        assert (ran.status != 0) == fails, ran.out + ran.err
        return ran.out + ran.err


async def test_wrangler_looks_after_queues(postroom: Postroom, tmp_path: Path) -> None:
    """Create, update, list, info, pause, resume, purge, delete."""
    wrangler = Wrangler(postroom, tmp_path)

    await wrangler("create shop --delivery-delay-secs 2")
    await wrangler("update shop --message-retention-period-secs 600")
    (queue,) = await postroom.ask("GET", "queues?name=shop")
    assert queue["settings"] == {
        "delivery_delay": 2,
        "delivery_paused": False,
        "message_retention_period": 600,
    }
    assert re.search(rf"{queue['queue_id']} +│ shop ", await wrangler("list"))
    await wrangler("pause-delivery shop")
    assert (await postroom.app.queues.info("shop")).paused
    await wrangler("resume-delivery shop")
    assert not (await postroom.app.queues.info("shop")).paused
    await postroom.app.queues["shop"].send(1)
    await wrangler("purge shop --force")
    assert (await postroom.app.queues["shop"].metrics()).backlog_count == 0
    assert "already taken" in await wrangler("create shop", fails=True)
    await wrangler("delete shop")
    assert 'Queue "shop" does not exist' in await wrangler("info shop", fails=True)


async def test_wrangler_looks_after_consumers_and_subscriptions(postroom: Postroom, tmp_path: Path) -> None:
    """A puller added and removed; the Python consumer removed and added; what is not offered is said."""
    wrangler = Wrangler(postroom, tmp_path)
    await postroom.app.queues.create("shop")

    await wrangler(
        "consumer http add shop --batch-size 7 --visibility-timeout-secs 20 --dead-letter-queue graves"
    )
    (queue,) = await postroom.ask("GET", "queues?name=shop")
    (puller,) = queue["consumers"]
    assert (puller["type"], puller["dead_letter_queue"]) == ("http_pull", "graves")
    assert puller["settings"]["visibility_timeout_ms"] == 20_000
    assert "HTTP Pull Consumer" in await wrangler("info shop")
    await wrangler("consumer http remove shop")
    assert "no queue handler" in await wrangler("consumer add shop postroom", fails=True)
    await wrangler("consumer remove message-delivery postroom")
    await wrangler(
        "consumer add message-delivery postroom --batch-size 20 --batch-timeout 3 --dead-letter-queue dlq"
    )
    consumer = next(one for one in postroom.app.queues.consumers if one.options.queue == "message-delivery")
    assert (consumer.options.max_batch_size, consumer.options.max_batch_timeout) == (20, 3)
    made = await postroom.ask("POST", "event_subscriptions/subscriptions", {
        "name": "states", "source": {"type": "postroom.messages"}, "events": ["message.sent"],
        "destination": {"type": "queues.queue", "queue_id": queue["queue_id"]},
    })  # fmt: skip
    assert made["id"] in await wrangler("subscription list shop")
    await wrangler(f"subscription delete shop --id {made['id']} --force")
    refused = await wrangler("subscription create shop --source kv --events namespace.created", fails=True)
    assert "is not offered by this Postroom" in refused
