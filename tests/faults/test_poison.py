"""A poisoned message ends in the dead-letter queue and does not stop the rest (delivery, `max_retries`)."""

from pathlib import Path
from typing import Any

import pytest

from postroom.queues import connect
from support.checker import Verdict, check
from support.children import KILLED, Children
from support.database import Left, assert_sound, left_in, waiting
from support.ledger import read
from support.patience import until
from support.recording import send

pytestmark = pytest.mark.slow

DELIVERIES = 3
OTHERS = 30


async def supervised(
    children: Children, ledgers: Path, file: Path, *, processes: int = 1, **options: Any
) -> tuple[Verdict, list[Left]]:
    """Run consumers, start each again whenever it dies, until their queue is empty; then the verdict."""
    config = {
        "url": f"sqlite:///{file}",
        "queue": "orders",
        "options": {
            "max_batch_timeout": 0,
            "max_retries": DELIVERIES - 1,
            "dead_letter_queue": "dead-orders",
            "visibility_timeout_ms": 200,
            **options,
        },
    }
    consumers = [await children.start("consume", **config) for _ in range(processes)]

    async def drained() -> bool:
        for place, consumer in enumerate(consumers):
            if not consumer.running:
                consumer.note(KILLED)
                consumers[place] = await children.start("consume", **config)
        return waiting(file, "orders") == 0

    await until(drained, "the queue is drained")
    for consumer in consumers:
        await consumer.hear("ready")
        consumer.terminate()
        assert await consumer.ended() == 0
    left = left_in(file)
    assert_sound(file)
    return check(read(ledgers), left, queue="orders", max_retries=DELIVERIES - 1), left


async def orders(children: Children, file: Path, *keys: str) -> None:
    """Send these, then others that nothing is wrong with."""
    async with connect(f"sqlite:///{file}") as queues:
        for key in (*keys, *(f"good:{number}" for number in range(OTHERS))):
            await send(queues["orders"], children.ledger, key)


async def test_message_that_kills_its_process_is_given_up(
    place: Path, ledgers: Path, children: Children
) -> None:
    """Delivered `max_retries + 1` times, each time the death of its process; then dead-lettered, the rest done."""
    file = place / "q.db"
    await orders(children, file, "poison")

    verdict, left = await supervised(children, ledgers, file, max_batch_size=1, max_concurrency=1)

    verdict.assert_good()
    assert [(one.queue, one.key) for one in left] == [("dead-orders", "poison")]
    assert left[0].dead is not None
    assert (left[0].dead["queue"], left[0].dead["attempts"]) == ("orders", DELIVERIES)
    assert left[0].dead["reason"] == f"gave up after {DELIVERIES} deliveries; last: LeaseLost"
    assert verdict.delivered == DELIVERIES + OTHERS


@pytest.mark.parametrize("processes", [1, 4], ids=["one process", "four processes"])
async def test_neighbours_in_the_batch_survive_a_message_that_kills_its_process(
    processes: int, place: Path, ledgers: Path, children: Children
) -> None:
    """Only the poisoned message is given up, not those that happened to be delivered with it."""
    file = place / "q.db"
    await orders(children, file, "good:first", "poison")

    verdict, left = await supervised(children, ledgers, file, processes=processes, max_batch_size=10)

    verdict.assert_good()
    assert [one.key for one in left] == ["poison"]


async def test_message_whose_handler_always_raises_is_given_up(
    place: Path, ledgers: Path, children: Children
) -> None:
    """Its process lives on; it is dead-lettered with the name of what was raised, and the rest is done."""
    file = place / "q.db"
    await orders(children, file, "broken")

    verdict, left = await supervised(children, ledgers, file, max_batch_size=1)

    verdict.assert_good()
    assert [(one.queue, one.key) for one in left] == [("dead-orders", "broken")]
    assert left[0].dead is not None
    assert left[0].dead["reason"] == f"gave up after {DELIVERIES} deliveries; last: RuntimeError"
    assert (verdict.delivered, verdict.duplicated) == (DELIVERIES + OTHERS, 0)
