"""Several processes on one PostgreSQL: what must happen once does, and what is shared is known to all.

Each application here is what a process has: connections, caches and writers of its own. They share the database and a clock.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from postroom.audit import Chain, verify
from postroom.delivery import Outcome, Verdict
from postroom.delivery.providers.noop import NoopProvider
from postroom.delivery.routing import Chosen, Later, Route, Router
from postroom.jobs import EmailJob, Enqueued
from postroom.queues.broker import Settlement
from postroom.queues.testing import VirtualClock
from postroom.settings import load
from postroom.store.vault import NoVault
from postroom.web.idempotency import Idempotency, Kept
from postroom.web.limits import Limits, Rate, Rates
from postroom.web.problems import Refusal
from postroom.wiring import Application, open_application

pytestmark = pytest.mark.postgresql
PROCESSES = 3
EVERYTHING = 1 << 62


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
async def fleet(postgres_url: str, tmp_path: Path, clock: VirtualClock) -> AsyncIterator[list[Application]]:
    environ = {"POSTROOM_DATABASE_URL": postgres_url, "POSTROOM_CRON": "housekeeping=*/5 * * * *"}
    settings = load(environ, folder=tmp_path).settings
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(open_application(settings, consume=True, clock=clock))
            for _ in range(PROCESSES)
        ]


def an_email(name: str) -> EmailJob:
    return EmailJob(message_id=name, recipient="anna@example.com", subject="S", content="text")


async def test_a_message_id_is_taken_once_whoever_asks(fleet: list[Application]) -> None:
    """Everybody gets the answer of the one that was first."""
    answers = await asyncio.gather(
        *(app.producer.enqueue_job(an_email(f"m{n}")) for n in range(20) for app in fleet)
    )

    firsts: dict[str | None, list[Enqueued]] = {}
    for one in answers:
        firsts.setdefault(one.reference, []).append(one)
    assert len(firsts) == 20
    for same in firsts.values():
        assert len({one.job_id for one in same}) == 1
        assert sum(not one.duplicate for one in same) == 1
    info = await fleet[0].queues.info("message-delivery")
    assert info.backlog.messages == 20


async def test_trail_is_whole_however_many_write_it(fleet: list[Application]) -> None:
    """No number twice, none missing, each entry chained to the one before it."""
    await asyncio.gather(
        *(
            app.producer.enqueue_job(an_email(f"m{n}-{app_number}"))
            for n in range(30)
            for app_number, app in enumerate(fleet)
        )
    )

    chain = fleet[0].store.chain
    assert isinstance(chain, Chain)
    found = await fleet[1].store.read(lambda transaction: verify(transaction, chain))
    assert (found.whole, found.entries) == (True, 90)


async def test_events_are_told_in_an_order_that_nothing_comes_before(fleet: list[Application]) -> None:
    """A reader that goes by numbers misses none, though they are given out before they are committed."""
    told: list[int] = []
    writing = asyncio.gather(
        *(app.producer.enqueue_job(an_email(f"m{n}-{k}")) for n in range(20) for k, app in enumerate(fleet))
    )
    app = fleet[0]
    async with app.queues.running(), fleet[1].queues.running():
        async with asyncio.timeout(40):
            while True:
                over = writing.done()
                after = told[-1] if told else 0
                rows = await app.store.read(
                    lambda t, after=after: t.all("message_events_after", after=after, limit=7)
                )
                told += [row["seq"] for row in rows]
                all_ = await app.store.read(lambda t: t.all("message_events_after", after=0, limit=100_000))
                moved = sum(row["after"] == "sent" for row in all_)
                if over and moved == 60 and not rows:
                    break
                await app.clock.advance(1)  # type: ignore[attr-defined]

    assert told == sorted(row["seq"] for row in all_)
    assert len(told) == len(set(told))


async def test_schedule_fires_once(fleet: list[Application], clock: VirtualClock) -> None:
    """All of them look at the same moment."""
    await asyncio.gather(*(app.scheduler.declare() for app in fleet))
    for _ in range(3):
        await clock.advance(300)
        await asyncio.gather(*(app.scheduler.tick() for app in fleet))

    entries = await fleet[0].store.read(lambda t: t.all("scan_audit", after=0, limit=1000))
    assert sum(one["action"] == "schedule.fired" for one in entries) == 3


async def test_budget_of_a_provider_is_everybodys(fleet: list[Application], clock: VirtualClock) -> None:
    """Ten calls at once and no more, whoever makes them."""
    routers = [
        Router([Route(NoopProvider(channel="email", name="one"), True, rate=1.0, burst=10)]) for _ in fleet
    ]

    async def choose(number: int) -> object:
        app, router = fleet[number % PROCESSES], routers[number % PROCESSES]
        return await app.store.write(
            lambda t: router.choose(t, "email", health_data=True, tried=(), now_us=clock.now_us())
        )

    chosen = await asyncio.gather(*map(choose, range(30)))

    assert sum(isinstance(one, Chosen) for one in chosen) == 10
    assert sum(isinstance(one, Later) for one in chosen) == 20


async def test_circuit_is_everybodys(fleet: list[Application], clock: VirtualClock) -> None:
    """Failures are counted together, and what one has opened is open for all."""
    route = Route(NoopProvider(channel="email", name="one"), True)
    router = Router([route])
    failed = Outcome(Verdict.UNKNOWN, "timeout")

    moves = await asyncio.gather(
        *(
            fleet[n % PROCESSES].store.write(lambda t: router.report(t, route, failed, clock.now_us()))
            for n in range(5)
        )
    )

    assert [one.circuit for one in moves if one is not None] == ["open"]
    for app in fleet:
        later = await app.store.write(
            lambda t: router.choose(t, "email", health_data=True, tried=(), now_us=clock.now_us())
        )
        assert isinstance(later, Later)


async def test_rates_are_shared(fleet: list[Application], clock: VirtualClock) -> None:
    """After what they counted is told, what is left is nobody's."""
    limits = [Limits(app.store, clock, Rates(enqueue=Rate(30, 60))) for app in fleet]
    for weight in (9, 1):
        for one in limits:
            one.take("enqueue", "anna", weight)
        await asyncio.gather(*(one.share() for one in limits))

    # Who told last knows of all the others.
    (last,) = [one for one in limits if one._windows["enqueue", "anna"].theirs == 30]
    with pytest.raises(Refusal):
        last.take("enqueue", "anna")
    last.take("enqueue", "ben")


