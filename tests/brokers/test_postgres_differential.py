"""The same actions on PostgreSQL and on SQLite have the same answers, word for word."""

import asyncio
import tempfile
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from postroom.queues import (
    ConsumerOptions,
    QueueError,
    QueueOptions,
    Queues,
    QueuesConfig,
    Retry,
    SendResult,
    connect,
)
from postroom.queues.testing import VirtualClock
from support import postgres

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CONFIG = QueuesConfig(
    consumers={
        "a": ConsumerOptions(queue="a", max_retries=2, dead_letter_queue="b"),
        "b": ConsumerOptions(queue="b", max_retries=1),
    },
    queues={
        "a": QueueOptions(message_retention_period=600, deduplication_window=120),
        "b": QueueOptions(message_retention_period=1200, delivery_delay=1, deduplication_window=120),
    },
)
MODEST = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    # A failing walk is read as it is: making it smaller takes minutes.
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)

queue = st.sampled_from("aab")
delay = st.sampled_from([None, None, 0, 1, 30, 700])
which = st.integers(0, 5)
ACTIONS = st.one_of(
    st.tuples(st.just("send"), queue, st.integers(0, 9), delay, st.sampled_from(["high", "normal", "low"])),
    st.tuples(st.just("send_batch"), queue, st.integers(1, 6), delay),
    st.tuples(st.just("send_once"), queue, st.sampled_from(["k", "l", "\0", "\ud800"])),
    st.tuples(st.just("send_inside"), queue, st.booleans()),
    st.tuples(st.just("pull"), queue, st.integers(1, 6), st.sampled_from([1, 30, 3600])),
    st.tuples(st.just("pull"), queue, st.integers(1, 6), st.sampled_from([1, 30, 3600])),
    st.tuples(st.just("ack"), st.lists(which, min_size=1, max_size=3)),
    st.tuples(st.just("retry"), which, delay),
    st.tuples(st.just("dead_letter"), which),
    st.tuples(st.just("extend"), which, st.sampled_from([0, 1, 3600])),
    st.tuples(st.just("advance"), st.sampled_from([0, 1, 30, 60, 599, 601])),
    st.tuples(st.just("pause"), queue, st.booleans()),
    st.tuples(st.just("purge"), queue),
    st.tuples(st.just("redrive"), st.booleans()),
    st.tuples(st.just("look"), queue),
)


def counted(sent: SendResult) -> tuple[int, int]:
    """Without the oldest, which is known by best effort."""
    return sent.metrics.backlog_count, sent.metrics.backlog_bytes


class Held(NamedTuple):
    queue: str
    lease_id: str


