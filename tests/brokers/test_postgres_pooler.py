"""Behind PgBouncer in transaction mode: no state of a session is relied upon."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from urllib.parse import quote

import psycopg
import pytest

from postroom.queues import MessageBatch, Queues, connect
from support import pgbouncer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(pgbouncer.PROGRAM is None, reason=pgbouncer.INSTALL),
]


@pytest.fixture(scope="module")
def pooler(postgres_database: str) -> Iterator[str]:
    with pgbouncer.pooling(postgres_database) as url:
        yield url


@pytest.fixture
async def queues(postgres_url: str, pooler: str) -> AsyncIterator[Queues]:
    async with connect(pooler) as queues:
        yield queues


async def handled_by(queues: Queues, count: int) -> list[object]:
    """What two consumers make of what two dozen senders send at the same time."""
    seen: list[object] = []
    done = asyncio.Event()

    @queues.consumer("work", max_batch_size=10, max_batch_timeout=0, max_retries=3)
    async def handle(batch: MessageBatch) -> None:
        for message in batch.messages:
            if message.attempts == 1 and message.body["number"] % 10 == 0:
                message.retry()
                continue
            seen.append(message.body["number"])
        if len(seen) == count:
            done.set()

    async with queues.running():
        await asyncio.gather(
            *(
                queues["work"].send({"number": number}, deduplication_id=str(number))
                for number in range(count)
            )
        )
        await asyncio.wait_for(done.wait(), 30)
    return seen


async def test_the_pooler_is_noticed(queues: Queues) -> None:
    """Without being told, by the process number that it makes up."""
    assert queues.broker._connections.pooled  # type: ignore[attr-defined]


async def test_everything_is_handled(queues: Queues) -> None:
    """Sends, leases, retries, settlements and deduplication through few and changing connections."""
    seen = await handled_by(queues, 200)

    assert sorted(seen, key=str) == sorted(range(200), key=str)
    assert (await queues["work"].metrics()).backlog_count == 0


async def test_transactions_of_functions(queues: Queues) -> None:
    """As without a pooler."""

    def function(connection: psycopg.Connection[object]) -> int:
        queues["work"].enlist([{"body": "a"}], transaction=connection)
        row = connection.execute("SELECT count(*) FROM postroom_messages WHERE id <> %s", ("x",)).fetchone()
        assert isinstance(row, tuple)
        return int(row[0])

    counts = await asyncio.gather(*(queues.transact(function) for _ in range(20)))

    assert max(counts) <= 20
    assert (await queues["work"].metrics()).backlog_count == 20


async def test_listening_past_the_pooler(postgres_url: str, pooler: str) -> None:
    """Hints come by a connection of their own when the URL names the server itself."""
    direct = quote(postgres_url.partition("?")[0], safe="")
    async with connect(f"{pooler}?listen={direct}") as queues, connect(pooler) as other:
        arrived = asyncio.Event()

        @queues.consumer("work", max_batch_timeout=0)
        async def handle(batch: MessageBatch) -> None:
            arrived.set()

        async with queues.running():
            await _listening(queues)
            await other["work"].send("a")
            await asyncio.wait_for(arrived.wait(), 10)


async def test_without_a_way_to_listen_they_look(queues: Queues, pooler: str) -> None:
    """What others send is found by looking."""
    arrived = asyncio.Event()

    @queues.consumer("work", max_batch_timeout=0)
    async def handle(batch: MessageBatch) -> None:
        arrived.set()

    async with connect(pooler) as other, queues.running():
        await _listening(queues)
        assert not queues.broker._listener.listening  # type: ignore[attr-defined]
        await other["work"].send("a")
        await asyncio.wait_for(arrived.wait(), 10)


async def _listening(queues: Queues) -> None:
    while queues.broker._listener is None:  # type: ignore[attr-defined]
        await asyncio.sleep(0.01)
    await queues.broker._listener.ready.wait()  # type: ignore[attr-defined]
