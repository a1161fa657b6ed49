"""A send that returned is on disk: killing the sender amid a group commit takes nothing back (README: durable)."""

import asyncio
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from postroom.queues import connect
from support.checker import check
from support.children import Children
from support.database import assert_sound, left_in
from support.ledger import DONE, read, written
from support.patience import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

KILLS = 5
BATCH = 10


@pytest.mark.parametrize("batch", [1, BATCH], ids=["send", "send_batch"])
async def test_killed_senders_keep_what_was_answered(
    batch: int, place: Path, ledgers: Path, children: Children, chance: Random
) -> None:
    """A process with 100 concurrent senders is killed again and again; every answered id is there when reopened."""
    file = place / "q.db"

    for _ in range(KILLS):
        producer = await children.start(
            "produce",
            url=f"sqlite:///{file}",
            queue="orders",
            senders=100,
            batch=batch,
            backlog_max=10**9,
        )
        await producer.hear("ready")
        mark = written(ledgers) + chance.randrange(600_000)
        await until(lambda mark=mark: written(ledgers) >= mark, "sends are answered")
        await asyncio.sleep(chance.uniform(0, 0.01))
        await producer.kill()

    async with connect(f"sqlite:///{file}") as queues:
        backlog = (await queues["orders"].metrics()).backlog_count
    history, left = read(ledgers), left_in(file)
    verdict = check(history, left, queue="orders")
    verdict.assert_good()
    assert verdict.sent > 0
    assert verdict.unknown > 0, "no sender was killed while it waited for an answer"
    ids = {one.key: one.id for one in left}
    answered = [entry for entry in history if entry.op == "send" and entry.step == DONE]
    assert all(ids[entry.key] == entry.id for entry in answered)
    assert backlog == len(left)
    whole = Counter(one.key.partition("/")[0] for one in left)
    assert set(whole.values()) == {batch}, "a batch is stored whole or not at all"
    assert_sound(file)
