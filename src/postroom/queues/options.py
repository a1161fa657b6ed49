"""Settings of queues and consumers: wrangler's names, ranges and defaults, checked when they are declared."""

from collections.abc import Mapping
from typing import Any, Self

import msgspec

from postroom.queues import limits
from postroom.queues.errors import ConfigurationError


class QueueOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What belongs to a queue itself."""

    delivery_delay: int = 0
    """Seconds before a sent message becomes available, 0..86,400, unless the message says otherwise."""
    message_retention_period: int = limits.RETENTION_SECONDS_DEFAULT
    """Seconds after which an undelivered message is deleted, 60..1,209,600; 4 days by default."""
    deduplication_window: int = limits.DEDUPLICATION_SECONDS_DEFAULT
    """Seconds for which a deduplication id is remembered, 1..86,400. An extension."""

    def __post_init__(self) -> None:
        check_range("delivery_delay", self.delivery_delay, 0, limits.DELAY_SECONDS_MAX, "seconds")
        check_range(
            "message_retention_period",
            self.message_retention_period,
            limits.RETENTION_SECONDS_MIN,
            limits.RETENTION_SECONDS_MAX,
            "seconds",
        )
        check_range(
            "deduplication_window", self.deduplication_window, 1, limits.DEDUPLICATION_SECONDS_MAX, "seconds"
        )


class ConsumerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a consumer takes messages from its queue."""

    queue: str
    max_batch_size: int = limits.BATCH_SIZE_DEFAULT
    """Messages in a batch, 1..100."""
    max_batch_timeout: float = limits.BATCH_TIMEOUT_SECONDS_DEFAULT
    """Seconds to wait for a batch to fill, from its first message on, 0..60."""
    max_retries: int = limits.RETRIES_DEFAULT
    """Deliveries after the first, 0..100; a message is delivered at most `max_retries + 1` times."""
    dead_letter_queue: str | None = None
    """Where a message goes that was retried for the last time; without one it is dropped, with an event."""
    max_concurrency: int | None = None
    """Handlers that may run at once in one process, 1..250; None means 250, reached only under a backlog."""
    retry_delay: int = 0
    """Seconds before a retried message comes again, 0..86,400, unless the retry says otherwise."""
    visibility_timeout_ms: int = limits.VISIBILITY_MS_DEFAULT
    """The lease, 1..43,200,000 ms; renewed by heartbeat while a push handler runs."""

    def __post_init__(self) -> None:
        check_queue_name(self.queue, "queue")
        check_range("max_batch_size", self.max_batch_size, 1, limits.BATCH_COUNT_MAX, "messages")
        check_range(
            "max_batch_timeout",
            self.max_batch_timeout,
            0,
            limits.BATCH_TIMEOUT_SECONDS_MAX,
            "seconds",
            whole=False,
        )
        check_range("max_retries", self.max_retries, 0, limits.RETRIES_MAX, "retries")
        check_range("retry_delay", self.retry_delay, 0, limits.DELAY_SECONDS_MAX, "seconds")
        check_range(
            "visibility_timeout_ms", self.visibility_timeout_ms, 1, limits.VISIBILITY_MS_MAX, "milliseconds"
        )
        if self.max_concurrency is not None:
            check_range("max_concurrency", self.max_concurrency, 1, limits.CONCURRENCY_MAX, "handlers")
        if self.dead_letter_queue is not None:
            check_queue_name(self.dead_letter_queue, "dead_letter_queue")
            if self.dead_letter_queue == self.queue:
                raise ConfigurationError(
                    f'dead_letter_queue: the dead letter queue of "{self.queue}" cannot be itself',
                    key="dead_letter_queue",
                    value=self.dead_letter_queue,
                    allowed="the name of another queue",
                )

    def merged(self, changes: Mapping[str, Any]) -> Self:
        """A copy with some settings changed; raises ConfigurationError for a name that is not a setting."""
        unknown = sorted(set(changes) - set(self.__struct_fields__))
        if unknown:
            known = ", ".join(name for name in self.__struct_fields__ if name != "queue")
            raise ConfigurationError(
                f"{unknown[0]} is not a consumer setting; known: {known}", key=unknown[0], allowed=known
            )
        return msgspec.structs.replace(self, **changes)


class QueuesConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The queues of a project: what `wrangler.jsonc` says, or the same written in Python."""

    producers: Mapping[str, str] = {}
    """Binding name to queue name, for example `{"MESSAGE_QUEUE": "message-delivery"}`."""
    consumers: Mapping[str, ConsumerOptions] = {}
    """Queue name to the settings of its consumer."""
    queues: Mapping[str, QueueOptions] = {}
    """Queue name to the settings of the queue itself, where they differ from the defaults."""
    crons: tuple[str, ...] = ()
    """`triggers.crons`."""
    vars: Mapping[str, Any] = {}
    """`vars`, as they stand."""
    warnings: tuple[str, ...] = ()
    """What the reader found odd but not wrong."""
    source: str | None = None
    """The file it was read from."""
    name: str | None = None
    """What the file calls the Worker."""

    def names(self) -> tuple[str, ...]:
        """Every queue that is named anywhere, each once, in order of first mention."""
        named = [*self.producers.values(), *self.consumers, *self.queues]
        named += [c.dead_letter_queue for c in self.consumers.values() if c.dead_letter_queue]
        return tuple(dict.fromkeys(named))


def check_range(
    key: str,
    value: object,
    low: float,
    high: float,
    unit: str,
    *,
    whole: bool = True,
    where: str | None = None,
) -> None:
    """Raise ConfigurationError unless `value` is a number (a whole one by default) from `low` to `high`."""
    kinds = (int,) if whole else (int, float)
    if isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high:
        return
    kind = "a whole number" if whole else "a number"
    raise ConfigurationError.out_of_range(key, value, f"{kind} from {low:,} to {high:,} {unit}", where)


def check_queue_name(name: object, key: str = "queue", where: str | None = None) -> None:
    """Raise ConfigurationError unless `name` is what Cloudflare allows a queue to be called."""
    if not isinstance(name, str) or not limits.QUEUE_NAME.fullmatch(name):
        raise ConfigurationError.out_of_range(
            key, name, "1 to 63 lower-case letters, digits and dashes, with no dash at either end", where
        )
