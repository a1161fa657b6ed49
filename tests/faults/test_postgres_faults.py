"""PostgreSQL fails in every way a server, a network and a worker can: nothing is lost, all repetitions are explained.

Two consumers and a producer work on a server of their own; each writes a ledger of every call. What is done to them
and to the server is what the tests differ in.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest

from support import postgres
from support.checker import Verdict, check
from support.children import Child, Children
from support.database import left_in_postgres
from support.ledger import read, written
from support.network import between
from support.patience import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

LEASE_MS = 1500
SETTINGS = ("shared_buffers=64MB", "max_connections=400", "fsync=off")
"""A killed server process loses nothing without fsync either: the kernel keeps what was written."""


@pytest.fixture
def server() -> Iterator[postgres.Server]:
    with postgres.running(settings=SETTINGS) as server:
        yield server


class Fleet:
    """The workers and what the ledgers tell of them."""

    def __init__(self, url: str, ledgers: Path, children: Children, chance: Random) -> None:
        self.url = url
        self._ledgers = ledgers
        self._children = children
        self.chance = chance
        self.consumers: list[Child] = []
        self.producer: Child
        self.left_at = url

    async def consumer(self, **more: Any) -> Child:
        child = await self._children.start(
            "consume",
            url=self.url,
            queue="orders",
            seed=self.chance.random(),
            work_seconds=0.01,
            retry_share=0.05,
            options={
                "max_batch_timeout": 0,
                "max_retries": 100,
                "visibility_timeout_ms": LEASE_MS,
                "max_concurrency": 8,
            },
            **more,
        )
        await child.hear("ready")
        return child

    async def begin(self, **of_the_second: Any) -> None:
        self.consumers = [await self.consumer(), await self.consumer(**of_the_second)]
        self.producer = await self._children.start(
            "produce",
            url=self.url,
            queue="orders",
            seed=self.chance.random(),
            delays=[0, 0, 0, 0.1],
            patient=True,
        )
        await self.producer.hear("ready")
        await self.goes_on(100_000)

    async def goes_on(self, size: int = 100_000) -> None:
        """Wait until the ledgers have grown: work is done."""
        mark = written(self._ledgers) + size
        await until(lambda: written(self._ledgers) >= mark, "the work goes on", within=60)

    async def end(self, **judged: Any) -> Verdict:
        """Let everything be handled, stop, and judge."""
        await self.producer.tell("stop")
        await self.producer.hear("done", within=60)
        await until(self._is_empty, "the queue is drained", within=60)
        for child in self.consumers:
            child.terminate()
            assert await child.ended() == 0
        verdict = check(
            read(self._ledgers),
            left_in_postgres(self.left_at),
            queue="orders",
            max_retries=100,
            answers_lost=True,
            **judged,
        )
        verdict.assert_good()
        assert verdict.sent > 100
        return verdict

    def _is_empty(self) -> bool:
        with suppress(psycopg.OperationalError), psycopg.connect(self.left_at) as connection:
            return connection.execute("SELECT count(*) FROM postroom_messages").fetchone() == (0,)
        return False


@asynccontextmanager
async def working(
    url: str, ledgers: Path, children: Children, chance: Random, **of_the_second: Any
) -> AsyncIterator[Fleet]:
    fleet = Fleet(url, ledgers, children, chance)
    await fleet.begin(**of_the_second)
    yield fleet


async def _terminate_backends(url: str, chance: Random, share: float) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'postroom' AND random() < %s",
            (share,),
        )
    await asyncio.sleep(chance.uniform(0.02, 0.2))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast shutdown", "crash"])
async def test_server_is_stopped_and_started(
    server: postgres.Server, ledgers: Path, children: Children, chance: Random, how: signal.Signals
) -> None:
    """Twice, under load; the workers find it again."""
    async with working(server.url(), ledgers, children, chance) as fleet:
        for _ in range(2):
            await asyncio.to_thread(server.stop, how)
            await asyncio.sleep(chance.uniform(0, 1))
            await asyncio.to_thread(server.start)
            await fleet.goes_on()
        await fleet.end()


async def test_backends_are_terminated_at_random(
    server: postgres.Server, ledgers: Path, children: Children, chance: Random
) -> None:
    """Thirty times a third of all connections."""
    async with working(server.url(), ledgers, children, chance) as fleet:
        for _ in range(30):
            await _terminate_backends(server.url(), chance, 0.3)
        await fleet.goes_on()
        await fleet.end()


async def test_workers_are_killed_again_and_again(
    server: postgres.Server, ledgers: Path, children: Children, chance: Random
) -> None:
    """Eight times kill -9 of one of two."""
    async with working(server.url(), ledgers, children, chance) as fleet:
        for _ in range(8):
            await fleet.goes_on(chance.randrange(20_000, 200_000))
            victim = fleet.consumers.pop(chance.randrange(2))
            await victim.kill()
            fleet.consumers.append(await fleet.consumer())
        verdict = await fleet.end()

    assert verdict.explained.keys() <= {"killed"}


Strike = Callable[[Any, Random], Awaitable[None]]


async def _cut(proxy: Any, chance: Random) -> None:
    for _ in range(10):
        proxy.cut()
        await asyncio.sleep(chance.uniform(0.05, 0.3))


async def _half_close(proxy: Any, chance: Random) -> None:
    for _ in range(5):
        proxy.half_close()
        await asyncio.sleep(chance.uniform(0.05, 0.3))


async def _delay(proxy: Any, chance: Random) -> None:
    proxy.delay(0.05)
    await asyncio.sleep(2)
    proxy.delay(0)


async def _freeze(proxy: Any, chance: Random) -> None:
    # Longer than a lease: who was frozen out has lost what it held.
    proxy.freeze(True)
    await asyncio.sleep(LEASE_MS / 1000 * 1.5)
    proxy.freeze(False)


async def _refuse(proxy: Any, chance: Random) -> None:
    proxy.refuse(True)
    await asyncio.sleep(2)
    proxy.refuse(False)


@pytest.mark.parametrize("strike", [_cut, _half_close, _delay, _freeze, _refuse])
async def test_network_fails(
    server: postgres.Server, ledgers: Path, children: Children, chance: Random, strike: Strike
) -> None:
    """Between all workers and the server."""
    async with between(server.port) as proxy:
        url = f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres"
        async with working(url, ledgers, children, chance) as fleet:
            fleet.left_at = server.url()
            await strike(proxy, chance)
            await fleet.goes_on()
            await fleet.end()


@pytest.mark.parametrize("seconds", [3600, -3600])
async def test_clock_of_a_worker_is_an_hour_off(
    server: postgres.Server, ledgers: Path, children: Children, chance: Random, seconds: int
) -> None:
    """The database's clock decides, so nothing is delivered early, late or twice."""
    async with working(server.url(), ledgers, children, chance, clock_seconds=seconds) as fleet:
        await fleet.goes_on()
        await fleet.consumers[0].move_clock(-seconds)
        await fleet.goes_on()
        verdict = await fleet.end()

    assert verdict.duplicated == 0


