"""`connect`: from a URL and a configuration to open queues."""

import asyncio
import contextlib
import importlib
import inspect
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from types import ModuleType, TracebackType
from typing import Any, Final, Self, TypeVar

from postroom.kit.clock import Clock, SystemClock
from postroom.kit.events import Events
from postroom.queues import wrangler
from postroom.queues.batch import MessageBatch
from postroom.queues.broker import BrokerContext, Capabilities, Enlisting, FullBroker, QueueInfo
from postroom.queues.consumer import Consumer
from postroom.queues.errors import (
    ConfigurationError,
    MissingDependency,
    QueueClosed,
    QueueNotFound,
    UnsupportedCapability,
)
from postroom.queues.options import ConsumerOptions, QueueOptions, QueuesConfig, check_queue_name
from postroom.queues.queue import Queue
from postroom.queues.sent import SentTally

BROKERS: Final = {
    "cloudflare": "postroom.queues.brokers.cloudflare",
    "memory": "postroom.queues.brokers.memory",
    "postgresql": "postroom.queues.brokers.postgres",
    "sqlite": "postroom.queues.brokers.sqlite",
}
"""URL scheme to the module that serves it; imported when first used."""

EXTRAS: Final[dict[str, str]] = {"postgresql": "postgres"}
"""URL scheme to the extra that its module needs."""

GRACE_SECONDS: Final = 30.0
"""How long handlers may go on after a stop was asked for."""

T = TypeVar("T")

Handle = Callable[[MessageBatch], Coroutine[Any, Any, None]]


def connect(
    url: str,
    *,
    config: str | os.PathLike[str] | QueuesConfig | None = None,
    environment: str | None = None,
    clock: Clock | None = None,
    create_queues: bool | None = None,
    grace_seconds: float = GRACE_SECONDS,
) -> "Queues":
    """Queues behind a URL; use them inside `async with connect(...) as queues`.

    `url`: `memory://`, `memory://NAME`, `sqlite:///relative.db`, `sqlite:////absolute.db` or
    `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`, `cloudflare://TOKEN@ACCOUNT_ID`.
    `config`: a wrangler.jsonc, .json or .toml (its `env.<environment>` section if one is named), or a
    QueuesConfig. Without one, a queue comes into being when it is first used; with one, only the queues it
    names (and those made with `create`) exist. `create_queues` overrides that.
    `grace_seconds`: how long handlers may go on after a stop, 0 or more.

    Raises ConfigurationError for a URL or file that does not say what it must; opening raises
    BrokerUnavailable.
    """
    module = module_of(url)
    if config is None:
        read = QueuesConfig()
    elif isinstance(config, QueuesConfig):
        read = config
    else:
        read = wrangler.read(config, environment=environment)
    clock, events = clock or SystemClock(), Events()
    create = config is None if create_queues is None else create_queues
    broker: FullBroker = module.open_url(url, BrokerContext(clock, events, create))
    return Queues(broker, read, clock=clock, events=events, grace_seconds=grace_seconds)


def module_of(url: str) -> ModuleType:
    """The module of the broker behind a URL; raises ConfigurationError, MissingDependency."""
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in BROKERS:
        known = ", ".join(f"{name}://" for name in BROKERS)
        raise ConfigurationError(
            f"no broker for the URL {scheme + separator or url!r}; known: {known}", key="url", allowed=known
        )
    try:
        return importlib.import_module(BROKERS[scheme])
    except ImportError as error:
        raise MissingDependency(
            f'{scheme}:// needs an extra: pip install "postroom[{EXTRAS.get(scheme, scheme)}]"', key="url"
        ) from error


class Bindings:
    """The producers of a configuration: `queues.env.MESSAGE_QUEUE` is the queue bound to that name."""

    def __init__(self, queues: "Queues") -> None:
        self._queues = queues

    def __getattr__(self, binding: str) -> Queue:
        """The queue of a binding; raises AttributeError that lists the known ones."""
        try:
            return self[binding]
        except LookupError as error:
            raise AttributeError(str(error)) from None

    def __getitem__(self, binding: str) -> Queue:
        """The queue of a binding; raises LookupError that lists the known ones."""
        producers = self._queues.config.producers
        if binding not in producers:
            known = ", ".join(producers) or "none; connect with config= to have some"
            raise LookupError(f"no producer binding {binding!r} (known: {known})")
        return self._queues[producers[binding]]


