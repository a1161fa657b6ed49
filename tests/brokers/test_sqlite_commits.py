"""Who shares a commit, who waits for whom, and who knows of whom: `docs/decisions/0003` and `kit/sqlite/peers`."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from postroom.kit.sqlite import Peers, peers
from postroom.queues import Queues, connect
from postroom.queues.brokers.sqlite.sending import Send

LONELY = 40
"""Sends one after the other from which on they are committed in the loop."""


@pytest.fixture
async def queues(tmp_path: Path) -> AsyncIterator[Queues]:
    async with connect(f"sqlite:///{tmp_path}/q.db") as queues:
        for number in range(LONELY):
            await queues["work"].send(number)
        yield queues


async def test_a_task_that_sends_on_and_on_lets_others_run(queues: Queues) -> None:
    """It is not suspended at each send, but the loop has its passes all the same."""
    passes = 0

    async def other() -> None:
        nonlocal passes
        while True:
            passes += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    for number in range(200):
        await queues["work"].send(number)
    task.cancel()

    assert passes > 1


async def test_neither_of_two_senders_is_shut_out(queues: Queues) -> None:
    """They take turns, also when one of them has had the file to itself for long."""
    order: list[str] = []

    async def sender(name: str) -> None:
        for number in range(100):
            await queues["work"].send(number)
            order.append(name)

    await asyncio.gather(sender("a"), sender("b"))

    assert "b" in order[:50]
    assert "a" in order[-50:]


async def test_senders_that_come_together_share_commits(
    queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, whatever came before: a hundred do not wait for a hundred disk syncs."""
    groups: list[int] = []
    perform_many = Send.perform_many.__func__

    def counted(kind: type[Send], connection: sqlite3.Connection, operations: Sequence[Any]) -> None:
        groups.append(len(operations))
        perform_many(kind, connection, operations)

    monkeypatch.setattr(Send, "perform_many", classmethod(counted))
    await asyncio.gather(*(queues["work"].send(number) for number in range(100)))

    assert sum(groups) == 100
    assert len(groups) <= 10


async def test_keys_grow_after_the_table_was_empty_and_another_connection_wrote(
    queues: Queues, tmp_path: Path
) -> None:
    """Two brokers on one file, each remembering its last key, never give out the same one or an older one."""
    keys: list[int] = []

    async def key(sender: Queues) -> None:
        await sender["work"].send("x")
        with sqlite3.connect(tmp_path / "q.db") as connection:
            ((last,),) = connection.execute("SELECT max(seq) FROM postroom_messages")
        connection.close()
        keys.append(last)

    async with connect(f"sqlite:///{tmp_path}/q.db") as other:
        for sender in (queues, other, other, queues):
            await key(sender)
        await queues["work"].purge()
        for sender in (other, queues):
            await key(sender)

    assert keys == sorted(set(keys))


async def test_newcomer_is_known_at_once_and_told_to_look_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its greeting alone: the folder is not looked at again for as long as nobody comes or goes."""
    monkeypatch.setattr(peers, "LOOK_SECONDS", 3600.0)
    loop = asyncio.get_running_loop()
    told: asyncio.Future[bytes] = loop.create_future()
    first, second = Peers(tmp_path), Peers(tmp_path)
    first.listen(loop, lambda note: None)
    assert first.alone

    second.listen(loop, lambda note: None if told.done() else told.set_result(note))

    assert await asyncio.wait_for(told, 10) == b""
    assert not first.alone
    assert not second.alone

    second.close()
    async with asyncio.timeout(10):
        while not first.alone:
            await asyncio.sleep(0)
    first.close()
