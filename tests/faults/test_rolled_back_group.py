"""A group that is rolled back and run again leaves nothing behind but its own outcome (kit/sqlite/writer.py).

What a transaction reads of itself (a queue that it has just made) must not be believed after its rollback:
the number of that queue becomes another's, and messages would land there.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from postroom.queues import Queues, connect
from postroom.queues.broker import DeadLetter, Settlement
from support.database import assert_sound, left_in

EPITAPH = b'{"dead":{"queue":"orders","reason":"test","attempts":1,"at_us":0}}'


@pytest.fixture
def file(place: Path) -> Path:
    return place / "q.db"


@pytest.fixture
async def queues(file: Path) -> AsyncIterator[Queues]:
    async with connect(f"sqlite:///{file}") as opened:
        yield opened
    assert_sound(file)


def fail(connection: sqlite3.Connection) -> None:
    raise ValueError("a neighbour fails")


def places(file: Path) -> dict[str, str]:
    """Body to the queue that it lies in."""
    return {one.body.decode(): one.queue for one in left_in(file)}


async def test_send_that_makes_a_queue_survives_a_failing_neighbour(queues: Queues, file: Path) -> None:
    """The queue is made again when the group is repeated, and later sends find it."""
    sent, failed = await asyncio.gather(queues["new"].send(1), queues.transact(fail), return_exceptions=True)
    await queues["other"].send(2)
    await queues["new"].send(3)

    assert not isinstance(sent, BaseException)
    assert isinstance(failed, ValueError)
    assert places(file) == {"1": "new", "2": "other", "3": "new"}


async def test_lease_of_a_new_queue_survives_a_failing_neighbour(queues: Queues, file: Path) -> None:
    """The same for whoever only looks whether something is there."""
    await asyncio.gather(queues["new"].pull(), queues.transact(fail), return_exceptions=True)
    await queues["other"].send(1)
    await queues["new"].send(2)

    assert places(file) == {"1": "other", "2": "new"}


async def test_pause_that_was_rolled_back_does_not_pause(queues: Queues) -> None:
    """A pause in a transaction that fails is none."""
    await queues["orders"].send(1)

    def pause_and_fail(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE postroom_queues SET paused = 1")
        queues.broker.enlist(connection, "orders", [])
        raise ValueError("and then it fails")

    with pytest.raises(ValueError, match="and then"):
        await queues.transact(pause_and_fail)

    assert len((await queues["orders"].pull()).messages) == 1


async def test_dead_letters_find_their_queue_when_a_lease_was_lost(queues: Queues, file: Path) -> None:
    """Settled together with a message whose lease is gone: the dead-letter queue is made once more, not guessed."""
    for body in range(2):
        await queues["orders"].send(body)
    lease = await queues.broker.lease("orders", limit=2, fewest=1, visibility_us=30_000_000)
    ours, lost = lease.messages[0], replace(lease.messages[1], token=5)

    answer = await queues.broker.settle(
        "orders", Settlement(dead=[DeadLetter(ours, "grave", EPITAPH), DeadLetter(lost, "grave", EPITAPH)])
    )
    await queues["fresh"].send(2)

    assert answer == [lost]
    assert places(file) == {"0": "grave", "1": "orders", "2": "fresh"}


async def test_bytes_are_counted_when_a_pulled_message_is_dropped(queues: Queues, file: Path) -> None:
    """A pull consumer's last retry without a dead-letter queue drops the message, and its bytes with it."""
    queues.consumer("orders", max_retries=0)(_never)
    await queues["orders"].send("x" * 1000)
    (message,) = (await queues["orders"].pull()).messages

    await queues["orders"].settle(retries=[message.lease_id])

    assert (await queues["orders"].metrics()).backlog_bytes == 0


async def _never(batch: object) -> None:
    raise AssertionError
