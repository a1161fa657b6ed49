"""Events: listeners hear what they subscribed to, in order, and cannot break the work (kit/events.py)."""

import logging

import pytest

from postroom.kit.events import Events
from postroom.queues.events import BatchHandled, Event, MessageDropped, QueuePurged


def dropped(reason: str = "why") -> MessageDropped:
    return MessageDropped(queue="work", id="0" * 32, attempts=1, reason=reason)


def test_listener_hears_its_kind_only() -> None:
    """Others pass it by."""
    events, heard = Events(), list[MessageDropped]()
    events.subscribe(MessageDropped, heard.append)

    events.emit(QueuePurged(queue="work", count=1))
    events.emit(dropped())

    assert heard == [dropped()]


@pytest.mark.parametrize("kind", [Event, object])
def test_listener_to_a_base_hears_all_of_it(kind: type) -> None:
    """`Event` for all of the queue's, `object` for everything."""
    events, heard = Events(), list[object]()
    events.subscribe(kind, heard.append)

    events.emit(dropped())
    events.emit(QueuePurged(queue="work", count=1))

    assert [type(one) for one in heard] == [MessageDropped, QueuePurged]


def test_listeners_are_called_in_the_order_in_which_they_subscribed() -> None:
    """Each of them, also one that subscribed twice."""
    events, order = Events(), list[int]()
    listeners = [lambda event: order.append(1), lambda event: order.append(2)]
    for listener in (listeners[0], listeners[1], listeners[0]):
        events.subscribe(MessageDropped, listener)

    events.emit(dropped())

    assert order == [1, 2, 1]


def test_unsubscribed_listener_hears_nothing_more() -> None:
    """Unsubscribing twice is harmless, and takes nobody else's subscription."""
    events, heard = Events(), list[MessageDropped]()
    leave, _ = events.subscribe(MessageDropped, heard.append), events.subscribe(MessageDropped, heard.append)
    leave()
    leave()

    events.emit(dropped())

    assert heard == [dropped()]


def test_listener_may_unsubscribe_while_it_is_called() -> None:
    """The others hear the event all the same."""
    events, heard = Events(), list[str]()

    def once(event: MessageDropped) -> None:
        heard.append("once")
        leave()

    leave = events.subscribe(MessageDropped, once)
    events.subscribe(MessageDropped, lambda event: heard.append("other"))
    events.emit(dropped())
    events.emit(dropped())

    assert heard == ["once", "other", "other"]


def test_failing_listener_does_not_break_the_work(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with the kind of the event, but without what the event holds; the others are called."""
    events, heard = Events(), list[MessageDropped]()

    def fail(event: MessageDropped) -> None:
        raise RuntimeError("listener")

    events.subscribe(MessageDropped, fail)
    events.subscribe(MessageDropped, heard.append)
    with caplog.at_level(logging.ERROR, "postroom.events"):
        events.emit(dropped("ssn-123"))

    assert len(heard) == 1
    assert [record.getMessage() for record in caplog.records] == ["a listener failed on MessageDropped"]
    assert "ssn-123" not in caplog.text


def test_bus_is_true_when_anyone_listens() -> None:
    """So that hot paths need not build an event for nobody."""
    events = Events()
    assert not events
    leave = events.subscribe(BatchHandled, lambda event: None)
    assert events
    leave()
    assert not events
