"""Pausing and draining, with a reason and an end (operations/holds.py)."""

import pytest
from operations_support import text

from postroom.kit.actor import Actor
from postroom.operations import HoldKind
from postroom.queues import QueueDraining
from postroom.queues.testing import VirtualClock
from postroom.wiring import Application

ANNA = Actor("anna")


async def test_a_paused_queue_delivers_nothing_until_its_end(app: Application, clock: VirtualClock) -> None:
    """Then it goes on by itself, and the trail tells who did what."""
    until_us = clock.now_us() + 600_000_000
    await app.holds.hold(app.queue, HoldKind.PAUSE, ANNA, reason="provider is down", until_us=until_us)
    await text(app, "m-1")
    async with app.queues.running():
        await app.keeper.start()
        await clock.advance(300)
        info = await app.queues.info(app.queue)
        assert info.paused
        assert info.backlog.messages == 1
        hold = (await app.holds.all())[app.queue]
        assert (hold.reason, hold.actor, hold.until_us) == ("provider is down", "anna", until_us)
        await clock.advance(310)
        assert not (await app.queues.info(app.queue)).paused
        await clock.advance(60)
        assert (await app.queues.info(app.queue)).backlog.messages == 0
        await app.keeper.stop()
    assert await app.holds.all() == {}
    rows = await app.store.read(lambda t: t.all("scan_audit", after=0, limit=99))
    acts = [(row["actor"], row["action"]) for row in rows if row["object_type"] == "queue"]
    assert acts == [("anna", "queue.paused"), ("system", "queue.resumed")]


async def test_a_drained_queue_takes_nothing_new_and_becomes_empty(
    app: Application, clock: VirtualClock
) -> None:
    """What is in it is delivered; producers are told that it is draining, and nothing of theirs is stored."""
    await text(app, "m-1")
    await app.holds.hold(app.queue, HoldKind.DRAIN, ANNA)
    with pytest.raises(QueueDraining, match="takes nothing new"):
        await text(app, "m-2")
    async with app.queues.running():
        await clock.advance(60)
        assert (await app.queues.info(app.queue)).backlog.messages == 0
    assert await app.store.read(lambda t: t.one("find_message_state", id="m-2")) is None
    await app.holds.resume(app.queue, ANNA)
    await text(app, "m-2")


async def test_draining_a_paused_queue_lets_it_deliver(app: Application) -> None:
    """A queue has one hold; the later one takes the place of the other."""
    await app.holds.hold(app.queue, HoldKind.PAUSE, ANNA)
    await app.holds.hold(app.queue, HoldKind.DRAIN, ANNA)
    assert not (await app.queues.info(app.queue)).paused
    assert (await app.holds.all())[app.queue].kind is HoldKind.DRAIN


async def test_standing_says_it_in_a_sentence(app: Application, clock: VirtualClock) -> None:
    """With a colour by stated rules."""

    async def stand() -> tuple[str, str]:
        app.standing.forget()
        found = {one["name"]: one for one in (await app.standing.read())["queues"]}[app.queue]
        return found["level"], found["sentence"]

    assert await stand() == ("green", "Idle, nobody consumes it and nothing is due.")
    await text(app, "m-1")
    await clock.advance(5)
    assert await stand() == ("red", "Nobody consumes it, 1 message is due.")
    await app.holds.hold(app.queue, HoldKind.PAUSE, ANNA)
    assert await stand() == ("amber", "Paused by anna, 1 message waits.")
    await app.holds.resume(app.queue, ANNA)
    async with app.queues.running():
        await clock.advance(10)
        await app.meter.flush()
        assert (await stand())[0] == "green"
        assert "1 consumer" in (await stand())[1]
