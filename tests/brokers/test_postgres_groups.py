"""What callers ask for together is asked once; one bad item fails alone, and nothing uncertain is repeated."""

import asyncio
from collections.abc import Sequence

import pytest

from postroom.kit.clock import SystemClock
from postroom.queues import BrokerUnavailable, QueueNotFound
from postroom.queues.brokers.postgres.bounds import EVERYTHING, LAG_US, Reading
from postroom.queues.brokers.postgres.grouping import Grouping


def grouping(calls: list[list[int]], fails: dict[int, Exception], *, width: int = 1) -> Grouping[int, int]:
    async def carry_out(items: Sequence[int]) -> Sequence[int]:
        calls.append(list(items))
        await asyncio.sleep(0)
        for item in items:
            if item in fails:
                raise fails[item]
        return [10 * item for item in items]

    return Grouping(carry_out, SystemClock(), width=width, size=4)


async def test_what_comes_together_goes_together() -> None:
    """In groups of the size that is allowed, in order."""
    calls: list[list[int]] = []
    group = grouping(calls, {})

    answers = await asyncio.gather(*(group.submit(number) for number in range(6)))

    assert answers == [0, 10, 20, 30, 40, 50]
    assert calls == [[0, 1, 2, 3], [4, 5]]


async def test_one_bad_item_fails_alone() -> None:
    """Its neighbours are carried out again without it."""
    calls: list[list[int]] = []
    group = grouping(calls, {1: QueueNotFound("x")})

    answers = await asyncio.gather(*(group.submit(number) for number in range(3)), return_exceptions=True)

    assert [answers[0], answers[2]] == [0, 20]
    assert isinstance(answers[1], QueueNotFound)


async def test_what_may_have_been_stored_is_not_stored_again() -> None:
    """Everyone of the group learns that the answer got lost."""
    calls: list[list[int]] = []
    group = grouping(calls, {0: BrokerUnavailable("it may have been done all the same")})

    answers = await asyncio.gather(*(group.submit(number) for number in range(3)), return_exceptions=True)

    assert [type(answer) for answer in answers] == [BrokerUnavailable] * 3
    assert calls == [[0, 1, 2]]


@pytest.mark.parametrize("bounded", [True, False])
def test_reading_begins_where_the_last_lease_ended(bounded: bool) -> None:
    """A little before; at everything after something came back, and always with a given clock."""
    reading = Reading(bounded=bounded)
    assert reading.begin(1) == EVERYTHING

    reading.looked(1, 0.0)
    reading.took(1, (10**9, 10**9, 10**9))
    assert reading.begin(1) == ((10**9 - LAG_US,) * 3 if bounded else EVERYTHING)

    reading.took(1, (0, 0, 2 * 10**9))
    assert reading.begin(1)[0] == (10**9 - LAG_US if bounded else EVERYTHING[0])

    reading.returned(1)
    assert reading.begin(1) == EVERYTHING


def test_dear_look_at_everything_is_rare() -> None:
    """At most a twentieth of the time is spent on it."""
    reading = Reading(bounded=True)

    reading.looked(1, 3.0)

    assert 59 < reading.look_back_in(1) <= 60
