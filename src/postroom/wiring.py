"""Where the parts are put together: settings in, a working application out. Nothing else composes."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

from postroom import __version__
from postroom.delivery import Provider, load
from postroom.exports import ExportGenerator
from postroom.jobs import (
    CleanupJob,
    Dispatcher,
    EmailJob,
    ExportJob,
    JobProducer,
    JobRegistry,
    PriorityDelays,
    RetryPolicy,
    SmsJob,
)
from postroom.kit.clock import Clock, SystemClock
from postroom.messages import EmailSender, StoreLedger, TextSender, UncertainPolicy, record_given_up
from postroom.queues import ConsumerOptions, Queues, QueuesConfig, connect
from postroom.retention import Cleanup
from postroom.settings import Settings
from postroom.store import Store, open_store
from postroom.web import Token, WebServices
from postroom.workers import StatusReader

DEFAULT_QUEUE = "message-delivery"
DEFAULT_CONFIG = QueuesConfig(
    producers={"MESSAGE_QUEUE": DEFAULT_QUEUE},
    consumers={
        DEFAULT_QUEUE: ConsumerOptions(
            queue=DEFAULT_QUEUE,
            max_batch_size=10,
            max_batch_timeout=1,
            max_retries=5,
            dead_letter_queue="dlq",
        )
    },
)
"""What holds where there is no wrangler file: the reference configuration, with a batch timeout of a second."""


class Application(NamedTuple):
    """A working Postroom: open queues, open store, and what sends jobs into them."""

    settings: Settings
    clock: Clock
    queues: Queues
    store: Store
    registry: JobRegistry
    producer: JobProducer
    status: StatusReader
    queue: str
    """The name of the queue that jobs go to."""

    @property
    def dead_letter_queue(self) -> str | None:
        """Where the jobs' consumer sends what failed for good."""
        consumer = self.queues.config.consumers.get(self.queue)
        return consumer.dead_letter_queue if consumer is not None else None


@asynccontextmanager
async def open_application(
    settings: Settings,
    *,
    consume: bool,
    registry: JobRegistry | None = None,
    clock: Clock | None = None,
    smtp_url: str | None = None,
) -> AsyncIterator[Application]:
    """Open everything for the length of a block, and close it in reverse order.

    With `consume`, the consumer of jobs is declared (not started: `queues.start` or `queues.run` does that)
    and its providers are opened. `smtp_url` stands in for the setting. A `registry` with job types of your own
    gets the processors of the built-in ones.
    """
    clock = clock or SystemClock()
    registry = registry or JobRegistry()
    environment = None if settings.local else settings.environment
    async with AsyncExitStack() as stack:
        queues = connect(
            settings.queue_url,
            config=settings.config or DEFAULT_CONFIG,
            environment=environment if settings.config is not None else None,
            clock=clock,
            grace_seconds=settings.shutdown_grace_seconds,
        )
        await stack.enter_async_context(queues)
        store = await stack.enter_async_context(open_store(queues, settings.database_path, clock))
        uncertain = UncertainPolicy(settings.uncertain)
        ledger = StoreLedger(store, clock, max_attempts=settings.max_attempts, uncertain=uncertain)
        name = queues.config.producers.get(settings.queue, settings.queue)
        delays = PriorityDelays(
            high=settings.delay_high_seconds,
            normal=settings.delay_normal_seconds,
            low=settings.delay_low_seconds,
        )
        producer = JobProducer(queues[name], registry, delays=delays, ledger=ledger)
        if consume:
            email = await _opened(
                stack, load(smtp_url or settings.smtp_url or "noop", channel="email", clock=clock)
            )
            text = await _opened(stack, load("noop", channel="sms", clock=clock))
            _add_processors(registry, settings, store, email, text)
            policy = RetryPolicy(max_attempts=settings.max_attempts, base_seconds=settings.retry_base_seconds)
            dispatcher = Dispatcher(registry, clock=clock, events=queues.events, policy=policy, ledger=ledger)
            queues.consumer(name)(dispatcher)
        stack.push_async_callback(record_given_up(queues, name, ledger))
        status = StatusReader(store, queues, clock, _facts(settings, smtp_url))
        yield Application(settings, clock, queues, store, registry, producer, status, name)


def web_services(app: Application) -> WebServices:
    """What the HTTP API is given of an application."""
    return WebServices(
        environment=app.settings.environment,
        local=app.settings.local,
        tokens=[Token(token.name, token.role, token.secret) for token in app.settings.api_tokens],
        queues=app.queues,
        store=app.store,
        clock=app.clock,
        producer=app.producer,
        queue=app.queue,
        dead_letter_queue=app.dead_letter_queue,
        status=app.status.read,
    )


async def _opened(stack: AsyncExitStack, provider: Provider) -> Provider:
    await provider.open()
    stack.push_async_callback(provider.close)
    return provider


def _add_processors(
    registry: JobRegistry, settings: Settings, store: Store, email: Provider, text: Provider
) -> None:
    uncertain = UncertainPolicy(settings.uncertain)
    exports = ExportGenerator(store, settings.exports_dir, keep_seconds=settings.export_keep_hours * 3600)
    cleanup = Cleanup(store, exports=settings.exports_dir, archive=settings.archive_dir)
    registry.add(EmailJob, EmailSender(email, sender=settings.mail_from, uncertain=uncertain))
    registry.add(SmsJob, TextSender(text, uncertain=uncertain))
    registry.add(ExportJob, exports)
    registry.add(CleanupJob, cleanup)


def _facts(settings: Settings, smtp_url: str | None) -> dict[str, object]:
    """What an operator may see of the configuration: no URL, no secret."""
    return {
        "name": settings.environment,
        "version": __version__,
        "broker": settings.queue_url.partition(":")[0],
        "database": settings.database_path.name,
        "configFile": settings.config.name if settings.config is not None else None,
        "emailProvider": "smtp" if smtp_url or settings.smtp_url else "noop",
        "smsProvider": "noop",
        "authentication": "loopback only" if settings.local else "bearer token",
    }
