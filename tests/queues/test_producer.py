"""From what a caller sends to what a broker stores."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from postroom.queues import (
    Capabilities,
    ConfigurationError,
    ContentTypeError,
    MessageRejected,
    MessageSendRequest,
    MessageTooLarge,
    UnsupportedCapability,
)
from postroom.queues.broker import Outgoing
from postroom.queues.brokers.memory import CAPABILITIES
from postroom.queues.producer import Preparation
from postroom.queues.testing import VirtualClock

PLAIN = structs.replace(CAPABILITIES, priority=False, deduplication=False, delay_seconds_max=86_400)


def one(capabilities: Capabilities = CAPABILITIES, **given: Any) -> Outgoing:
    fields: dict[str, Any] = {
        "body": "a",
        "content_type": "json",
        "delay_seconds": None,
        "priority": "normal",
        "deduplication_id": None,
        **given,
    }
    return Preparation(capabilities, VirtualClock()).one(**fields)


def many(messages: Any, delay_seconds: float | None = None) -> list[Outgoing]:
    return list(Preparation(CAPABILITIES, VirtualClock()).many(messages, delay_seconds))


def test_message_is_stamped() -> None:
    """An id of its own and the moment; no delay means the queue's."""
    clock = VirtualClock()
    first, second = Preparation(CAPABILITIES, clock).many([{"body": 1}, {"body": 1}], None)

    assert re.fullmatch("[0-9a-f]{32}", first.id)
    assert first.id != second.id
    assert (first.sent_us, first.delay_us, first.meta) == (clock.now_us(), None, None)


@pytest.mark.parametrize(
    ("given", "stored"), [(None, None), (0, 0), (0.5, 500_000), (86_400, 86_400_000_000)]
)
def test_delay_is_stored_in_microseconds(given: float | None, stored: int | None) -> None:
    """0 is a value, not an absence."""
    assert one(delay_seconds=given).delay_us == stored


@pytest.mark.parametrize(("priority", "level"), [("high", 0), ("normal", 1), ("low", 2)])
def test_priority_is_a_level(priority: str, level: int) -> None:
    """The lower, the sooner."""
    assert one(priority=priority).priority == level


@pytest.mark.parametrize(
    ("item", "batch", "stored"),
    [(None, None, None), (None, 3, 3_000_000), (0, 3, 0), (7, 3, 7_000_000), (7, None, 7_000_000)],
)
def test_delay_of_an_item_goes_before_the_batchs(
    item: float | None, batch: float | None, stored: int | None
) -> None:
    """Also when it is none at all."""
    assert many([MessageSendRequest("a", delay_seconds=item)], batch)[0].delay_us == stored


@pytest.mark.parametrize(
    ("act", "error", "says"),
    [
        (lambda: one(body="x" * 127_999), MessageTooLarge, "message length of 128001 bytes exceeds limit of 128000"),
        (lambda: one(body=object()), ContentTypeError, "cannot hold this object"),
        (lambda: one(content_type="v8"), ContentTypeError, "Cloudflare Workers"),
        (lambda: one(delay_seconds=-1), ConfigurationError, "delay_seconds is -1"),
        (lambda: one(delay_seconds=float("nan")), ConfigurationError, "delay_seconds is nan"),
        (lambda: one(delay_seconds=3_153_600_001), ConfigurationError, "delay_seconds is 3153600001"),
        (lambda: one(PLAIN, delay_seconds=86_401), ConfigurationError, "delay_seconds is 86401"),
        (lambda: one(priority="urgent"), ConfigurationError, "priority is 'urgent'; allowed: high, normal, low"),
        (lambda: one(PLAIN, priority="high"), UnsupportedCapability, "no priorities"),
        (lambda: one(PLAIN, deduplication_id="k"), UnsupportedCapability, "does not deduplicate"),
        (lambda: one(deduplication_id=""), ConfigurationError, "1 to 128 characters"),
        (lambda: one(deduplication_id="k" * 129), ConfigurationError, "1 to 128 characters"),
        (lambda: one(deduplication_id=5), ConfigurationError, "1 to 128 characters"),
        (lambda: many([]), MessageRejected, "requires at least one message"),
        (lambda: many([{"body": 1}] * 101), MessageTooLarge, "batch message count exceeds limit of 100"),
        (lambda: many([{"body": b"x" * 85_334, "content_type": "bytes"}] * 3), MessageTooLarge, "batch size of 256002 bytes"),
        (lambda: many({"body": 1}), MessageRejected, "for one message use send"),
        (lambda: many("ab"), MessageRejected, "for one message use send"),
        (lambda: many([{"body": 1}, 5]), MessageRejected, "message 1 of the batch is not"),
        (lambda: many([{"body": 1}, {}]), MessageRejected, "message 1 of the batch is not"),
        (lambda: many([{"body": 1, "delay": 5}]), MessageRejected, "message 0 of the batch has unknown fields: delay"),
        (lambda: many([{"body": 1}, {"body": 1, "delay_seconds": -1}]), ConfigurationError, "message 1 of the batch: delay_seconds is -1"),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_refused(act: Callable[[], object], error: type[Exception], says: str) -> None:
    """The text names the item, the limit and what was given."""
    with pytest.raises(error, match=re.escape(says)):
        act()


@pytest.mark.parametrize(
    "act",
    [
        lambda: one(body=b"x" * 128_000, content_type="bytes"),
        lambda: many([{"body": 1}] * 100),
        lambda: many([{"body": b"x" * 128_000, "content_type": "bytes"}] * 2),
        lambda: one(PLAIN, delay_seconds=86_400),
        lambda: one(deduplication_id="k" * 128),
    ],
    ids=["128,000 bytes", "100 messages", "256,000 bytes", "a day", "128 characters"],
)
def test_limits_themselves_are_allowed(act: Callable[[], object]) -> None:
    """What is refused begins one above."""
    assert act()


def test_count_is_judged_before_all_items_are_read() -> None:
    """An endless iterable does not fill the memory."""

    def endless() -> Any:
        while True:
            yield {"body": 1}

    with pytest.raises(MessageTooLarge) as caught:
        many(endless())

    assert (caught.value.size, caught.value.limit) == (101, 100)


def test_request_does_not_show_its_body() -> None:
    """Bodies hold personal data, and reprs end in logs."""
    assert "hunter2" not in repr(MessageSendRequest("hunter2"))
