"""SIGTERM: handlers finish, the rest is given back unspent, nothing is lost (`Queues.run`)."""

import time
from pathlib import Path
from random import Random

import pytest

from postroom.queues import connect
from support.checker import check
from support.children import Children
from support.database import assert_sound, left_in, waiting
from support.ledger import read, written
from support.patience import until
from support.recording import send

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

STOPS = 4


async def test_stop_under_load_spends_no_attempt(
    place: Path, ledgers: Path, children: Children, chance: Random
) -> None:
    """Four times under load: exit code 0, no message lost, none handled twice, and every attempt is the first."""
    file = place / "q.db"
    config = {"url": f"sqlite:///{file}", "queue": "orders"}
    options = {"max_batch_timeout": 0, "max_concurrency": 8}
    producer = await children.start("produce", **config)
    await producer.hear("ready")

    for _ in range(STOPS):
        consumer = await children.start("consume", options=options, work_seconds=0.05, **config)
        await consumer.hear("ready")
        mark = written(ledgers) + chance.randrange(100_000, 400_000)
        await until(lambda mark=mark: written(ledgers) >= mark, "the work goes on")
        consumer.terminate()
        assert await consumer.ended() == 0
    await producer.tell("stop")
    await producer.hear("done")
    last = await children.start("consume", options=options, **config)
    await last.hear("ready")
    await until(lambda: waiting(file, "orders") == 0, "the queue is drained")
    last.terminate()
    assert await last.ended() == 0

    history = read(ledgers)
    verdict = check(history, left_in(file), queue="orders")
    verdict.assert_good()
    assert verdict.sent > 100
    assert verdict.duplicated == 0
    assert {entry.attempt for entry in history if entry.op == "deliver"} == {1}
    assert_sound(file)


async def test_stop_gives_back_what_handlers_leave(place: Path, ledgers: Path, children: Children) -> None:
    """Handlers that outlast the grace period are cancelled; their messages come again at once, as attempt 1."""
    file = place / "q.db"
    url = f"sqlite:///{file}"
    options = {"max_batch_timeout": 0, "max_batch_size": 5, "max_concurrency": 2}
    async with connect(url) as queues:
        for number in range(10):
            await send(queues["orders"], children.ledger, f"slow:{number}")
        first = await children.start(
            "consume", url=url, queue="orders", options=options, grace_seconds=0.2, say_delivered=True
        )
        await first.hear("delivered")

        first.terminate()

        assert await first.ended() == 0
        assert (await queues.info("orders")).ready == 10
        asked = time.monotonic()
        second = await children.start("consume", url=url, queue="orders", options=options, slow_seconds=0)
        await second.hear("ready")
        await until(lambda: waiting(file, "orders") == 0, "what was given back is handled", within=10)
        # Far less than a lease of 30 s: it was given back, not waited for.
        assert time.monotonic() - asked < 10
        second.terminate()
        assert await second.ended() == 0

    history = read(ledgers)
    check(history, left_in(file), queue="orders").assert_good()
    assert {entry.attempt for entry in history if entry.op == "deliver"} == {1}
    assert_sound(file)


async def test_stop_while_idle_is_prompt(place: Path, children: Children) -> None:
    """A consumer with nothing to do ends at once, whatever its grace period."""
    consumer = await children.start(
        "consume", url=f"sqlite:///{place / 'q.db'}", queue="orders", grace_seconds=30
    )
    await consumer.hear("ready")

    consumer.terminate()

    assert await consumer.ended(within=5) == 0


async def test_two_services_share_one_file(place: Path, ledgers: Path, children: Children) -> None:
    """Two consumer processes divide a queue between them: each message is handled once, and neither starves."""
    file = place / "q.db"
    config = {"url": f"sqlite:///{file}", "queue": "orders"}
    both = [
        await children.start(
            "consume",
            f"consume{number}",
            options={"max_batch_timeout": 0, "max_concurrency": 4},
            work_seconds=0.01,
            **config,
        )
        for number in range(2)
    ]
    for consumer in both:
        await consumer.hear("ready")
    producers = [await children.start("produce", f"produce{number}", **config) for number in range(2)]
    for producer in producers:
        await producer.hear("ready")

    await until(lambda: written(ledgers) > 3_000_000, "the work goes on")
    for producer in producers:
        await producer.tell("stop")
        await producer.hear("done")
    await until(lambda: waiting(file, "orders") == 0, "the queue is drained")
    for consumer in both:
        consumer.terminate()
        assert await consumer.ended() == 0

    history = read(ledgers)
    verdict = check(history, left_in(file), queue="orders", max_retries=3)
    verdict.assert_good()
    assert verdict.duplicated == 0
    shares = [
        sum(entry.op == "deliver" and entry.process.startswith(consumer.name) for entry in history)
        for consumer in both
    ]
    assert sum(shares) == verdict.sent
    assert min(shares) > 0.1 * sum(shares), f"one process got {shares}"
    assert_sound(file)