class Queues:
    """The queues of one broker, and the consumers declared on them. Made by `connect`."""

    def __init__(
        self, broker: FullBroker, config: QueuesConfig, *, clock: Clock, events: Events, grace_seconds: float
    ) -> None:
        self.broker = broker
        # Asked once: such a check of a protocol takes longer than a small transaction.
        self._enlisting = broker if isinstance(broker, Enlisting) else None
        self.config = config
        self.clock = clock
        self.events = events
        self.env = Bindings(self)
        self.sent = SentTally()
        self._grace_seconds = grace_seconds
        self._declared: dict[str, ConsumerOptions] = {}
        self._consumers: dict[str, Consumer] = {}
        self._queues: dict[str, Queue] = {}
        self._open = False
        self._running = False

    @property
    def capabilities(self) -> Capabilities:
        """What the broker can do."""
        return self.broker.capabilities

    @property
    def consumers(self) -> Sequence[Consumer]:
        """The consumers declared here."""
        return tuple(self._consumers.values())

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect to the broker and make the queues of the configuration; `async with` does it for you."""
        await self.broker.open()
        self._open = True
        for name in self.config.names():
            await self.broker.create(name, self.config.queues.get(name))

    async def close(self) -> None:
        """Stop the consumers, give back what they had not begun, and let go of the broker."""
        if self._open:
            self._open = False
            await self.stop()
            await self.broker.close()

    def __getitem__(self, name: str) -> Queue:
        """The queue of that name, whether or not it exists yet; raises ConfigurationError for an illegal name."""
        if name not in self._queues:
            check_queue_name(name)
            options = self._declared.get(name) or self.config.consumers.get(name)
            self._queues[name] = Queue(
                name, self.broker, clock=self.clock, events=self.events, options=options, tally=self.sent
            )
        return self._queues[name]

    def pulled(self, options: ConsumerOptions) -> Queue:
        """A queue for a puller with these settings, whatever the configuration says of its consumer."""
        return Queue(options.queue, self.broker, clock=self.clock, events=self.events, options=options)

    def configure(self, name: str, options: ConsumerOptions) -> None:
        """Give the declared consumer of a queue other settings, from its next batch on; raises LookupError."""
        self._consumers[name].configure(options)
        self._declared[name] = options
        self._queues.pop(name, None)

    async def create(self, name: str, options: QueueOptions | None = None) -> bool:
        """Make a queue, or change the options of one that exists; True when it is new."""
        check_queue_name(name)
        return await self.broker.create(name, options)

    async def delete(self, name: str) -> None:
        """Remove a queue with everything in it, for good; raises QueueNotFound."""
        if not await self.broker.delete(name):
            raise QueueNotFound(name, tuple(await self.broker.names()))

    async def names(self) -> Sequence[str]:
        """All queues, sorted."""
        return await self.broker.names()

    async def info(self, name: str) -> QueueInfo:
        """Settings and counts of one queue; raises QueueNotFound."""
        return await self.broker.info(name)

    async def transact(self, function: Callable[[Any], T]) -> T:
        """Run a function in one durable transaction of the broker's database, and return what it returns.

        The function gets the transaction (a `sqlite3.Connection`, or a `psycopg.Connection` on PostgreSQL), may
        read and write tables of its own with it and send with `queue.enlist(..., transaction=...)`; all of it is
        committed together. It runs in another thread, must not wait for anything but the database, and may be
        called again when the transaction has to be repeated, so it must have no effect outside the database.

        Raises UnsupportedCapability where the broker has no such database, else what the function raises.
        """
        if self._enlisting is None:
            raise UnsupportedCapability(
                "this broker has no database to share a transaction with; use sqlite:// or postgresql://",
                key="transaction",
            )
        return await self._enlisting.transact(function)

    def consumer(self, queue: str, **options: Any) -> Callable[[Handle], Handle]:
        """Declare the handler of a queue: a coroutine function that takes a MessageBatch.

        `options` are those of ConsumerOptions; what is not given comes from the configuration's consumer of
        that queue, else from Cloudflare's defaults. A queue has one consumer.
        Raises ConfigurationError for a setting out of range, naming the key, the value and the range.
        """
        configured = self.config.consumers.get(queue) or ConsumerOptions(queue=queue)
        merged = configured.merged(options)

        def declare(handler: Handle) -> Handle:
            function = handler if inspect.isroutine(handler) else type(handler).__call__
            if not inspect.iscoroutinefunction(function):
                raise ConfigurationError(
                    f'the consumer of "{queue}" must be a coroutine function (async def handle(batch): ...)',
                    key="consumer",
                    value=getattr(handler, "__name__", handler),
                )
            if queue in self._consumers:
                raise ConfigurationError(
                    f'queue "{queue}" has a consumer already; a queue has one, which may run many handlers at '
                    "once (max_concurrency)",
                    key="consumer",
                    value=queue,
                )
            self._declared[queue] = merged
            self._queues.pop(queue, None)
            self._consumers[queue] = Consumer(
                self.broker, merged, handler, clock=self.clock, events=self.events
            )
            return handler

        return declare

    async def start(self) -> None:
        """Start the declared consumers and return; `stop` ends them."""
        if not self._open:
            raise QueueClosed
        for name, consumer in self._consumers.items():
            await self.broker.create(name, self.config.queues.get(name))
            await consumer.start()

    async def stop(self) -> None:
        """Stop taking, let handlers finish within the grace period, settle, give back the rest."""
        await asyncio.gather(
            *(consumer.drain_and_stop(self._grace_seconds) for consumer in self._consumers.values())
        )

    async def run(self) -> None:
        """Run the declared consumers until SIGTERM, SIGINT or cancellation; then stop as `stop` does.

        Returns after a signal; raises what ended a consumer, should one fail for good.
        """
        asked = asyncio.Event()
        with _signals(asked.set):
            await self.start()
            waits = [asyncio.create_task(_until(asked), name="signal")]
            waits += [asyncio.create_task(c.wait(), name=f"watch:{c.name}") for c in self._consumers.values()]
            try:
                done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                # A second cancellation must not leave handlers half stopped.
                await asyncio.shield(self.stop())
                for wait in waits:
                    wait.cancel()
                await asyncio.gather(*waits, return_exceptions=True)
            for wait in done:
                await wait

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Consumers run inside the block: `async with queues.running(): ...`."""
        await self.start()
        try:
            yield self
        finally:
            await self.stop()


async def _until(event: asyncio.Event) -> None:
    await event.wait()


@contextlib.contextmanager
def _signals(stop: Callable[[], None]) -> Any:
    """Call `stop` at SIGTERM and SIGINT; where the platform or thread does not allow it, change nothing."""
    loop, caught = asyncio.get_running_loop(), []
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, stop)
            caught.append(number)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
