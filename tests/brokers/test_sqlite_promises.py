"""What only the SQLite broker promises: its index, its neighbours in a group, and other connections to the file."""

import asyncio
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from postroom.kit.queries import load
from postroom.kit.sqlite import peers
from postroom.queues import BrokerUnavailable, QueueNotFound, QueuePaused, Queues, connect
from postroom.queues.brokers.sqlite import broker as sqlite_broker
from postroom.queues.events import WakeUpsMissing

SQL = load("postroom.queues.brokers.sqlite")
INDEX = "postroom_messages_due"

SENDER = """
import asyncio, sys
from postroom.queues import connect

async def main():
    async with connect(sys.argv[1]) as queues:
        print("open", flush=True)
        sys.stdin.readline()
        await queues["work"].send("from afar")

asyncio.run(main())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short name: a process is told of new messages through a socket beside the file, whose path has a limit."""
    with tempfile.TemporaryDirectory(prefix="pr-") as name:
        yield Path(name)


@pytest.fixture
def url(folder: Path) -> str:
    return f"sqlite:///{folder}/queues.db"


@pytest.fixture
async def queues(url: str) -> AsyncIterator[Queues]:
    async with connect(url) as queues:
        yield queues


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("select_ready", {"queue_id": 1, "now_us": 10**16, "limit": 10, "ageing_us": 1}),
        ("next_due", {"queue_id": 1, "now_us": 0}),
    ],
)
async def test_hot_statement_searches_the_index(
    queues: Queues, folder: Path, name: str, values: dict[str, Any]
) -> None:
    """Each of its three branches searches the index in its order: nothing is scanned or sorted but the few found."""
    await queues["work"].send("a")

    with closing(sqlite3.connect(folder / "queues.db")) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {getattr(SQL, name)}", values)]

    searches = [step for step in plan if "postroom_messages" in step]
    assert len(searches) == 3
    assert all(INDEX in step and "queue_id=? AND priority=? AND due_us" in step for step in searches)
    assert not [step for step in plan if step.startswith("SCAN postroom_messages")]


async def wakes_at_once(queues: Queues, url: str) -> None:
    """Another process sends, and this one's idle consumer gets it."""
    arrived: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    @queues.consumer("work", max_batch_timeout=0)
    async def handle(batch: Any) -> None:
        arrived.set_result([message.body for message in batch.messages])

    pipe = asyncio.subprocess.PIPE
    sender = await asyncio.create_subprocess_exec(sys.executable, "-c", SENDER, url, stdin=pipe, stdout=pipe)
    assert sender.stdout is not None
    assert await sender.stdout.readline() == b"open\n"
    async with queues.running():
        async with asyncio.timeout(10):
            # Idle first: else its first look at the queue may find the message without having been woken.
            while not queues.broker._signals.waiting:
                await asyncio.sleep(0)
        await sender.communicate(b"\n")
        async with asyncio.timeout(10):
            assert await arrived == ["from afar"]

    assert sender.returncode == 0


