"""What the cases share: a handler that notes what it is given, and the words in which they are written."""

import inspect
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import pytest

from postroom.queues import Message, MessageBatch, Queues
from postroom.queues.testing import VirtualClock

WORK, DEAD, OTHER = "work", "dead-work", "other"
"""The queues of the cases."""

PATIENCE_SECONDS = 10.0
"""Real seconds for what takes milliseconds."""

E = TypeVar("E")
Act = Callable[[MessageBatch], Awaitable[None] | None]


class Connect(Protocol):
    """Opens the case's store once more, on the case's clock; closed when the case ends."""

    async def __call__(self, **options: Any) -> Queues:
        """`options` are those of `postroom.queues.connect`."""


class Failure(Exception):
    """What a failing handler raises."""


class Delivery(NamedTuple):
    """A batch that was handed over."""

    seconds: float
    """Virtual seconds since the recorder was made."""
    queue: str
    messages: Sequence[Message]


class Recorder:
    """A handler that notes every batch, then does as it is told."""

    def __init__(self, clock: VirtualClock, act: Act | None = None) -> None:
        self._clock = clock
        self._act = act
        self._begun_us = clock.now_us()
        self.deliveries: list[Delivery] = []
        self.running = 0
        """Handlers that run now."""
        self.finished = 0
        """Handlers that ended, whether or not they raised or were cancelled."""

    async def __call__(self, batch: MessageBatch) -> None:
        """Note the batch and act on it."""
        seconds = (self._clock.now_us() - self._begun_us) / 1_000_000
        self.deliveries.append(Delivery(seconds, batch.queue, batch.messages))
        self.running += 1
        try:
            result = self._act(batch) if self._act is not None else None
            if inspect.isawaitable(result):
                await result
        finally:
            self.running -= 1
            self.finished += 1

    @property
    def batches(self) -> list[list[Any]]:
        """The bodies of each batch."""
        return [[message.body for message in delivery.messages] for delivery in self.deliveries]

    @property
    def sizes(self) -> list[int]:
        """How many messages each batch had."""
        return [len(delivery.messages) for delivery in self.deliveries]

    @property
    def times(self) -> list[float]:
        """When each batch came."""
        return [delivery.seconds for delivery in self.deliveries]

    @property
    def messages(self) -> list[Message]:
        """Every message in the order of delivery."""
        return [message for delivery in self.deliveries for message in delivery.messages]

    @property
    def bodies(self) -> list[Any]:
        """Every body in the order of delivery."""
        return [message.body for message in self.messages]

    @property
    def attempts(self) -> list[int]:
        """`attempts` of every message in the order of delivery."""
        return [message.attempts for message in self.messages]

    def when(self, body: object) -> list[float]:
        """The moments at which a message with that body came."""
        return [
            one.seconds for one in self.deliveries if any(message.body == body for message in one.messages)
        ]


def consume(queues: Queues, queue: str, act: Act | None = None, **options: Any) -> Recorder:
    """Declare a recorder as the consumer of a queue; unless told otherwise it does not wait to fill its batches."""
    recorder = Recorder(clock_of(queues), act)
    queues.consumer(queue, **{"max_batch_timeout": 0, **options})(recorder)
    return recorder


def heard(queues: Queues, kind: type[E]) -> list[E]:
    """The events of a kind from now on."""
    events: list[E] = []
    queues.events.subscribe(kind, events.append)
    return events


def clock_of(queues: Queues) -> VirtualClock:
    """The virtual clock that the queues were connected with."""
    assert isinstance(queues.clock, VirtualClock)
    return queues.clock


async def until(queues: Queues, condition: Callable[[], object]) -> None:
    """Let happen what another connection to the store causes; it reaches this one in real time, if promptly."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS:g} s"
        await clock_of(queues).advance(0)


def requests(*bodies: object) -> list[dict[str, Any]]:
    """Bodies as `send_batch` takes them."""
    return [{"body": body} for body in bodies]


def retry_all(batch: MessageBatch) -> None:
    """A handler that gives everything back."""
    batch.retry_all()


def fail(batch: MessageBatch) -> None:
    """A handler that raises."""
    raise Failure(batch.queue)


def require(queues: Queues, *capabilities: str) -> None:
    """Skip the case unless the broker has these capabilities."""
    lacking = [name for name in capabilities if not getattr(queues.capabilities, name)]
    if lacking:
        pytest.skip(f"the broker lacks: {', '.join(lacking)}")
