"""Random walks: a broker against a plain model of what it promises.

    # tests/brokers/test_mine_machine.py
    class MineMachine(QueueMachine):
        def make_url(self, folder: Path) -> str:
            return f"mine:///{folder}/store"

    TestMineMachine = MineMachine.TestCase
    TestMineMachine.settings = MODEST

Messages are sent, pulled, settled in and out of time, handled, purged, redriven; the clock goes on and is set;
connections are closed and opened. After each step the store is compared with a dictionary. All times are whole
seconds, so that a broker may be off by the microseconds it needs to keep messages in order.

`pytest --hypothesis-profile=NAME` runs a profile of your own instead of the modest one here.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from postroom.queues import (
    ConsumerOptions,
    MessageBatch,
    QueueOptions,
    QueuePaused,
    Queues,
    QueuesConfig,
    Retry,
    connect,
)
from postroom.queues.broker import AGEING_US, PRIORITIES, Browsed, QueueInfo
from postroom.queues.conformance.recorder import DEAD, WORK, Failure
from postroom.queues.conformance.retention import NOTICED
from postroom.queues.content import encode
from postroom.queues.testing import VirtualClock

QUICK = settings(
    max_examples=20,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
PROFILE = settings.get_current_profile_name()
MODEST = QUICK if PROFILE in ("default", "ci") else settings.get_profile(PROFILE)
"""A few seconds, the same walks each time; or the profile that was asked for."""

SECOND = 1_000_000
SLACK = 1_000
"""Microseconds that do not matter."""
RETENTION = 600
WINDOW = 120
RETRIES = {WORK: 2, DEAD: 1}
CONFIG = QueuesConfig(
    consumers={
        WORK: ConsumerOptions(
            queue=WORK,
            max_batch_size=3,
            max_batch_timeout=0,
            max_retries=RETRIES[WORK],
            dead_letter_queue=DEAD,
        ),
        DEAD: ConsumerOptions(queue=DEAD, max_batch_timeout=0, max_retries=RETRIES[DEAD]),
    },
    queues={
        WORK: QueueOptions(message_retention_period=RETENTION, deduplication_window=WINDOW),
        DEAD: QueueOptions(message_retention_period=2 * RETENTION, deduplication_window=WINDOW),
    },
)
PERIODS = {name: options.message_retention_period * SECOND for name, options in CONFIG.queues.items()}

T = TypeVar("T")

names = st.sampled_from([WORK, WORK, WORK, DEAD])
bodies = st.one_of(
    st.tuples(st.just("json"), st.dictionaries(st.sampled_from("abc"), st.integers(-5, 5), max_size=2)),
    st.tuples(st.just("text"), st.text(max_size=5)),
    st.tuples(st.just("bytes"), st.binary(max_size=5)),
)
delays = st.sampled_from([None, None, 0, 1, 30, 60, 700])
choices = st.integers(0, 9)
"""Which lease: 0 the latest."""
steps = st.sampled_from([0, 1, 29, 30, 31, 60, 120, 599, 600, 3600])


class Known:
    """A message as the model knows it."""

    def __init__(self, id_: str, body: Any, content_type: str, priority: str, sent_us: int) -> None:
        self.id = id_
        self.body = body
        self.content_type = content_type
        self.priority = priority
        self.sent_us = sent_us
        self.size = len(encode(body, content_type))
        self.queue = ""
        self.life = 0
        """Counts its moves: a lease of an earlier life means nothing."""
        self.attempts = 0
        self.due_us = 0
        self.aged_us = 0
        self.lease: str | None = None
        self.dead_us: int | None = None
        """When it last became a dead letter."""
        self.perhaps_gone = False
        """It was too old at some moment, and may have been deleted then."""

    def enter(self, queue: str, now_us: int, due_us: int) -> None:
        self.queue, self.due_us, self.aged_us = queue, due_us, now_us
        self.life += 1
        self.attempts, self.lease, self.perhaps_gone = 0, None, False

    def held(self, now_us: int) -> bool:
        return self.lease is not None and self.due_us > now_us

    def ready(self, now_us: int) -> bool:
        return self.due_us <= now_us + SLACK and not self.too_old(now_us)

    def too_old(self, now_us: int) -> bool:
        return not self.held(now_us) and now_us - self.aged_us >= PERIODS[self.queue]

    def spent(self) -> bool:
        return self.attempts > RETRIES[self.queue]

    def rank(self) -> int:
        return self.due_us + PRIORITIES[self.priority] * AGEING_US


class Held(NamedTuple):
    """A lease as a puller knows it."""

    lease_id: str
    id: str
    queue: str
    life: int


class QueueMachine(RuleBasedStateMachine):
    """The rules and the model; see the module."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="pr-")
        self.runner = asyncio.Runner()
        self.clock = VirtualClock()
        self.url = self.make_url(Path(self.folder.name))
        self.known: dict[str, Known] = {}
        self.leases: list[Held] = []
        """Every lease there ever was, the latest last."""
        self.paused = {WORK: False, DEAD: False}
        self.deduplicated: dict[tuple[str, str], tuple[int, str]] = {}
        self.forgotten: set[tuple[str, str]] = set()
        self.set_back = False
        """Whether the clock ever was: order of arrival is not order of age any more."""
        self.handled: list[tuple[str, int]] = []
        self.fate = "ack"
        self.open: list[Queues] = []
        self.connect(0)

    def make_url(self, folder: Path) -> str:
        """The URL of a store that is empty and that survives being closed; `folder` is fresh."""
        raise NotImplementedError

    def teardown(self) -> None:
        for queues in self.open:
            self.run(queues.close())
        self.runner.close()
        self.folder.cleanup()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def connect(self, index: int) -> None:
        queues = connect(self.url, clock=self.clock, config=CONFIG)
        queues.consumer(WORK)(self.handle)
        self.run(queues.open())
        self.open.insert(index, queues)

    @property
    def queues(self) -> Queues:
        return self.open[0]

    @property
    def now(self) -> int:
        return self.clock.now_us()

    def inside(self, queue: str) -> list[Known]:
        return [one for one in self.known.values() if one.queue == queue]

    # Sending.

    @rule(
        queue=names,
        content=bodies,
        delay=delays,
        priority=st.sampled_from(["normal", "normal", "high", "low"]),
    )
    def send(self, queue: str, content: tuple[str, Any], delay: float | None, priority: str) -> None:
        content_type, body = content
        sent = self.run(
            self.queues[queue].send(body, content_type=content_type, delay_seconds=delay, priority=priority)
        )
        self.add(queue, sent.id, body, content_type, priority, delay)

    @rule(queue=names, count=st.integers(1, 5), delay=delays)
    def send_batch(self, queue: str, count: int, delay: float | None) -> None:
        items = [{"body": number} for number in range(count)]
        for number, one in enumerate(self.run(self.queues[queue].send_batch(items, delay_seconds=delay))):
            self.add(queue, one.id, number, "json", "normal", delay)

    @rule(queue=names, key=st.sampled_from("kl"))
    def send_once(self, queue: str, key: str) -> None:
        sent = self.run(self.queues[queue].send(key, deduplication_id=key))
        until_us, first = self.deduplicated.get((queue, key), (0, ""))
        if sent.duplicate:
            assert first == sent.id, "the duplicate of another message"
            assert self.now < until_us, "a duplicate of what should be forgotten"
            return
        assert self.now >= until_us or (queue, key) in self.forgotten, "stored twice within the window"
        self.deduplicated[queue, key] = (self.now + WINDOW * SECOND, sent.id)
        self.forgotten.discard((queue, key))
        self.add(queue, sent.id, key, "json", "normal", None)

    @precondition(lambda self: self.queues.capabilities.transactional_send)
    @rule(queue=names, fails=st.booleans())
    def send_in_transaction(self, queue: str, fails: bool) -> None:
        def function(transaction: Any) -> str:
            (sent,) = self.queues[queue].enlist([{"body": "t"}], transaction=transaction)
            if fails:
                raise Failure
            return sent.id

        try:
            sent_id = self.run(self.queues.transact(function))
        except Failure:
            assert fails
        else:
            self.add(queue, sent_id, "t", "json", "normal", None)

    def add(
        self, queue: str, id_: str, body: Any, content_type: str, priority: str, delay: float | None
    ) -> None:
        assert id_ not in self.known
        one = self.known[id_] = Known(id_, body, content_type, priority, self.now)
        one.enter(queue, self.now, self.now + round((delay or 0) * SECOND))

    # Taking.

    @rule(queue=names, count=st.integers(1, 6), seconds=st.sampled_from([1, 30, 60, 3600]))
    def pull(self, queue: str, count: int, seconds: int) -> None:
        pull = self.queues[queue].pull(batch_size=count, visibility_timeout_ms=seconds * 1000)
        try:
            pulled = self.run(pull).messages
        except QueuePaused:
            assert self.paused[queue]
            return
        assert not (self.paused[queue] and pulled), "delivered by a paused queue"
        if self.paused[queue]:
            return
        # Whoever takes order of arrival for order of age may meet old messages here, and return fewer.
        all_of_them = not (self.set_back and any(one.too_old(self.now) for one in self.inside(queue)))
        self.bury_spent(queue, all_of_them=all_of_them and len(pulled) < count)
        ready = [one for one in self.inside(queue) if one.ready(self.now) and not one.spent()]
        sure = sum(not one.perhaps_gone for one in ready) if all_of_them else 0
        assert min(sure, count) <= len(pulled) <= min(len(ready), count), "too few or too many"
        left = [one for one in ready if one.id not in {message.id for message in pulled}]
        first_left = min((one.rank() for one in left if all_of_them and not one.perhaps_gone), default=None)
        for message in pulled:
            one = self.delivered(message.id, message.attempts)
            assert first_left is None or one.rank() <= first_left + SECOND, "overtook one that was due before"
            assert (message.body, message.content_type) == (one.body, one.content_type)
            assert round(message.timestamp.timestamp() * SECOND) == one.sent_us
            one.lease, one.due_us = message.lease_id, self.now + seconds * SECOND
            self.leases.append(Held(message.lease_id, one.id, queue, one.life))

    @rule(fate=st.sampled_from(["ack", "raise", "later", "dead_letter"]))
    def consume(self, fate: str) -> None:
        self.fate, self.handled = fate, []

        async def run() -> None:
            async with self.queues.running():
                await self.clock.advance(0)

        self.run(run())
        assert not (self.paused[WORK] and self.handled), "delivered by a paused queue"
        if self.paused[WORK]:
            return
        self.bury_spent(WORK, all_of_them=True)
        expected = {one.id for one in self.inside(WORK) if one.ready(self.now)}
        deliveries = Counter(id_ for id_, _ in self.handled)
        assert {id_ for id_ in expected if not self.known[id_].perhaps_gone} <= set(deliveries) <= expected
        for id_, attempts in self.handled:
            one = self.delivered(id_, attempts)
            if fate == "ack":
                del self.known[id_]
            elif fate == "dead_letter" or one.spent():
                self.bury(one)
            elif fate == "later":
                one.lease, one.due_us = None, self.now + 30 * SECOND
        if fate == "raise":
            assert not any(one.ready(self.now) and not one.perhaps_gone for one in self.inside(WORK))

    async def handle(self, batch: MessageBatch) -> None:
        self.handled += [(message.id, message.attempts) for message in batch.messages]
        if self.fate == "raise":
            raise Failure
        if self.fate == "later":
            batch.retry_all(delay_seconds=30)
        if self.fate == "dead_letter":
            for message in batch.messages:
                message.dead_letter("by decision")

    def delivered(self, id_: str, attempts: int) -> Known:
        one = self.known[id_]
        assert one.due_us <= self.now + SLACK, "delivered before it was due"
        assert not one.held(self.now), "held by two"
        assert not one.too_old(self.now), "delivered when it was too old"
        assert attempts == one.attempts + 1, "attempts do not grow by one"
        assert attempts <= RETRIES[one.queue] + 1, "delivered once too often"
        one.attempts, one.perhaps_gone = attempts, False
        return one

    def bury_spent(self, queue: str, *, all_of_them: bool) -> None:
        """Messages whose last lease ended are put aside by whoever leases them next."""
        spent = [one for one in self.inside(queue) if one.spent() and one.ready(self.now)]
        there = {one.id for one in self.run(self.queues.broker.browse(queue, limit=10_000))}
        for one in spent:
            if one.id in there:
                assert not all_of_them, "left although its deliveries are spent"
            else:
                self.bury(one)

    def bury(self, one: Known) -> None:
        if one.queue == WORK:
            one.enter(DEAD, self.now, self.now)
            one.dead_us = self.now
        else:
            del self.known[one.id]

    # Settling.

    def choose(self, choice: int) -> Held:
        return self.leases[-1 - choice % len(self.leases)]

    @precondition(lambda self: self.leases)
    @rule(chosen=st.lists(choices, min_size=1, max_size=3))
    def ack(self, chosen: list[int]) -> None:
        held = [self.choose(index) for index in chosen]
        queue = held[0].queue
        lives = {one.lease_id: (one.id, one.life) for one in held if one.queue == queue}
        settled = self.run(self.queues[queue].settle(acks=list(lives)))
        assert settled.ack_count == len(lives)
        late = set()
        for lease, (id_, life) in lives.items():
            one = self.known.get(id_)
            if one is None or (one.queue, one.life) != (queue, life):
                late.add(lease)
                continue
            if one.lease != lease or (one.perhaps_gone and lease in settled.warnings):
                late.add(lease)
            del self.known[id_]
        assert set(settled.warnings) == late

    @precondition(lambda self: self.leases)
    @rule(choice=choices, delay=delays)
    def retry(self, choice: int, delay: float | None) -> None:
        lease, id_, queue, _ = self.choose(choice)
        settled = self.run(self.queues[queue].settle(retries=[Retry(lease, delay)]))
        one = self.known.get(id_)
        if one is None or one.lease != lease or (one.perhaps_gone and settled.warnings):
            assert (settled.retry_count, list(settled.warnings)) == (0, [lease])
            return
        assert (settled.retry_count, settled.warnings) == (1, {})
        if one.spent():
            self.bury(one)
        else:
            one.lease, one.due_us = None, self.now + round((delay or 0) * SECOND)

    @precondition(lambda self: self.leases)
    @rule(choice=choices)
    def dead_letter(self, choice: int) -> None:
        lease, id_, queue, _ = self.choose(choice)
        settled = self.run(self.queues[queue].settle(dead_letters={lease: "by decision"}))
        one = self.known.get(id_)
        if one is None or one.lease != lease or (one.perhaps_gone and settled.warnings):
            assert list(settled.warnings) == [lease]
            return
        assert settled.warnings == {}
        self.bury(one)

    @precondition(lambda self: self.leases and self.queues.capabilities.extend)
    @rule(choice=choices, seconds=st.sampled_from([0, 1, 30, 3600]))
    def extend(self, choice: int, seconds: int) -> None:
        lease, id_, queue, _ = self.choose(choice)
        extended = self.run(self.queues[queue].extend(lease, seconds))
        one = self.known.get(id_)
        if one is None or one.lease != lease or (one.perhaps_gone and not extended):
            assert not extended
            return
        assert extended
        one.due_us, one.perhaps_gone = self.now + seconds * SECOND, False

    # Operators.

    @rule(queue=names, paused=st.booleans())
    def pause(self, queue: str, paused: bool) -> None:
        self.run(self.queues[queue].pause() if paused else self.queues[queue].resume())
        self.paused[queue] = paused

    @rule(queue=names)
    def purge(self, queue: str) -> None:
        count = self.run(self.queues[queue].purge())
        gone = [one for one in self.inside(queue) if not one.held(self.now)]
        assert sum(not one.perhaps_gone and not one.too_old(self.now) for one in gone) <= count <= len(gone)
        for one in gone:
            del self.known[one.id]

    @precondition(lambda self: self.queues.capabilities.redrive)
    @rule(dry_run=st.booleans())
    def redrive(self, dry_run: bool) -> None:
        done = self.run(self.queues[DEAD].redrive(dry_run=dry_run))
        free = [one for one in self.inside(DEAD) if not one.held(self.now)]
        free = [one for one in free if self.set_back or not one.too_old(self.now)]
        moved = [one for one in free if one.dead_us is not None and one.dead_us <= self.now]
        direct = [one for one in free if one.dead_us is None]
        perhaps = sum(one.perhaps_gone or one.too_old(self.now) for one in free)
        assert len(direct) - perhaps <= done.unroutable <= len(direct)
        assert len(moved) - perhaps <= done.matched - done.unroutable <= len(moved)
        assert done.moved == (0 if dry_run else done.matched - done.unroutable)
        for one in () if dry_run else moved:
            was = one.perhaps_gone or one.too_old(self.now)
            one.enter(WORK, self.now, self.now)
            one.perhaps_gone = was

    # Time and restarts.

    @rule(seconds=steps)
    def advance(self, seconds: int) -> None:
        self.run(self.clock.advance(seconds))

    @rule(seconds=st.sampled_from([-3600, -60, -1, 1, 60, 3600]))
    def set_clock(self, seconds: int) -> None:
        # The hundredth keeps moments before and after apart, where a broker counts in microseconds.
        self.clock.jump(seconds + 0.01)
        self.set_back |= seconds < 0

    @rule()
    def restart(self) -> None:
        queues = self.open.pop(0)
        self.run(queues.close())
        self.connect(0)
        self.run(self.clock.advance(1))

    @precondition(lambda self: self.queues.capabilities.shared)
    @rule()
    def use_another_connection(self) -> None:
        if len(self.open) == 1:
            self.connect(0)
        else:
            self.open.reverse()
        # Connections need not agree on the order of what happens within a microsecond.
        self.run(self.clock.advance(1))

    @invariant()
    def store_is_as_the_model_says(self) -> None:
        for key, (until_us, _) in self.deduplicated.items():
            if self.now >= until_us:
                self.forgotten.add(key)
        for one in self.known.values():
            one.perhaps_gone |= one.too_old(self.now)
        for queue, browsed, info in self.run(self.look()):
            self.compare(queue, {one.id: one for one in browsed}, info)

    async def look(self) -> list[tuple[str, Sequence[Browsed], QueueInfo]]:
        broker = self.queues.broker
        browsed = await asyncio.gather(broker.browse(WORK, limit=10_000), broker.browse(DEAD, limit=10_000))
        infos = await asyncio.gather(broker.info(WORK), broker.info(DEAD))
        return list(zip((WORK, DEAD), browsed, infos, strict=True))

    def compare(self, queue: str, there: dict[str, Browsed], info: QueueInfo) -> None:
        for one in self.inside(queue):
            if one.id not in there:
                assert one.perhaps_gone, f"lost: {one.id}"
                del self.known[one.id]
        here = {one.id: one for one in self.inside(queue)}
        assert set(there) == set(here), "what should be gone is there"
        for id_, found in there.items():
            one = here[id_]
            assert self.set_back or not one.too_old(self.now - NOTICED * SECOND), "outlived its retention"
            assert found.attempts == one.attempts
            assert abs(found.due_us - one.due_us) <= SLACK
            assert found.leased == one.held(self.now)
        flying = sum(one.held(self.now) for one in here.values())
        ready = sum(one.due_us <= self.now + SLACK for one in here.values())
        assert info.paused == self.paused[queue]
        assert info.backlog.messages == len(here)
        assert info.backlog.bytes == sum(one.size for one in here.values())
        assert (info.ready, info.delayed, info.in_flight) == (ready, len(here) - ready - flying, flying)
