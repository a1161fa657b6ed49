"""The clock of the tests: it stands still until it is moved, and stops at every due moment on the way."""

import asyncio

import pytest

from postroom.queues import connect
from postroom.queues.testing import START, Stuck, VirtualClock, drain


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


async def test_time_stands_still(clock: VirtualClock) -> None:
    """Real time does not move it."""
    await clock.advance(0)

    assert clock.now() == START


async def test_calls_are_made_in_the_order_of_their_moments(clock: VirtualClock) -> None:
    """Each at its own moment; those of one moment in the order in which they were asked for."""
    seen: list[tuple[str, float]] = []
    for name, delay in (("c", 2), ("a", 1), ("b", 1)):
        clock.call_later(delay, lambda name=name: seen.append((name, (clock.now() - START).total_seconds())))

    await clock.advance(5)

    assert seen == [("a", 1), ("b", 1), ("c", 2)]
    assert (clock.now() - START).total_seconds() == 5


async def test_call_just_beyond_the_advance_waits(clock: VirtualClock) -> None:
    """The end of an advance is inside it, a microsecond more is not."""
    seen: list[int] = []
    clock.call_later(1, lambda: seen.append(1))
    clock.call_later(1.000001, lambda: seen.append(2))

    await clock.advance(1)

    assert seen == [1]


async def test_cancelled_call_is_not_made(clock: VirtualClock) -> None:
    """And is not waited for either."""
    seen: list[int] = []
    clock.call_later(1, lambda: seen.append(1)).cancel()

    assert clock.next_due_seconds is None
    await clock.advance(2)
    assert seen == []


async def test_call_made_on_the_way_may_ask_for_another(clock: VirtualClock) -> None:
    """A chain of calls within the advance is followed."""
    seen: list[float] = []

    def again() -> None:
        seen.append((clock.now() - START).total_seconds())
        clock.call_later(1, again)

    again()
    await clock.advance(3)

    assert seen == [0, 1, 2, 3]


async def test_sleepers_wake_at_their_moments(clock: VirtualClock) -> None:
    """A sleep inside work does not hold up the advance."""
    woken: list[float] = []

    async def sleep(seconds: float) -> None:
        with clock.working():
            await clock.sleep(seconds)
            woken.append((clock.now() - START).total_seconds())

    tasks = [asyncio.create_task(sleep(seconds)) for seconds in (3, 1, 0)]
    await clock.advance(2)
    halfway = list(woken)
    await clock.advance(1)
    await asyncio.gather(*tasks)

    assert (halfway, woken) == ([0, 1], [0, 1, 3])


async def test_gate_lets_through_once_it_is_open(clock: VirtualClock) -> None:
    """Who waits at it does not hold up the advance."""
    gate, seen = clock.gate(), list[str]()

    async def work() -> None:
        with clock.working():
            await gate.wait()
            seen.append("through")

    task = asyncio.create_task(work())
    await clock.advance(60)
    before = list(seen)
    gate.open()
    await clock.advance(0)
    await task

    assert (before, seen) == ([], ["through"])


async def test_jump_moves_the_time_and_nothing_else(clock: VirtualClock) -> None:
    """Timers are patience: they keep what was left of them."""
    seen: list[int] = []
    clock.call_later(10, lambda: seen.append(1))

    for seconds in (3600, -7200):
        clock.jump(seconds)
        await clock.advance(0)

    assert (seen, clock.next_due_seconds) == ([], 10)
    assert (clock.now() - START).total_seconds() == -3600


async def test_work_that_hangs_is_named(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real time passes while virtual time stands still: the test says so instead of hanging."""
    monkeypatch.setattr("postroom.queues.testing.PATIENCE_SECONDS", 0.01)

    async def hang() -> None:
        with clock.working():
            await asyncio.Event().wait()

    task = asyncio.create_task(hang(), name="the one that hangs")
    with pytest.raises(Stuck, match="the one that hangs"):
        await clock.advance(1)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_drain_needs_a_virtual_clock() -> None:
    """With a real one it would wait for real."""
    async with connect("memory://") as queues:
        with pytest.raises(TypeError, match="clock=VirtualClock"):
            await drain(queues)