async def test_three_hundred_idle_connections(
    server: postgres.Server, ledgers: Path, children: Children, chance: Random
) -> None:
    """Others leave little room, and then none for a while."""
    crowd = [await psycopg.AsyncConnection.connect(server.url()) for _ in range(300)]
    async with working(server.url(), ledgers, children, chance) as fleet:
        with suppress(psycopg.OperationalError):
            while True:
                crowd.append(await psycopg.AsyncConnection.connect(server.url()))
        await fleet.goes_on()
        await asyncio.gather(*(one.close() for one in crowd))
        await fleet.end()


async def test_standby_takes_over(
    server: postgres.Server, ledgers: Path, children: Children, chance: Random, place: Path
) -> None:
    """With synchronous replication nothing that was acknowledged is lost; the workers' URL names both servers."""
    place.chmod(0o755)
    standby = await asyncio.to_thread(server.standby, place / "standby")
    try:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
        url = (
            f"postgresql://postgres@127.0.0.1:{server.port},127.0.0.1:{standby.port}/postgres"
            "?target_session_attrs=read-write"
        )
        async with working(url, ledgers, children, chance) as fleet:
            fleet.left_at = standby.url()
            await asyncio.to_thread(server.stop, signal.SIGQUIT)
            await asyncio.to_thread(standby.promote)
            await fleet.goes_on()
            await fleet.end()
    finally:
        standby.stop()


async def test_the_fault_is_over_and_so_is_the_damage(
    server: postgres.Server, ledgers: Path, children: Children, chance: Random
) -> None:
    """Backends are terminated while a fleet works; afterwards it works as before."""
    async with working(server.url(), ledgers, children, chance) as fleet:
        before = await _pace(fleet)
        for _ in range(10):
            await _terminate_backends(server.url(), chance, 0.5)
        # Longer than the longest pause after which a worker asks again.
        await fleet.goes_on(2_000_000)
        after = await _pace(fleet)
        await fleet.end()

    # Others load this machine as they like; the benchmark has the exact figure.
    assert after > before / 4


async def _pace(fleet: Fleet) -> float:
    begun = asyncio.get_running_loop().time()
    await fleet.goes_on(2_000_000)
    return 2_000_000 / (asyncio.get_running_loop().time() - begun)
