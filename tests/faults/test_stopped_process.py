"""A process that stands still for longer than its lease loses it, and settles nothing any more (leases)."""

import asyncio
import time
from pathlib import Path

import pytest

from postroom.kit.sqlite import connection, writer
from postroom.queues import BrokerUnavailable, connect
from support.checker import check
from support.children import STOPPED, Children
from support.database import assert_sound, left_in, waiting
from support.ledger import DONE, LOST, read
from support.patience import until
from support.recording import send

pytestmark = pytest.mark.slow

LEASE_MS = 300


@pytest.mark.parametrize("seconds", [0.01, 1.0], ids=["after the other's ack", "in the other's hands"])
async def test_late_settle_changes_nothing(
    seconds: float, place: Path, ledgers: Path, children: Children
) -> None:
    """Stopped with a message in hand; another process gets it; the first wakes up and its settle is void."""
    file = place / "q.db"
    url = f"sqlite:///{file}"
    consuming = {
        "url": url,
        "queue": "orders",
        "say_delivered": True,
        "options": {"max_batch_timeout": 0, "visibility_timeout_ms": LEASE_MS},
    }
    async with connect(url) as queues:
        first = await children.start("consume", "first", slow_seconds=0, freeze=True, **consuming)
        await send(queues["orders"], children.ledger, "slow:1")
        await first.stands_still()
        second = await children.start("consume", "second", slow_seconds=seconds, **consuming)

        assert await second.hear("delivered") == "delivered slow:1"
        if seconds < 1:
            await until(lambda: waiting(file, "orders") == 0, "the second process handles it")
        await first.go_on()
        await first.hear_events("LeaseLost")
        await until(lambda: waiting(file, "orders") == 0, "the second process has handled it")

        for consumer in (first, second):
            consumer.terminate()
            assert await consumer.ended() == 0

    history = read(ledgers)
    verdict = check(history, left_in(file), queue="orders")
    verdict.assert_good()
    assert (verdict.delivered, verdict.duplicated, dict(verdict.explained)) == (2, 1, {STOPPED: 1})
    acks = [entry.process.partition(":")[0] for entry in history if (entry.fate, entry.step) == ("ack", DONE)]
    assert acks == ["second"]
    assert any(entry.step == LOST and entry.process.startswith("first") for entry in history)
    assert_sound(file)


async def test_queues_can_be_closed_while_another_process_stands_still(
    place: Path, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for the turn to write is refused, and closing comes to an end."""
    file = place / "q.db"
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.2)
    monkeypatch.setattr(writer, "BUSY_SECONDS", 0.2)
    queues = connect(f"sqlite:///{file}")
    await queues.open()
    await queues["orders"].send(1)
    holder = await children.start("hold", url=f"sqlite:///{file}")
    await holder.stands_still()

    sending = asyncio.create_task(queues["orders"].send(2))
    await asyncio.wait_for(queues.close(), timeout=5)

    with pytest.raises(BrokerUnavailable):
        await sending
    assert [one.body for one in left_in(file)] == [b"1"]


async def test_process_stopped_while_writing_holds_others_up_no_longer_than_it_may(
    place: Path, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others get BrokerUnavailable after the time that is set for it, never silence, and go on when it is gone."""
    file = place / "q.db"
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.5)
    monkeypatch.setattr(writer, "BUSY_SECONDS", 0.5)
    async with connect(f"sqlite:///{file}") as queues:
        await queues["orders"].send(1)
        holder = await children.start("hold", url=f"sqlite:///{file}")
        await holder.stands_still()

        begun = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            await queues["orders"].send(2)
        assert time.monotonic() - begun < 5

        await holder.kill()
        await queues["orders"].send(3)
        assert {one.body for one in await queues["orders"].peek()} >= {1, 3}
    assert_sound(file)
