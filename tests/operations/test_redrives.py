"""Redrives that outlive their request and their process (operations/redrives.py, keeper.py)."""

from typing import Any

import pytest
from operations_support import bury, text

from postroom.kit.actor import Actor
from postroom.operations import Action, Choice, Keeper, Redrives
from postroom.queues import ConfigurationError, Filter
from postroom.queues.testing import VirtualClock
from postroom.wiring import Application

ANNA = Actor("anna")
EVERYTHING = Choice()


async def carried(app: Application, keeper: Keeper | None = None) -> None:
    """Carry on what there is, to the end."""
    keeper = keeper or app.keeper
    await keeper.look()
    await keeper.settle()


async def dead(app: Application) -> int:
    return (await app.queues.info("dlq")).backlog.messages


async def test_dead_letters_come_back(app: Application, clock: VirtualClock) -> None:
    """All of them, to the queue they failed on; the record tells how many."""
    await bury(app, clock, 5)
    planned = await app.redrives.plan("dlq", Action.REDRIVE, EVERYTHING)
    assert (planned.matched, planned.targets) == (5, {app.queue: 5})
    begun = await app.redrives.begin("dlq", Action.REDRIVE, EVERYTHING, ANNA)
    assert (begun.state, begun.expected, begun.moved) == ("running", 5, 0)
    await carried(app)
    done = await app.redrives.get(begun.id)
    assert (done.state, done.matched, done.moved) == ("done", 5, 5)
    assert await dead(app) == 0
    assert (await app.queues.info(app.queue)).backlog.messages == 5


async def test_only_those_that_failed_alike(app: Application, clock: VirtualClock) -> None:
    """By the fingerprint of their failure."""
    await bury(app, clock, 2)
    (alike,), _ = await app_failures(app)
    await app.queues["dlq"].send({"type": "nonsense"})
    choice = Choice(fingerprint=alike.fingerprint)
    assert (await app.redrives.plan("dlq", Action.REDRIVE, choice)).matched == 2
    assert (await app.redrives.plan("dlq", Action.REDRIVE, Choice(fingerprint="0" * 12))).matched == 0
    begun = await app.redrives.begin("dlq", Action.REDRIVE, choice, ANNA)
    await carried(app)
    assert (await app.redrives.get(begun.id)).moved == 2
    assert await dead(app) == 1


async def app_failures(app: Application) -> Any:
    from postroom.operations import Failures

    return await Failures(app.store, app.clock).page(1 << 62, 10)


async def test_a_steady_rate_that_is_stopped_and_resumed(app: Application, clock: VirtualClock) -> None:
    """What was moved stays moved; it goes on where it was."""
    await bury(app, clock, 6)
    begun = await app.redrives.begin("dlq", Action.REDRIVE, EVERYTHING, ANNA, rate=1)
    await app.keeper.start()
    await clock.advance(2.5)
    half = await app.redrives.get(begun.id)
    assert half.state == "running"
    assert 1 <= half.moved <= 3
    assert await app.redrives.stop(begun.id, ANNA)
    await clock.advance(30)
    stopped = await app.redrives.get(begun.id)
    assert stopped.state == "stopped"
    assert stopped.moved <= half.moved + 1
    assert not await app.redrives.stop(begun.id, ANNA)
    assert await app.redrives.resume(begun.id, ANNA)
    await clock.advance(30)
    assert (await app.redrives.get(begun.id)).moved == 6
    assert await dead(app) == 0
    await app.keeper.stop()


@pytest.mark.parametrize("moved_before", [True, False])
async def test_a_process_that_died_in_the_middle_of_a_page(
    app: Application, clock: VirtualClock, moved_before: bool
) -> None:
    """Another carries it on; none is moved twice, and the count is right, whether or not the page had been moved."""
    await bury(app, clock, 4)
    begun = await app.redrives.begin("dlq", Action.REDRIVE, EVERYTHING, ANNA)
    dying = Redrives(app.store, app.queues, clock)
    assert await dying.take(begun.id)

    class Died(Exception):
        pass

    async def dies(run: Any, page: Any) -> int:
        if moved_before:
            await app.queues.broker.transfer(run.queue, page.moves)
        raise Died

    dying._move_page = dies  # type: ignore[method-assign]
    with pytest.raises(Died):
        await dying.step(begun.id)
    await carried(app)
    assert (await app.redrives.get(begun.id)).state == "running", "the dead one holds it still"
    await clock.advance(20)
    await carried(app)
    done = await app.redrives.get(begun.id)
    assert (done.state, done.matched, done.moved) == ("done", 4, 4)
    assert (await app.queues.info(app.queue)).backlog.messages == 4
    assert await dead(app) == 0


async def test_what_dies_again_is_left_for_another_time(app: Application, clock: VirtualClock) -> None:
    """A redriven message that fails once more is not redriven by the same redrive."""
    await bury(app, clock, 3)
    begun = await app.redrives.begin("dlq", Action.REDRIVE, EVERYTHING, ANNA, rate=0.01)
    async with app.queues.running():
        await app.keeper.start()
        await clock.advance(4000)
        await app.keeper.stop()
    done = await app.redrives.get(begun.id)
    assert (done.state, done.moved) == ("done", 3)
    assert await dead(app) == 3


async def test_discarding(app: Application, clock: VirtualClock) -> None:
    """For good; the others stay."""
    first, *_ = await bury(app, clock, 3)
    one = Choice(matching=Filter(ids=frozenset([first])))
    begun = await app.redrives.begin("dlq", Action.DISCARD, one, ANNA)
    await carried(app)
    assert (await app.redrives.get(begun.id)).moved == 1
    assert await dead(app) == 2


async def test_what_cannot_be(app: Application, clock: VirtualClock) -> None:
    """A target that is the queue itself, a rate that is none; an unknown one."""
    with pytest.raises(ConfigurationError, match="other than"):
        await app.redrives.begin("dlq", Action.REDRIVE, EVERYTHING, ANNA, target="dlq")
    with pytest.raises(ConfigurationError, match="rate"):
        await app.redrives.begin("dlq", Action.REDRIVE, EVERYTHING, ANNA, rate=0)
    with pytest.raises(LookupError):
        await app.redrives.get("nope")
    with pytest.raises(LookupError):
        await app.redrives.stop("nope", ANNA)


async def test_small_among_many(app: Application, clock: VirtualClock) -> None:
    """Letters are found by their queue's index where the other queues hold far more; in the same order."""
    ids = [(await app.queues["dlq"].send({"n": number})).id for number in range(7)]
    for number in range(40):
        await text(app, f"m-{number}")
    broker = app.queues.broker
    first = await broker.browse("dlq", limit=4)
    rest = await broker.browse("dlq", after=first[-1].key, limit=10)
    assert [one.id for one in [*first, *rest]] == ids
    assert len(await broker.browse(app.queue, limit=100)) == 40


async def test_a_redriven_message_is_sent_at_its_first_try(app: Application, clock: VirtualClock) -> None:
    """Its provider counts as tried only within a try: the count of tries goes on where the deliveries begin anew."""
    (id_,) = await bury(app, clock, 1)
    await app.redrives.begin("dlq", Action.REDRIVE, EVERYTHING, ANNA)
    await carried(app)
    async with app.queues.running():
        await clock.advance(10)
    calls = await app.store.read(lambda t: t.all("list_deliveries", message_id="dead-0"))
    assert [(call["job_id"], call["job_attempt"]) for call in calls] == [(id_, 1), (id_, 2)]
    assert await dead(app) == 1
