"""A wall clock that is set forward or back loses nothing, and who lost a lease settles nothing (leases, delays)."""

from pathlib import Path
from random import Random

import pytest

from postroom.queues import connect
from support.checker import check
from support.children import MOVED, Children
from support.database import assert_sound, left_in, waiting
from support.ledger import DONE, LOST, read, written
from support.parent import MovedClock
from support.patience import until
from support.recording import send

pytestmark = pytest.mark.slow

HOUR = 3600
OPTIONS = {"max_batch_timeout": 0, "max_concurrency": 4, "max_retries": 50, "visibility_timeout_ms": 400}


@pytest.mark.parametrize("seconds", [HOUR, -HOUR], ids=["forward", "back"])
async def test_message_in_hand_when_clocks_differ_is_acknowledged_once(
    seconds: int, place: Path, ledgers: Path, children: Children
) -> None:
    """One process holds a message, another's clock is an hour off: whoever lost the lease changes nothing."""
    file = place / "q.db"
    url = f"sqlite:///{file}"
    options = {**OPTIONS, "visibility_timeout_ms": 30_000}
    slow, quick = (0, seconds) if seconds > 0 else (seconds, 0)
    async with connect(url, clock=MovedClock(slow)) as queues:
        first = await children.start(
            "consume", "first", url=url, queue="orders", clock_seconds=slow, slow_seconds=1.5,
            say_delivered=True, options=options,
        )  # fmt: skip
        await first.hear("ready")
        await send(queues["orders"], children.ledger, "slow:1")
        await first.hear("delivered")
        second = await children.start(
            "consume", "second", url=url, queue="orders", clock_seconds=quick, slow_seconds=2,
            say_delivered=True, options=options,
        )  # fmt: skip
        second.note(MOVED)

        # For the second process the lease of the first has run out long ago.
        await second.hear("delivered")
        await first.hear_events("LeaseLost")
        await until(lambda: waiting(file, "orders") == 0, "the second process has handled it")

        for consumer in (first, second):
            consumer.terminate()
            assert await consumer.ended() == 0

    history = read(ledgers)
    verdict = check(history, left_in(file), queue="orders", clocks_moved=True)
    verdict.assert_good()
    acks = [entry.process.partition(":")[0] for entry in history if (entry.fate, entry.step) == ("ack", DONE)]
    assert acks == ["second"]
    assert any(entry.process.startswith("first") and entry.step == LOST for entry in history)
    assert_sound(file)


@pytest.mark.parametrize("start", [0, HOUR], ids=["forward", "back"])
async def test_clock_that_jumps_under_load_loses_nothing(
    start: int, place: Path, ledgers: Path, children: Children, chance: Random
) -> None:
    """Of two consumers one has its clock set by an hour, again and again; everything is handled or still there."""
    file = place / "q.db"
    config = {"url": f"sqlite:///{file}", "queue": "orders"}
    producer = await children.start("produce", delays=[0, 0.05], **config)
    steady = await children.start(
        "consume", "steady", options=OPTIONS, work_seconds=0.02, retry_share=0.05, **config
    )
    jumping = await children.start(
        "consume",
        "jumping",
        options=OPTIONS,
        work_seconds=0.02,
        retry_share=0.05,
        clock_seconds=start,
        **config,
    )
    jumping.note(MOVED)
    for child in (producer, steady, jumping):
        await child.hear("ready")

    for offset in (HOUR, 0, -HOUR, 0) if start == 0 else (0, HOUR, 0):
        mark = written(ledgers) + chance.randrange(100_000, 300_000)
        await until(lambda mark=mark: written(ledgers) >= mark, "the work goes on")
        await jumping.move_clock(offset)
    await producer.tell("stop")
    await producer.hear("done")
    # Once more an hour ahead, it sees everything that was put off until then; nothing may be left for ever.
    await jumping.move_clock(2 * HOUR)
    await until(lambda: waiting(file, "orders") == 0, "the queue is drained")
    for child in (steady, jumping):
        child.terminate()
        assert await child.ended() == 0

    verdict = check(read(ledgers), left_in(file), queue="orders", clocks_moved=True)
    verdict.assert_good()
    assert verdict.sent > 100
    assert_sound(file)
