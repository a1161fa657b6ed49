"""From what a caller sends to what a broker stores: checked, encoded, stamped."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from msgspec import structs

from postroom.kit.clock import MICROSECOND, Clock
from postroom.kit.ids import new_id
from postroom.kit.redact import Discreet
from postroom.queues import limits
from postroom.queues.broker import PRIORITIES, Capabilities, Outgoing
from postroom.queues.content import encode
from postroom.queues.errors import ConfigurationError, MessageRejected, MessageTooLarge, UnsupportedCapability
from postroom.queues.message import Metadata, write_metadata
from postroom.queues.options import check_range


class MessageSendRequest(Discreet, frozen=True):
    """One message of a `send_batch`. Its repr does not show the body."""

    shown: ClassVar[tuple[str, ...]] = ("content_type", "delay_seconds", "priority", "deduplication_id")

    body: Any
    content_type: str = "json"
    delay_seconds: float | None = None
    priority: str = "normal"
    deduplication_id: str | None = None
    trace: Mapping[str, str] | None = None
    """Headers that continue a trace (`traceparent`, `sentry-trace`, ...): kept beside the body, `Message.trace`."""


class Preparation:
    """Prepares messages for one broker's capabilities."""

    def __init__(self, capabilities: Capabilities, clock: Clock) -> None:
        self._capabilities = capabilities
        self._clock = clock

    def one(
        self,
        body: Any,
        content_type: str,
        delay_seconds: float | None,
        priority: str,
        deduplication_id: str | None,
        trace: Mapping[str, str] | None = None,
    ) -> Outgoing:
        """One message; raises MessageRejected or ConfigurationError."""
        data = encode(body, content_type)
        if len(data) > limits.MESSAGE_BYTES_MAX:
            raise MessageTooLarge(
                f"message length of {len(data)} bytes exceeds limit of {limits.MESSAGE_BYTES_MAX}",
                size=len(data),
                limit=limits.MESSAGE_BYTES_MAX,
            )
        delay_us = None if delay_seconds is None else self._delay_us(delay_seconds)
        level = PRIORITIES.get(priority)
        if level is None:
            raise ConfigurationError.out_of_range("priority", priority, "high, normal, low")
        if priority != "normal" and not (self._capabilities.priority or self._capabilities.priority_as_delay):
            raise UnsupportedCapability(
                "this broker has no priorities; send with a delay instead", key="priority"
            )
        if deduplication_id is not None:
            self._check_deduplication(deduplication_id)
        meta = write_metadata(Metadata(trace=dict(trace))) if trace else None
        return Outgoing(
            new_id(), data, content_type, level, delay_us, deduplication_id, self._clock.now_us(), meta
        )

    def many(
        self, messages: Iterable[MessageSendRequest | Mapping[str, Any]], delay_seconds: float | None
    ) -> Sequence[Outgoing]:
        """A batch of 1..100 messages and 256,000 bytes; errors name the item."""
        if isinstance(messages, Mapping | str | bytes):
            raise MessageRejected(
                "send_batch takes a list of messages, each with a body; for one message use send"
            )
        default = None if delay_seconds is None else self._delay_us(delay_seconds)
        prepared: list[Outgoing] = []
        size = 0
        for index, given in enumerate(messages):
            if index == limits.BATCH_COUNT_MAX:
                raise MessageTooLarge(
                    f"batch message count exceeds limit of {limits.BATCH_COUNT_MAX}; send several batches",
                    size=index + 1,
                    limit=limits.BATCH_COUNT_MAX,
                )
            message = self._item(index, given)
            if message.delay_us is None and default is not None:
                message = structs.replace(message, delay_us=default)
            prepared.append(message)
            size += len(message.body)
        if not prepared:
            raise MessageRejected("send_batch requires at least one message")
        if size > limits.BATCH_BYTES_MAX:
            raise MessageTooLarge(
                f"batch size of {size} bytes exceeds limit of {limits.BATCH_BYTES_MAX}; send several batches",
                size=size,
                limit=limits.BATCH_BYTES_MAX,
            )
        return prepared

    def _item(self, index: int, given: MessageSendRequest | Mapping[str, Any]) -> Outgoing:
        request = given if isinstance(given, MessageSendRequest) else _request(index, given)
        try:
            return self.one(
                request.body,
                request.content_type,
                request.delay_seconds,
                request.priority,
                request.deduplication_id,
                request.trace,
            )
        except (MessageRejected, ConfigurationError) as error:
            error.args = (f"message {index} of the batch: {error.args[0]}", *error.args[1:])
            raise

    def _delay_us(self, seconds: float) -> int:
        most = self._capabilities.delay_seconds_max
        high = limits.DELAY_SECONDS_CEILING if most is None else most
        check_range("delay_seconds", seconds, 0, high, "seconds", whole=False)
        return round(seconds * MICROSECOND)

    def _check_deduplication(self, key: object) -> None:
        if not self._capabilities.deduplication:
            raise UnsupportedCapability("this broker does not deduplicate", key="deduplication_id")
        if not isinstance(key, str) or not 1 <= len(key) <= limits.DEDUPLICATION_ID_CHARS_MAX:
            raise ConfigurationError.out_of_range(
                "deduplication_id", key, f"1 to {limits.DEDUPLICATION_ID_CHARS_MAX} characters"
            )


_FIELDS = frozenset(MessageSendRequest.__struct_fields__)


def _request(index: int, given: object) -> MessageSendRequest:
    if not isinstance(given, Mapping) or "body" not in given:
        raise MessageRejected(
            f"message {index} of the batch is not a MessageSendRequest or a mapping with a body"
        )
    unknown = set(given) - _FIELDS
    if unknown:
        names = ", ".join(sorted(map(str, unknown)))
        raise MessageRejected(
            f"message {index} of the batch has unknown fields: {names} (known: {', '.join(sorted(_FIELDS))})"
        )
    return MessageSendRequest(**given)
