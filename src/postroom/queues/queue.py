"""One queue: the door through which messages are sent, pulled and looked after."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import structs

from postroom.kit.clock import MICROSECOND, Clock
from postroom.kit.events import Events
from postroom.queues import limits, redrive
from postroom.queues.batch import MessageBatch
from postroom.queues.broker import (
    Enlisting,
    FullBroker,
    Leased,
    Settlement,
)
from postroom.queues.errors import QueuePaused, UnsupportedCapability
from postroom.queues.events import DeliveryPaused, DeliveryResumed, QueuePurged
from postroom.queues.options import ConsumerOptions, QueueOptions, check_range
from postroom.queues.producer import MessageSendRequest, Preparation
from postroom.queues.results import (
    PeekedMessage,
    PulledBatch,
    QueueMetrics,
    Retry,
    SendResult,
    SettleResult,
    make_lease_id,
    parse_lease_id,
    peeked,
    pulled,
    read_metrics,
    read_retry,
    send_results,
)
from postroom.queues.sent import SentTally
from postroom.queues.settle import Ending, Verdict, decide, overdue


class Queue:
    """One queue of a broker. Get it from `queues["name"]` or `queues.env.BINDING`."""

    def __init__(
        self,
        name: str,
        broker: FullBroker,
        *,
        clock: Clock,
        events: Events,
        options: ConsumerOptions | None = None,
        tally: SentTally | None = None,
    ) -> None:
        self.name = name
        self.clock = clock
        self._broker = broker
        # Asked once: such a check of a protocol takes longer than the sending itself.
        self._enlisting = broker if isinstance(broker, Enlisting) else None
        self._events = events
        self._consumer = options or ConsumerOptions(queue=name)
        self._prepare = Preparation(broker.capabilities, clock)
        self._tally = tally or SentTally()

    def __repr__(self) -> str:
        return f"<Queue {self.name}>"

    # Sending.

    async def send(
        self,
        body: Any,
        *,
        content_type: str = "json",
        delay_seconds: float | None = None,
        priority: str = "normal",
        deduplication_id: str | None = None,
        transaction: Any = None,
    ) -> SendResult:
        """Store one message; it is durable when this returns (see the broker's capabilities).

        `delay_seconds`: 0..86,400, or longer where the broker can; None means the queue's `delivery_delay`.
        Extensions: `priority` high, normal or low; `deduplication_id` (1..128 characters), remembered for the
        queue's `deduplication_window`; `transaction`, an open transaction of yours on the same database, with
        which the message comes into being or not at all.

        Raises MessageTooLarge, ContentTypeError, ConfigurationError (delay, priority), QueueNotFound,
        StorageFull, BrokerUnavailable.
        """
        message = self._prepare.one(body, content_type, delay_seconds, priority, deduplication_id)
        if transaction is None:
            sent = await self._broker.send(self.name, (message,))
            self._tally.add(self.name, 1 - len(sent.duplicates))
        else:
            sent = await self._join(transaction).enlist_async(transaction, self.name, (message,))
            self._tally.add(self.name, 1 - len(sent.duplicates))
        return SendResult(sent.ids[0], bool(sent.duplicates), sent.backlog)

    async def send_batch(
        self,
        messages: Iterable[MessageSendRequest | Mapping[str, Any]],
        *,
        delay_seconds: float | None = None,
        transaction: Any = None,
    ) -> list[SendResult]:
        """Store up to 100 messages (256,000 bytes together), all or none.

        Items are MessageSendRequest or mappings with the same fields; `delay_seconds` is for those without
        one of their own. Raises as `send`, naming the item.
        """
        prepared = self._prepare.many(messages, delay_seconds)
        if transaction is None:
            sent = await self._broker.send(self.name, prepared)
        else:
            sent = await self._join(transaction).enlist_async(transaction, self.name, prepared)
        self._tally.add(self.name, len(sent.ids) - len(sent.duplicates))
        return send_results(sent)

    def enlist(
        self,
        messages: Iterable[MessageSendRequest | Mapping[str, Any]],
        *,
        transaction: Any,
        delay_seconds: float | None = None,
    ) -> list[SendResult]:
        """Write messages through an open transaction of yours, without waiting for anything.

        The same as `send_batch(transaction=...)` for code that runs where the transaction lives, such as a
        function inside the store's own writer.
        """
        prepared = self._prepare.many(messages, delay_seconds)
        sent = self._join(transaction).enlist(transaction, self.name, prepared)
        self._tally.add(self.name, len(sent.ids) - len(sent.duplicates))
        return send_results(sent)

    def _join(self, transaction: Any) -> Enlisting:
        if self._enlisting is None:
            raise UnsupportedCapability(
                f"this broker cannot send inside your transaction ({type(transaction).__name__}); use sqlite:// on "
                "the same file, or postgresql:// on the same database",
                key="transaction",
            )
        return self._enlisting

    # Pulling.

    async def pull(
        self, *, batch_size: int = limits.PULL_BATCH_SIZE_DEFAULT, visibility_timeout_ms: int | None = None
    ) -> PulledBatch:
        """Lease up to `batch_size` (1..100) messages for so long (else the consumer's setting); may be none.

        Settle them by their `lease_id` in time: a lease that ends counts as a failed delivery.
        Raises QueuePaused while delivery is paused.
        """
        messages = await self.lease(batch_size=batch_size, visibility_timeout_ms=visibility_timeout_ms)
        backlog = await self._broker.backlog(self.name)
        return PulledBatch(messages=[pulled(one) for one in messages], message_backlog_count=backlog.messages)

    async def lease(
        self, *, batch_size: int = limits.PULL_BATCH_SIZE_DEFAULT, visibility_timeout_ms: int | None = None
    ) -> Sequence[Leased]:
        """As `pull`, for who passes messages on: as they are stored, without decoding them."""
        check_range("batch_size", batch_size, 1, limits.BATCH_COUNT_MAX, "messages")
        if visibility_timeout_ms is None:
            visibility_timeout_ms = self._consumer.visibility_timeout_ms
        check_range(
            "visibility_timeout_ms", visibility_timeout_ms, 1, limits.VISIBILITY_MS_MAX, "milliseconds"
        )
        messages: list[Leased] = []
        while len(messages) < batch_size:
            lease = await self._broker.lease(
                self.name,
                limit=batch_size - len(messages),
                fewest=1,
                visibility_us=visibility_timeout_ms * 1000,
            )
            late = overdue(lease.messages, self.name, self._consumer, now_us=self.clock.now_us())
            messages += [one for one in lease.messages if one.attempts <= self._consumer.max_retries + 1]
            if late is not None:
                await self._conclude(late)
            elif lease.messages or lease.next_due_us is None or lease.next_due_us > self.clock.now_us():
                break
        if not messages and (await self._broker.info(self.name)).paused:
            raise QueuePaused(self.name)
        return messages

    async def settle(
        self,
        *,
        acks: Iterable[str] = (),
        retries: Iterable[Retry | str | Mapping[str, Any]] = (),
        dead_letters: Mapping[str, str] | None = None,
    ) -> SettleResult:
        """Acknowledge pulled messages, give them back, or send them to the dead-letter queue with a reason.

        Late acks count, with a warning; a late retry changes nothing, with a warning. A retried message that
        had its last delivery goes to the consumer's dead-letter queue. Raises ConfigurationError for what is
        not a lease id.
        """
        warnings: dict[str, str] = {}
        acked = {lease_id: parse_lease_id(lease_id) for lease_id in acks}
        returned = [read_retry(one) for one in retries]
        batch = MessageBatch(
            self.name,
            await self._with_history([parse_lease_id(one.lease_id) for one in returned]),
            delay_max=self._broker.capabilities.delay_seconds_max,
        )
        for message, one in zip(batch.messages, returned, strict=True):
            message.retry(delay_seconds=one.delay_seconds)
        doomed = [parse_lease_id(lease_id) for lease_id in dead_letters or {}]
        buried = MessageBatch(self.name, await self._with_history(doomed, all_of_them=True))
        for message, reason in zip(buried.messages, (dead_letters or {}).values(), strict=True):
            message.dead_letter(reason)
        lost = await self._broker.settle(self.name, Settlement(acks=list(acked.values()), late_acks=True))
        for leased in lost:
            warnings[make_lease_id(leased)] = "the lease had ended or the message was already acknowledged"
        retried = 0
        for part in (batch, buried):
            if part.messages:
                verdict = decide(part, Ending.RETURNED, self._consumer, now_us=self.clock.now_us())
                for leased in await self._conclude(verdict):
                    warnings[make_lease_id(leased)] = "the lease had ended, so nothing was changed"
                    retried -= part is batch
        return SettleResult(ack_count=len(acked), retry_count=len(returned) + retried, warnings=warnings)

    async def extend(self, lease_id: str, seconds: float) -> bool:
        """Let a pulled message's lease end so many seconds from now; False when it was lost already."""
        check_range("seconds", seconds, 0, limits.VISIBILITY_MS_MAX / 1000, "seconds", whole=False)
        one = parse_lease_id(lease_id)
        return not await self._broker.extend(self.name, [one], round(seconds * MICROSECOND))

    async def _with_history(self, leased: Sequence[Leased], *, all_of_them: bool = False) -> Sequence[Leased]:
        """What a lease id does not carry: the former failures of those that are about to become dead letters."""
        last = {one.key for one in leased if all_of_them or one.attempts > self._consumer.max_retries}
        if not last:
            return leased
        found = {one.key: one.meta for one in await self._broker.find(self.name, list(last))}
        return [structs.replace(one, meta=found.get(one.key)) for one in leased]

    async def _conclude(self, verdict: Verdict) -> Sequence[Leased]:
        lost = await self._broker.settle(self.name, verdict.settlement)
        missing = {one.id for one in lost}
        for event in verdict.events:
            if getattr(event, "id", None) not in missing:
                self._events.emit(event)
        return lost

    # Looking and looking after.

    async def metrics(self) -> QueueMetrics:
        """How much waits, and since when."""
        return read_metrics(await self._broker.backlog(self.name))

    async def peek(self, *, batch_size: int = 10) -> list[PeekedMessage]:
        """Look at the next messages (1..100), delayed ones after those that are ready, without touching them."""
        check_range("batch_size", batch_size, 1, limits.BATCH_COUNT_MAX, "messages")
        return [peeked(one) for one in await self._broker.peek(self.name, batch_size)]

    async def pause(self) -> None:
        """Stop delivery, for every process and over restarts; sending goes on, and so does retention."""
        await self._broker.pause(self.name, True)
        self._events.emit(DeliveryPaused(queue=self.name))

    async def resume(self) -> None:
        """Continue delivery."""
        await self._broker.pause(self.name, False)
        self._events.emit(DeliveryResumed(queue=self.name))

    async def purge(self) -> int:
        """Delete everything that is ready or delayed, for good; returns how many. What is in flight may finish."""
        count = await self._broker.purge(self.name)
        self._events.emit(QueuePurged(queue=self.name, count=count))
        return count

    async def configure(self, options: QueueOptions) -> None:
        """Change the settings of the queue itself; they hold for every process."""
        await self._broker.create(self.name, options)

    async def redrive(
        self,
        *,
        to: str | None = None,
        matching: redrive.Filter | None = None,
        dry_run: bool = False,
        rate: float | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> redrive.Redriven:
        """Move dead letters back to the queues they failed on (or to `to`), their attempts starting again.

        Only what `matching` accepts; at most `rate` messages a second. With `dry_run` nothing moves and the
        answer tells what would. A message is never moved twice. `progress` is called with the number moved so far,
        of which the last holds also when the redrive is cancelled. Raises ConfigurationError, QueueNotFound.
        """
        plan = redrive.Plan(source=self.name, to=to, matching=matching or redrive.Filter(), rate=rate)
        return await redrive.run(
            self._broker, plan, dry_run=dry_run, clock=self.clock, events=self._events, progress=progress
        )
