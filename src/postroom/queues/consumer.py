"""Push consumers: batches are filled, handed to the handler, watched over and settled.

One loop a queue leases batches for as many handlers as may run; each handler runs in a task of its own. Their
number starts at one and is looked at again whenever a batch is done: it grows while there is a backlog and
shrinks when there is none or when handlers keep raising (`scale`).
https://developers.cloudflare.com/queues/configuration/consumer-concurrency/
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from postroom.kit.clock import MICROSECOND, Clock
from postroom.kit.events import Events
from postroom.kit.service import Service
from postroom.queues import limits, settle
from postroom.queues.batch import MessageBatch
from postroom.queues.broker import Broker, Lease, Leased, Settlement
from postroom.queues.errors import BrokerError, QueueClosed, QueueError
from postroom.queues.events import BatchHandled, ConsumerFailed, LeaseLost, SettlementFailed
from postroom.queues.options import ConsumerOptions

Handler = Callable[[MessageBatch], Awaitable[None]]

LEASE_MAX = 1000
"""Messages leased in one go, for all handlers together; bounds memory."""
RENEWALS_A_LEASE = 3
"""A lease is renewed when a third of it has passed, so that two renewals may fail."""
FAILURES_WATCHED = 20
"""Batches over which the share of raising handlers is taken."""
LOSSES = 2
"""A message that was delivered so often and whose last delivery lapsed is handed over alone from then on."""
PAUSE_SECONDS = (0.1, 5.0)
"""First and longest pause after the store could not be reached."""


def scale(current: int, maximum: int, *, backlog: bool, failing: float) -> int:
    """How many handlers may run from now on: doubled under a backlog, halved when most of them raise.

    `failing` is the share of recent batches whose handler raised, 0..1. Explicit retries do not count.
    """
    if failing > 0.5:
        return max(1, current // 2)
    return min(maximum, current * 2) if backlog else max(1, current - 1)


class Consumer(Service):
    """Takes messages from one queue and hands them to one handler."""

    def __init__(
        self, broker: Broker, options: ConsumerOptions, handler: Handler, *, clock: Clock, events: Events
    ) -> None:
        super().__init__()
        self.name = f"consumer:{options.queue}"
        self.options = options
        self._broker = broker
        self._handler = handler
        self._clock = clock
        self._events = events
        self._allowed = 1
        self._held = False
        self._stopping = False
        self._interrupting = False
        self._running: dict[asyncio.Task[None], MessageBatch | None] = {}
        self._lost: set[asyncio.Task[None]] = set()
        self._done = asyncio.Event()
        self._resting = False
        self._renewing: asyncio.Task[None] | None = None
        self._renewal: object | None = None
        self._longer: dict[str, int] = {}
        self._raised: deque[bool] = deque(maxlen=FAILURES_WATCHED)
        self._backlogged = False
        self._fill_until_us: int | None = None
        self._flushed_us = 0
        self.configure(options)

    def configure(self, options: ConsumerOptions) -> None:
        """Take other settings; they hold from the next batch on. The queue stays the same."""
        self.options = options
        self._maximum = options.max_concurrency or limits.CONCURRENCY_MAX
        self._allowed = min(self._allowed, self._maximum)
        # Delivered so often and lapsed: it may be what kills its handlers. Its last delivery it has alone in any case.
        self._suspects = range(min(LOSSES, options.max_retries), options.max_retries + 1)

    def hold(self, held: bool) -> None:
        """Take no more messages, or take them again; what runs goes on."""
        self._held = held
        self._done.set()

    @property
    def concurrency(self) -> int:
        """Handlers running now."""
        return len(self._running)

    @property
    def allowed(self) -> int:
        """Handlers that may run now."""
        return self._allowed

    async def start(self) -> None:
        """Start taking messages, also after a stop."""
        if not self.running:
            self._stopping = self._interrupting = False
        await super().start()

    async def drain_and_stop(self, grace_seconds: float) -> None:
        """Stop taking; let handlers finish for so many seconds, then cancel them and give back what they left.

        What is given back is available at once and has spent no attempt.
        """
        self._stopping = True
        self._done.set()
        if self._resting and self._task is not None:
            self._task.cancel()
        if self._task is not None:
            # Should it have failed, `wait` raises that; a stop goes on.
            await asyncio.wait([self._task])
        if self._running:
            patience = self._clock.patience(grace_seconds, self._interrupt)
            await asyncio.wait(set(self._running))
            patience.cancel()
        if self._renewing is not None:
            self._renewing.cancel()

    async def stop(self) -> None:
        """Stop at once: handlers are cancelled, and what they left is given back."""
        await self.drain_and_stop(0)

    async def _run(self) -> None:
        pause, longest = PAUSE_SECONDS
        while not self._stopping:
            free = self._allowed - len(self._running)
            if free <= 0 or self._held:
                self._done.clear()
                await self._done.wait()
                continue
            try:
                await self._take(free)
                pause = PAUSE_SECONDS[0]
            except QueueClosed:
                return
            except BrokerError as error:
                self._events.emit(
                    ConsumerFailed(queue=self.options.queue, error=type(error).__name__, retry_seconds=pause)
                )
                await self._rest(self._clock.sleep(pause))
                pause = min(pause * 2, longest)

    async def _take(self, free: int) -> None:
        """Lease for free handlers, or wait until that may be worth another try."""
        options, size = self.options, self.options.max_batch_size
        due = self._fill_until_us is not None and self._clock.now_us() >= self._fill_until_us
        whole = options.max_batch_timeout > 0 and not due
        limit = size if due else size * max(1, min(free, LEASE_MAX // size))
        lease = await self._broker.lease(
            options.queue,
            limit=limit,
            fewest=size if whole else 1,
            visibility_us=options.visibility_timeout_ms * 1000,
            suspects=self._suspects,
            busy=bool(self._running),
        )
        if lease.messages:
            self._fill_until_us = None
            self._backlogged = lease.ready >= limit
            await self._hand_over(lease.messages)
        if lease.suspect:
            # Nothing beside it: neither what runs, should it have to wait for that, nor what would come next.
            await self._idle()
        if lease.messages or lease.suspect:
            return
        self._backlogged = False
        await self._wait_to_fill(lease)

    async def _wait_to_fill(self, lease: Lease) -> None:
        moments = [] if lease.next_due_us is None else [lease.next_due_us]
        self._fill_until_us = None
        if lease.first_ready_us is not None:
            # The clock of a batch starts with its first message, but not before the last batch was done.
            start = min(max(lease.first_ready_us, self._flushed_us), self._clock.now_us())
            self._fill_until_us = start + round(self.options.max_batch_timeout * MICROSECOND)
            moments.append(self._fill_until_us)
        until = min(moments, default=None)
        if until is None or until > self._clock.now_us():
            await self._rest(self._broker.wait(self.options.queue, version=lease.version, until_us=until))

    async def _rest(self, waiting: Coroutine[Any, Any, None]) -> None:
        """Wait until a stop cuts it short; a lease, by contrast, is never cut short."""
        if self._stopping:
            waiting.close()
            return
        self._resting = True
        try:
            await waiting
        except asyncio.CancelledError:
            if not self._cut_short():
                raise
        finally:
            self._resting = False

    def _cut_short(self) -> bool:
        """Whether it was our own stop that cancelled the rest; then the loop goes on, to its end."""
        task = asyncio.current_task()
        if task is None or not self._stopping:
            return False
        task.uncancel()
        return True

    async def _hand_over(self, messages: Sequence[Leased]) -> None:
        options = self.options
        if self._stopping:
            await self._settle(settle.Verdict(Settlement(released=messages), ()))
            return
        if any(one.attempts > options.max_retries + 1 for one in messages):
            late = settle.overdue(messages, options.queue, options, now_us=self._clock.now_us())
            messages = [one for one in messages if one.attempts <= options.max_retries + 1]
            if late is not None:
                await self._settle(late)
        self._flushed_us = self._clock.now_us()
        for start in range(0, len(messages), options.max_batch_size):
            leased = messages[start : start + options.max_batch_size]
            task = asyncio.create_task(self._handle(leased), name=f"handler:{options.queue}")
            self._running[task] = None
        self._arm()

    async def _idle(self) -> None:
        """Wait until no handler runs."""
        while self._running and not self._stopping:
            self._done.clear()
            await self._done.wait()

    async def _handle(self, leased: Sequence[Leased]) -> None:
        task = asyncio.current_task()
        assert task is not None
        clock, queue = self._clock, self.options.queue
        batch = MessageBatch(
            queue,
            leased,
            delay_max=self._broker.capabilities.delay_seconds_max,
            extend=self._extend,
            report=self._events.emit if self._events else None,
        )
        self._running[task] = batch
        started_us = clock.now_us()
        with clock.working():
            ending, error = await self._call(batch, task)
            finished_us = clock.now_us()
            self._flushed_us = finished_us
            self._finished(task, ending)
            verdict = settle.decide(batch, ending, self.options, now_us=finished_us, error=error)
            settled = await self._settle(verdict)
        if settled and self._events:
            self._report(batch, verdict, (finished_us - started_us) / MICROSECOND, error)

    async def _call(self, batch: MessageBatch, task: asyncio.Task[None]) -> tuple[settle.Ending, str | None]:
        try:
            await self._handler(batch)
        except asyncio.CancelledError:
            if task in self._lost:
                return settle.Ending.RAISED, LeaseLost.__name__
            if self._interrupting:
                return settle.Ending.INTERRUPTED, None
            # The handler let a cancellation of its own escape: for us that is a failure like any other.
            return settle.Ending.RAISED, "CancelledError"
        except Exception as failure:
            return settle.Ending.RAISED, type(failure).__name__
        return settle.Ending.RETURNED, None

    def _finished(self, task: asyncio.Task[None], ending: settle.Ending) -> None:
        del self._running[task]
        self._lost.discard(task)
        self._raised.append(ending is settle.Ending.RAISED)
        failing = sum(self._raised) / len(self._raised)
        self._allowed = scale(self._allowed, self._maximum, backlog=self._backlogged, failing=failing)
        self._done.set()

    async def _settle(self, verdict: settle.Verdict) -> bool:
        settlement, queue = verdict.settlement, self.options.queue
        try:
            lost = await self._broker.settle(queue, settlement)
        except QueueError as error:
            # Nothing is lost: the messages come again when their leases end.
            concerned = [*settlement.acks, *(one for one, _ in settlement.retries), *settlement.released]
            concerned += [dead.leased for dead in settlement.dead]
            ids = tuple(one.id for one in concerned)
            self._events.emit(SettlementFailed(queue=queue, ids=ids, error=type(error).__name__))
            return False
        missing = {one.id for one in lost}
        if missing:
            self._events.emit(LeaseLost(queue=queue, ids=tuple(missing)))
        for event in verdict.events:
            if getattr(event, "id", None) not in missing:
                self._events.emit(event)
        return True

    def _report(
        self, batch: MessageBatch, verdict: settle.Verdict, seconds: float, error: str | None
    ) -> None:
        settlement, dropped = verdict.settlement, verdict.dropped
        # fmt: off
        self._events.emit(BatchHandled(
            queue=batch.queue, size=len(batch), acked=len(settlement.acks) - dropped,
            retried=len(settlement.retries), dead_lettered=len(settlement.dead), dropped=dropped,
            released=len(settlement.released), duration_seconds=seconds, error=error,
        ))
        # fmt: on

    # Leases are renewed while handlers run.

    def _arm(self) -> None:
        if self._renewal is None and self._running:
            interval = self.options.visibility_timeout_ms / 1000 / RENEWALS_A_LEASE
            self._renewal = self._clock.call_later(interval, self._renew_soon)

    def _renew_soon(self) -> None:
        self._renewal = None
        if self._running:
            self._renewing = asyncio.create_task(self._renew(), name=f"heartbeat:{self.options.queue}")

    async def _renew(self) -> None:
        with self._clock.working():
            visibility_us = self.options.visibility_timeout_ms * 1000
            end_us = self._clock.now_us() + visibility_us
            tasks = {task: batch for task, batch in self._running.items() if batch is not None}
            # A message that the handler extended further keeps its longer lease.
            held = {
                message.id: (message.leased, task)
                for task, batch in tasks.items()
                for message in batch.messages
                if self._longer.get(message.id, 0) < end_us
            }
            self._longer = {id_: until for id_, until in self._longer.items() if until >= end_us}
            try:
                lost = await self._broker.extend(
                    self.options.queue, [leased for leased, _ in held.values()], visibility_us
                )
            except QueueError as error:
                interval = visibility_us / MICROSECOND / RENEWALS_A_LEASE
                self._events.emit(
                    ConsumerFailed(
                        queue=self.options.queue, error=type(error).__name__, retry_seconds=interval
                    )
                )
                lost = ()
            self._cancel_losers([held[one.id][1] for one in lost], [one.id for one in lost])
        self._arm()

    def _cancel_losers(self, tasks: Sequence[asyncio.Task[None]], ids: Sequence[str]) -> None:
        if ids:
            self._events.emit(LeaseLost(queue=self.options.queue, ids=tuple(ids)))
        for task in set(tasks):
            if task in self._running:
                self._lost.add(task)
                task.cancel()

    async def _extend(self, leased: Leased, seconds: float) -> bool:
        duration_us = round(seconds * MICROSECOND)
        lost = await self._broker.extend(self.options.queue, [leased], duration_us)
        if not lost:
            self._longer[leased.id] = self._clock.now_us() + duration_us
        return not lost

    def _interrupt(self) -> None:
        self._interrupting = True
        for task in self._running:
            task.cancel()