async def test_other_process_wakes_a_consumer_at_once(
    queues: Queues, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its note: the look at the file now and then, which would find it too, is put off for an hour."""
    monkeypatch.setattr(sqlite_broker, "LOOK_SECONDS", 3600.0)

    await wakes_at_once(queues, url)


async def test_wake_ups_reach_a_folder_with_a_long_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than the name of a socket may be; nothing is left behind."""
    if not peers.DESCRIPTORS.is_dir():
        pytest.skip("no short way into a folder on this system")
    monkeypatch.setattr(sqlite_broker, "LOOK_SECONDS", 3600.0)
    deep = long_folder(folder)
    warned: list[WakeUpsMissing] = []

    async with connect(f"sqlite:///{deep}/queues.db") as queues:
        queues.events.subscribe(WakeUpsMissing, warned.append)
        assert len(list(deep.glob("queues.db-peers/*.sock"))) == 1
        await wakes_at_once(queues, f"sqlite:///{deep}/queues.db")

    assert warned == []
    assert list(deep.glob("queues.db-peers/*.sock")) == []


async def test_consumer_that_cannot_be_woken_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, by an event that holds no path; it finds by looking what it is not told of."""
    monkeypatch.setattr(peers, "DESCRIPTORS", folder / "no-such-place")
    monkeypatch.setattr(sqlite_broker, "LOOK_SECONDS", 0.01)
    url = f"sqlite:///{long_folder(folder)}/queues.db"
    warned: list[WakeUpsMissing] = []

    async with connect(url) as queues:
        queues.events.subscribe(WakeUpsMissing, warned.append)
        assert warned == []
        await wakes_at_once(queues, url)
        await queues.broker.wait("work", version=-1, until_us=None)

    assert [(one.file, one.retry_seconds) for one in warned] == [("queues.db", 0.01)]
    assert str(folder) not in repr(warned)


def long_folder(folder: Path) -> Path:
    """A new folder whose name has 200 characters."""
    deep = folder / ("n" * (199 - len(str(folder))))
    deep.mkdir()
    assert len(str(deep)) == 200
    return deep


@pytest.mark.parametrize("content", [b"Dear diary, " * 200, b"SQLite format 3\x00" + b"\xff" * 4096])
async def test_file_that_is_no_database_is_refused(folder: Path, content: bytes) -> None:
    """The error names the file, and the file stays as it was."""
    path = folder / "diary.txt"
    path.write_bytes(content)

    with pytest.raises(BrokerUnavailable, match=r"diary\.txt"):
        await connect(f"sqlite:///{path}").open()

    assert path.read_bytes() == content


async def test_folder_that_is_missing_is_named(folder: Path) -> None:
    """The error tells what to do about it."""
    with pytest.raises(BrokerUnavailable, match=r"nowhere.*the folder must exist and be writable"):
        await connect(f"sqlite:///{folder}/nowhere/queues.db").open()


async def test_file_of_a_newer_postroom_is_refused(url: str, folder: Path) -> None:
    """It is not touched, because nobody knows what its tables mean."""
    async with connect(url):
        pass
    with closing(sqlite3.connect(folder / "queues.db")) as connection, connection:
        connection.execute("UPDATE postroom_schema SET version = 99 WHERE component = 'queues'")

    with pytest.raises(BrokerUnavailable, match=r"queue schema 99.*upgrade Postroom"):
        await connect(url).open()


async def test_failing_operation_does_not_fail_its_neighbours(url: str) -> None:
    """What was submitted in one pass of the loop is one group; only the faulty one is refused."""
    async with connect(url, create_queues=False) as queues:
        await queues.create("work")
        results = await asyncio.gather(
            queues["work"].send("a"),
            queues["nowhere"].send("b"),
            queues["work"].send("c"),
            return_exceptions=True,
        )

        assert [type(one).__name__ for one in results] == ["SendResult", "QueueNotFound", "SendResult"]
        assert [one.body for one in await queues["work"].peek()] == ["a", "c"]


async def test_failing_transaction_does_not_roll_back_its_neighbours(queues: Queues) -> None:
    """Each comes into being or not by itself."""

    def fail(transaction: sqlite3.Connection) -> None:
        queues["work"].enlist([{"body": "gone"}], transaction=transaction)
        raise LookupError("mine")

    results = await asyncio.gather(
        queues["work"].send("a"), queues.transact(fail), queues["work"].send("b"), return_exceptions=True
    )

    assert isinstance(results[1], LookupError)
    assert [one.body for one in await queues["work"].peek()] == ["a", "b"]


async def test_pause_is_seen_by_the_other_connection(queues: Queues, url: str) -> None:
    """And so is its end."""
    await queues["work"].send("a")
    async with connect(url) as other:
        await other["work"].pause()
        with pytest.raises(QueuePaused):
            await queues["work"].pull()
        await queues["work"].resume()

        assert [one.body for one in (await other["work"].pull()).messages] == ["a"]


async def test_removed_queue_is_gone_for_the_other_connection(url: str) -> None:
    """It is not written into any more under its old number."""
    async with connect(url, create_queues=False) as queues, connect(url, create_queues=False) as other:
        await queues.create("work")
        await other["work"].send("a")
        await queues.delete("work")

        with pytest.raises(QueueNotFound):
            await other["work"].send("b")