async def test_idempotency_key_is_claimed_once(fleet: list[Application], clock: VirtualClock) -> None:
    """The others are told that it is being answered, and then get the answer."""
    keeping = [Idempotency(app.store, clock, NoVault()) for app in fleet for _ in range(4)]

    claims = await asyncio.gather(*(one.claim("k", "sha") for one in keeping), return_exceptions=True)
    assert sum(one is None for one in claims) == 1
    assert sum(isinstance(one, Refusal) for one in claims) == len(keeping) - 1

    kept = Kept(201, (), b"\x00\xff")
    await keeping[0].keep("k", "/api/enqueue-job", kept)
    assert await keeping[-1].claim("k", "sha") == kept


async def test_who_works_is_known_to_all(fleet: list[Application]) -> None:
    """Host, version and queues; one that has gone is gone."""
    async with AsyncExitStack() as stack:
        for app in fleet[:2]:
            await stack.enter_async_context(app.queues.running())
            assert app.meter is not None
            await app.meter.flush()
        found = await fleet[2].monitor.workers()
        assert len(found) == 2
        assert all(one["host"] and one["version"] and "message-delivery" in one["queues"] for one in found)
        assert fleet[0].meter is not None
        await fleet[0].meter.stop()

        assert len(await fleet[2].monitor.workers()) == 1


async def test_worker_that_lost_its_lease_settles_nothing(
    fleet: list[Application], clock: VirtualClock
) -> None:
    """Somebody else has it by then; what the late one says changes nothing."""
    await fleet[0].producer.enqueue_job(an_email("m1"))
    await clock.advance(10)
    name = "message-delivery"
    (first,) = await fleet[0].queues[name].lease(batch_size=1, visibility_timeout_ms=1000)
    await clock.advance(2)
    (second,) = await fleet[1].queues[name].lease(batch_size=1, visibility_timeout_ms=60_000)
    assert (first.id, second.attempts) == (second.id, 2)

    for late in (Settlement(acks=[first]), Settlement(retries=[(first, 0)]), Settlement(released=[first])):
        assert list(await fleet[0].queues.broker.settle(name, late)) == [first]
    assert list(await fleet[0].queues.broker.extend(name, [first], 60_000_000)) == [first]

    assert (await fleet[2].queues.info(name)).in_flight == 1
    assert not await fleet[1].queues.broker.settle(name, Settlement(acks=[second]))
    assert (await fleet[2].queues.info(name)).backlog.messages == 0
