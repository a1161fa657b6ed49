"""Killed consumers lose nothing, and what they leave comes again with an explanation (README: at least once)."""

import asyncio
from pathlib import Path
from random import Random

import pytest

from support.checker import check
from support.children import Child, Children
from support.database import assert_sound, left_in, waiting
from support.ledger import read, written
from support.patience import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

KILLS = 10
LEASE_MS = 300


async def test_killed_consumers_lose_nothing(
    place: Path, ledgers: Path, children: Children, chance: Random
) -> None:
    """Ten consumers are killed at random moments under load; every message is handled, every repetition explained."""
    file = place / "q.db"
    config = {
        "url": f"sqlite:///{file}",
        "queue": "orders",
        "seed": chance.random(),
    }
    consuming = {
        **config,
        "work_seconds": 0.02,
        "retry_share": 0.05,
        "options": {
            "max_batch_timeout": 0,
            "max_retries": 100,
            "visibility_timeout_ms": LEASE_MS,
            "max_concurrency": 8,
        },
    }

    async def consumer() -> Child:
        child = await children.start("consume", **consuming)
        await child.hear("ready")
        return child

    producer = await children.start("produce", delays=[0, 0, 0, 0.1], **config)
    await producer.hear("ready")
    consumers = [await consumer(), await consumer()]
    for _ in range(KILLS):
        mark = written(ledgers) + chance.randrange(400_000)
        await until(lambda mark=mark: written(ledgers) >= mark, "the work goes on")
        await asyncio.sleep(chance.uniform(0, 0.02))
        victim = consumers.pop(chance.randrange(len(consumers)))
        await victim.kill()
        consumers.append(await consumer())
    await producer.tell("stop")
    await producer.hear("done")
    await until(lambda: waiting(file, "orders") == 0, "the queue is drained")
    for child in consumers:
        child.terminate()
        assert await child.ended() == 0

    verdict = check(read(ledgers), left_in(file), queue="orders", max_retries=100)

    verdict.assert_good()
    assert verdict.sent > 100
    assert verdict.explained["killed"] > 0
    assert_sound(file)