class Player:
    """Plays actions on one broker; what is random about it is numbered in the order of its coming."""

    def __init__(self, queues: Queues, clock: VirtualClock) -> None:
        self.queues = queues
        self.clock = clock
        self.numbers: dict[str, int] = {}
        self.held: list[Held] = []

    def number(self, id_: str) -> int:
        return self.numbers.setdefault(id_, len(self.numbers))

    async def play(self, action: Sequence[Any]) -> object:
        name, *values = action
        try:
            return await getattr(self, f"do_{name}")(*values)
        except QueueError as error:
            return type(error).__name__

    async def do_send(self, name: str, body: int, delay_seconds: float | None, priority: str) -> object:
        sent = await self.queues[name].send(body, delay_seconds=delay_seconds, priority=priority)
        return self.number(sent.id), sent.duplicate, counted(sent)

    async def do_send_batch(self, name: str, count: int, delay_seconds: float | None) -> object:
        items = [{"body": number} for number in range(count)]
        sent = await self.queues[name].send_batch(items, delay_seconds=delay_seconds)
        return [(self.number(one.id), counted(one)) for one in sent]

    async def do_send_once(self, name: str, key: str) -> object:
        sent = await self.queues[name].send(key, deduplication_id=key)
        return self.number(sent.id), sent.duplicate

    async def do_send_inside(self, name: str, fails: bool) -> object:
        def function(transaction: Any) -> str:
            (sent,) = self.queues[name].enlist([{"body": "t"}], transaction=transaction)
            if fails:
                raise QueueError
            return sent.id

        return self.number(await self.queues.transact(function))

    async def do_pull(self, name: str, count: int, seconds: int) -> object:
        pulled = await self.queues[name].pull(batch_size=count, visibility_timeout_ms=seconds * 1000)
        self.held += [Held(name, one.lease_id) for one in pulled.messages]
        told = [(self.number(one.id), one.body, one.attempts, one.timestamp) for one in pulled.messages]
        return told, pulled.message_backlog_count

    def choose(self, choice: int) -> Held:
        return self.held[-1 - choice % len(self.held)]

    async def do_ack(self, choices: list[int]) -> object:
        if not self.held:
            return None
        chosen = list(dict.fromkeys(self.choose(choice) for choice in choices))
        name = chosen[0].queue
        leases = [one.lease_id for one in chosen if one.queue == name]
        settled = await self.queues[name].settle(acks=leases)
        return settled.ack_count, [lease in settled.warnings for lease in leases]

    async def do_retry(self, choice: int, delay_seconds: float | None) -> object:
        if not self.held:
            return None
        name, lease = self.choose(choice)
        settled = await self.queues[name].settle(retries=[Retry(lease, delay_seconds)])
        return settled.retry_count, list(settled.warnings.values())

    async def do_dead_letter(self, choice: int) -> object:
        if not self.held:
            return None
        name, lease = self.choose(choice)
        return list((await self.queues[name].settle(dead_letters={lease: "no"})).warnings.values())

    async def do_extend(self, choice: int, seconds: float) -> object:
        if not self.held:
            return None
        name, lease = self.choose(choice)
        return await self.queues[name].extend(lease, seconds)

    async def do_advance(self, seconds: float) -> None:
        await self.clock.advance(seconds)

    async def do_pause(self, name: str, paused: bool) -> None:
        await (self.queues[name].pause() if paused else self.queues[name].resume())

    async def do_purge(self, name: str) -> int:
        return await self.queues[name].purge()

    async def do_redrive(self, dry_run: bool) -> object:
        return await self.queues["b"].redrive(dry_run=dry_run)

    async def do_look(self, name: str) -> object:
        info = await self.queues.info(name)
        counts = (
            info.ready,
            info.delayed,
            info.in_flight,
            info.backlog.messages,
            info.backlog.bytes,
            info.paused,
        )
        browsed = await self.queues.broker.browse(name)
        told = [(self.number(one.id), one.attempts, one.priority, one.leased) for one in browsed]
        return counts, told


async def differ(url: str, actions: Sequence[Sequence[Any]]) -> None:
    clocks = VirtualClock(), VirtualClock()
    with tempfile.TemporaryDirectory(prefix="pr-") as folder:
        async with (
            connect(url, config=CONFIG, clock=clocks[0]) as here,
            connect(f"sqlite:///{folder}/q.db", config=CONFIG, clock=clocks[1]) as there,
        ):
            players = [Player(here, clocks[0]), Player(there, clocks[1])]
            for player in players:
                for name, options in CONFIG.queues.items():
                    await player.queues.create(name, options)
            for action in [*actions, ("look", "a"), ("look", "b")]:
                ours, theirs = [await player.play(action) for player in players]
                assert ours == theirs, f"after {action}"


@given(actions=st.lists(ACTIONS, min_size=10, max_size=30))
@MODEST
def test_answers_are_those_of_sqlite(postgres_database: str, actions: Sequence[Sequence[Any]]) -> None:
    """Ids, duplicates, counts, order, attempts, warnings, errors."""
    postgres.reset(postgres_database)
    asyncio.run(differ(f"{postgres_database}?pooled=no", actions))
