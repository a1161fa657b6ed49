"""From an SQLite file to PostgreSQL: whole, while others write, again after an interruption, and never twice."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from postroom.audit import Chain, verify
from postroom.jobs import EmailJob
from postroom.queues import BrokerUnavailable
from postroom.queues.testing import VirtualClock
from postroom.settings import load
from postroom.wiring import Application, open_application
from postroom.wiring.keys import kept_beside
from postroom.wiring.moving import Move, Moved, MoveRefused, thaw
from postroom.wiring.opening_server import server_connection
from postroom.wiring.schema import apply_schema

QUEUE = "message-delivery"
pytestmark = pytest.mark.postgresql


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def opened(clock: VirtualClock, tmp_path: Path) -> Any:
    @asynccontextmanager
    async def open_it(url: str) -> AsyncIterator[Application]:
        async with open_application(
            load({"POSTROOM_DATABASE_URL": url}, folder=tmp_path).settings, consume=False, clock=clock
        ) as app:
            yield app

    return open_it


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


@pytest.fixture
def target(postgres_url: str, tmp_path: Path) -> Iterator[psycopg.Connection[Any]]:
    apply_schema(load({"POSTROOM_DATABASE_URL": postgres_url}, folder=tmp_path).settings, post=False)
    with server_connection(postgres_url) as connection:
        yield connection


def an_email(number: int) -> EmailJob:
    return EmailJob(
        message_id=f"m{number}", recipient="anna@example.com", subject="S", content=f"text {number}"
    )


async def fill(app: Application, count: int = 30) -> None:
    """Jobs that wait, one of them leased and one dead, and a message with a deduplication id."""
    for number in range(count):
        await app.producer.enqueue_job(an_email(number), actor="anna")
    queue = app.queues[QUEUE]
    await queue.send({"n": 1}, deduplication_id="once")
    await queue.send({"n": 2}, delay_seconds=3600)
    dead = await app.queues["dlq"].send({"why": "ü"})
    assert dead.id


async def waiting(app: Application) -> dict[str, list[Any]]:
    """What every queue holds, in the order of arrival; leases are the same too."""
    broker = app.queues.broker
    return {name: list(await broker.browse(name, limit=1000)) for name in await app.queues.names()}


def moved(file: Path, target: psycopg.Connection[Any]) -> list[Moved]:
    move = Move(file, target, kept_beside(file))
    move.begin()
    move.copy(lambda name, rows: None)
    return move.finish(lambda name, rows: None)


async def test_everything_is_there_with_its_ids(
    opened: Any, file: Path, target: psycopg.Connection[Any], postgres_url: str, clock: VirtualClock
) -> None:
    """Messages, delays, leases, dead letters, records, and a trail that verifies and goes on."""
    async with opened(f"sqlite:///{file}") as app:
        await fill(app)
        await clock.advance(10)
        leased = (await app.queues[QUEUE].pull(batch_size=3, visibility_timeout_ms=60_000)).messages
        before, facts = await waiting(app), await app.queues.info(QUEUE)
        jobs = await app.store.read(lambda t: t.all("list_jobs", before=1 << 62, type=None, limit=100))

    found = {one.table: one.rows for one in await asyncio.to_thread(moved, file, target)}

    assert (found["jobs"], found["messages"], found["postroom_messages"]) == (30, 30, 33)
    async with opened(postgres_url) as app:
        assert await waiting(app) == before
        info = await app.queues.info(QUEUE)
        assert (info.ready, info.delayed, info.in_flight) == (facts.ready, facts.delayed, facts.in_flight)
        assert info.in_flight == 3
        rows = await app.store.read(lambda t: t.all("list_jobs", before=1 << 62, type=None, limit=100))
        assert rows == jobs
        # Nobody has what is leased until the lease ends; then it is delivered again.
        await clock.advance(61)
        again = {m.id for m in (await app.queues[QUEUE].pull(batch_size=100)).messages}
        assert {m.id for m in leased} <= again
        assert (await app.queues[QUEUE].send({"n": 1}, deduplication_id="once")).duplicate
        assert (await app.producer.enqueue_job(an_email(3), actor="anna")).duplicate
        await app.producer.enqueue_job(an_email(1000), actor="anna")
        chain = app.store.chain
        assert isinstance(chain, Chain)
        assert (await app.store.read(lambda t: verify(t, chain))).whole


async def test_what_is_written_meanwhile_is_copied_and_then_refused(
    opened: Any, file: Path, target: psycopg.Connection[Any], postgres_url: str
) -> None:
    """The service works on until the file is frozen; then it is told where to go, and nothing is lost."""
    async with opened(f"sqlite:///{file}") as app:
        await fill(app)
        move = Move(file, target, kept_beside(file))
        await asyncio.to_thread(move.begin)
        numbers = itertools.count(100)
        sent: list[str] = []

        async def work() -> None:
            while True:
                made = await app.producer.enqueue_job(an_email(next(numbers)), actor="anna")
                sent.append(made.job_id)
                await app.queues[QUEUE].settle(
                    acks=[m.lease_id for m in (await app.queues[QUEUE].pull(batch_size=1)).messages]
                )

        working = asyncio.create_task(work())
        await asyncio.to_thread(move.copy, lambda name, rows: None)
        await asyncio.to_thread(move.finish, lambda name, rows: None)
        with pytest.raises(BrokerUnavailable, match="has moved; set POSTROOM_DATABASE_URL"):
            await asyncio.wait_for(working, 20)

    assert sent
    async with opened(postgres_url) as app:
        rows = await app.store.read(lambda t: t.all("list_jobs", before=1 << 62, type=None, limit=1_000_000))
        assert {row["id"] for row in rows} >= set(sent)
        assert len(rows) == 30 + len(sent)


async def test_interrupted_move_goes_on(opened: Any, file: Path, target: psycopg.Connection[Any]) -> None:
    """What was copied is compared and passed over; what has gone from the source meanwhile goes."""
    async with opened(f"sqlite:///{file}") as app:
        await fill(app)

        class Interrupted(Exception):
            pass

        def interrupt(name: str, rows: int) -> None:
            if name == "messages":
                raise Interrupted

        move = Move(file, target, kept_beside(file))
        move.begin()
        with pytest.raises(Interrupted):
            move.copy(interrupt)
        await app.queues[QUEUE].purge()

    found = {one.table: one.rows for one in await asyncio.to_thread(moved, file, target)}

    assert (found["postroom_messages"], found["messages"]) == (1, 30)


async def test_target_in_use_is_refused(
    opened: Any, file: Path, target: psycopg.Connection[Any], postgres_url: str
) -> None:
    """Nothing of anybody's is ever overwritten."""
    async with opened(f"sqlite:///{file}") as app:
        await fill(app, 1)
    async with opened(postgres_url) as app:
        await app.producer.enqueue_job(an_email(7), actor="anna")

    with pytest.raises(MoveRefused, match="jobs or messages of its own"):
        moved(file, target)


async def test_second_move_is_refused_and_a_thawed_file_works(
    opened: Any, file: Path, target: psycopg.Connection[Any]
) -> None:
    async with opened(f"sqlite:///{file}") as app:
        await fill(app, 1)
    await asyncio.to_thread(moved, file, target)

    with pytest.raises(MoveRefused, match="has been moved to already"):
        moved(file, target)
    with pytest.raises(BrokerUnavailable, match="has moved"):
        async with opened(f"sqlite:///{file}"):
            raise AssertionError
    import sqlite3

    connection = sqlite3.connect(file, isolation_level=None)
    thaw(connection)
    connection.close()
    async with opened(f"sqlite:///{file}") as app:
        await app.producer.enqueue_job(an_email(7), actor="anna")
