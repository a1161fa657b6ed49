"""Where the parts are put together: settings in, a working application out. Nothing else composes."""

import functools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

from postroom import __version__
from postroom.accounts import Issuer, IssuerOptions, Passwords, Sessions, Tokens, Users
from postroom.cloudflare import Account, Attaching, EventSubscriptions
from postroom.delivery import Provider
from postroom.delivery.routing import Route, Router
from postroom.exports import ExportDesk
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
from postroom.kit.clock import Clock, SystemClock, isoformat
from postroom.kit.events import Events
from postroom.messages import (
    Claims,
    Desk,
    GivenUp,
    Inbox,
    MessageJob,
    MessageMoved,
    MessageSender,
    MessageState,
    Outbox,
    Portal,
    PortalLinks,
    ReconcileJob,
    Reconciler,
    RecordEnvelopes,
    Records,
    ReviewRules,
    StoreLedger,
    Tracking,
    UncertainPolicy,
    record_given_up,
)
from postroom.messages.answers import Answers
from postroom.messages.inbox import QUEUE as EVENTS_QUEUE
from postroom.messages.keywords import Wish
from postroom.messages.preferences import Preferences
from postroom.messages.previews import Previews
from postroom.messages.suppressions import Suppressions
from postroom.messages.template_versions import Templates, filling
from postroom.messages.unclear import UnclearWishes
from postroom.messages.unsubscribing import Unsubscribing
from postroom.operations import Failures, Holds, Jobs, Keeper, Redrives, Timelines
from postroom.queues import ConsumerOptions, Queues, QueuesConfig, connect
from postroom.retention import Archives
from postroom.settings import Settings
from postroom.store import Store, StoreTransaction, open_store
from postroom.store.vault import Sealing, Vault
from postroom.subscribers import Announcer, Poster, Subscriptions, WebhookJob
from postroom.web import Accounts, Token, Watching, WebServices
from postroom.web.door import Door
from postroom.web.limits import Rate, Rates
from postroom.web.services import AlertDesk, Operating
from postroom.wiring.account import events_options, make_account
from postroom.wiring.clock import make_scheduler, schedule_desk
from postroom.wiring.exports import (
    enlisting,
    make_cleanup,
    make_export_desk,
    make_export_generator,
    open_storages,
)
from postroom.wiring.keys import audit_chain, make_vault, purpose_keys, with_kept_key
from postroom.wiring.monitoring import ALERT, dead_letters_of, make_alerts, metrics_page
from postroom.wiring.providers import make_routes
from postroom.wiring.telemetry import Telemetry, start_telemetry
from postroom.wiring.webhooks import make_receivers
from postroom.workers import StatusReader
from postroom.workers.cron import Scheduler
from postroom.workers.monitoring import Alerts, Meter, Monitor, Series, Standing, why
from postroom.workers.monitoring.alerts import RULES

DEFAULT_QUEUE = "message-delivery"
WEBHOOK_ATTEMPTS = 3
"""Shown in the record of a job that tells a subscriber; the retry policy is everybody's."""
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
    vault: Sealing
    registry: JobRegistry
    producer: JobProducer
    records: Records
    ledger: StoreLedger
    desk: Desk
    previews: Previews
    tracking: Tracking
    inbox: Inbox
    reconciler: Reconciler
    given_up: GivenUp
    templates: Templates
    unsubscribing: Unsubscribing
    portal: Portal
    router: Router
    accounts: Accounts
    subscriptions: Subscriptions
    announcer: Announcer
    telemetry: Telemetry
    status: StatusReader
    account: Account
    event_subscriptions: EventSubscriptions
    attaching: Attaching
    exports: ExportDesk
    archives: Archives
    monitor: Monitor
    meter: Meter
    """What counts what this process does."""
    series: Series
    standing: Standing
    holds: Holds
    redrives: Redrives
    keeper: Keeper
    alerts: Alerts
    scheduler: Scheduler
    queue: str
    """The name of the queue that jobs go to."""

    @property
    def dead_letter_queue(self) -> str | None:
        """Where the jobs' consumer sends what failed for good."""
        return dead_letters_of(self.queues, self.queue)


@asynccontextmanager
async def open_application(
    settings: Settings,
    *,
    consume: bool,
    registry: JobRegistry | None = None,
    clock: Clock | None = None,
    smtp_url: str | None = None,
    routes: Sequence[Route] | None = None,
    telemetry: Telemetry | None = None,
) -> AsyncIterator[Application]:
    """Open everything for the length of a block, and close it in reverse order.

    With `consume`, the consumer of jobs is declared (not started: `queues.start` or `queues.run` does that)
    and its providers are opened. `smtp_url` stands in for the setting, `routes` for all settings of providers. A
    `registry` with job types of your own gets the processors of the built-in ones.
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
        if telemetry is None:
            telemetry = await stack.enter_async_context(start_telemetry(settings))
        telemetry.listen(queues)
        settings = await with_kept_key(settings, queues)
        store = await stack.enter_async_context(
            open_store(queues, settings.database, clock, chain=audit_chain(settings), tracer=telemetry.tracer)
        )
        vault = make_vault(settings)
        name = queues.config.producers.get(settings.queue, settings.queue)
        subscriptions = Subscriptions(vault, [*(str(state) for state in MessageState), ALERT])
        announcer = Announcer(subscriptions, queues[name], registry, max_attempts=WEBHOOK_ATTEMPTS)
        event_subscriptions = EventSubscriptions(queues, [str(state) for state in MessageState])
        records = Records(vault, _announcing(queues.events, announcer, event_subscriptions))
        ledger = StoreLedger(store, clock, records, max_attempts=settings.max_attempts)
        delays = PriorityDelays(
            high=settings.delay_high_seconds,
            normal=settings.delay_normal_seconds,
            low=settings.delay_low_seconds,
        )
        sealed = isinstance(vault, Vault)
        producer = JobProducer(
            queues[name], registry, delays=delays, ledger=ledger, tracer=store.tracer,
            seal=vault.seal_body if sealed else None,
        )  # fmt: skip
        outbox = Outbox(queues[name], registry, delays=delays, max_attempts=settings.max_attempts)
        if "message_send" not in registry.all_types:
            registry.add(MessageJob, internal=True)
            registry.add(WebhookJob, internal=True)
            registry.add(ReconcileJob, internal=True)
        suppressions, templates = Suppressions(vault), Templates()
        wishes = Preferences(
            suppressions, UnclearWishes(vault, suppressions), templates, quiet=dict(settings.quiet_hours),
            zones=settings.quiet_zones, answers=Answers(records, outbox, _answers(settings)),
        )  # fmt: skip
        outside = settings.public_url or local_url(settings)
        links = PortalLinks(purpose_keys(settings, "portal")[0], outside)
        storages = open_storages(settings)
        archives = Archives(storages.archive, purpose_keys(settings, "archives"))
        enlist = enlisting(producer, ledger, queues[name])
        export_desk = make_export_desk(settings, store, storages.exports, vault, producer, clock)
        unsubscribing = Unsubscribing(purpose_keys(settings, "unsubscribing"), settings.public_url)
        portal = Portal(store, records, links, clock, open_seconds=settings.portal_hours * 3600)
        tracking = Tracking(records, wishes)
        envelopes = RecordEnvelopes(
            suppressions, templates, sender=settings.mail_from, unsubscribing=unsubscribing, links=links,
            notice=settings.portal_notice,
        )  # fmt: skip
        router = Router(make_routes(settings, clock, smtp_url=smtp_url) if routes is None else routes)
        desk = Desk(store, records, outbox, clock, rules=_rules(settings))
        receivers = make_receivers(settings, clock, purpose_keys(settings, "webhooks")[0].hex())
        inbox = Inbox(store, queues[EVENTS_QUEUE], vault, tracking, receivers, clock, queues.events)
        reconciler = Reconciler(store, records, router, tracking, clock)
        if not consume:
            await queues.create(EVENTS_QUEUE)
        if consume:
            for route in router.routes:
                await _opened(stack, route.provider)
            claims = Claims(
                records,
                router,
                outbox,
                wishes,
                envelopes,
                tracking,
                policy=UncertainPolicy(settings.uncertain),
            )
            sender = MessageSender(store, claims, tracking, queues.events)
            _add_processors(registry, sender)
            registry.add(
                ExportJob, make_export_generator(settings, store, storages.exports, vault, enlist, outside)
            )
            registry.add(CleanupJob, make_cleanup(settings, store, queues, storages, archives))
            registry.add(ReconcileJob, reconciler)
            registry.add(WebhookJob, Poster(store, subscriptions, announcer, allow_local=settings.local))
            policy = RetryPolicy(max_attempts=settings.max_attempts, base_seconds=settings.retry_base_seconds)
            dispatcher = Dispatcher(
                registry, clock=clock, events=queues.events, policy=policy, ledger=ledger, tracer=store.tracer,
                unseal=vault.open_body,
            )  # fmt: skip
            queues.consumer(name)(dispatcher)
            queues.consumer(EVENTS_QUEUE, **events_options(queues, name))(inbox.handle)
            await queues.create(EVENTS_QUEUE)
        stack.push_async_callback(record_given_up(queues, name, ledger))
        users = Users()
        accounts = Accounts(users, Tokens(), Sessions(users), Passwords())
        grave = dead_letters_of(queues, name)
        monitor = Monitor(store, queues, router, clock, grave)
        meter = Meter(store, queues, clock, name, works=consume)
        series = Series(store, clock)
        holds, redrives = Holds(store, queues, clock), Redrives(store, queues, clock)
        standing = Standing(queues, monitor, series, holds, clock, grave)
        alerts = make_alerts(
            settings, store, monitor, clock, enlist, subscriptions, announcer, dead_letters_of(queues, name)
        )
        status = StatusReader(store, queues, clock, _facts(settings, store.name, router))
        yield Application(
            settings,
            clock,
            queues,
            store,
            vault,
            registry,
            producer,
            records,
            ledger,
            desk,
            Previews(envelopes, wishes, templates),
            tracking,
            inbox,
            reconciler,
            GivenUp(queues, name, grave, ledger),
            templates,
            unsubscribing,
            portal,
            router,
            accounts,
            subscriptions,
            announcer,
            telemetry,
            status,
            make_account(settings, queues, name),
            event_subscriptions,
            Attaching(store, queues),
            export_desk,
            archives,
            monitor,
            meter,
            series,
            standing,
            holds,
            redrives,
            Keeper(holds, redrives, clock),
            alerts,
            make_scheduler(settings, queues.config, store, clock, registry, producer, ledger, queues[name]),
            name,
        )


def web_services(app: Application) -> WebServices:
    """What the HTTP API is given of an application."""
    return WebServices(
        environment=app.settings.environment,
        local=app.settings.local,
        accounts=app.accounts,
        issuer=_issuer(app.settings, app.clock),
        inbox=app.inbox,
        door=_door(app),
        public_url=app.settings.public_url,
        tokens=[Token(token.name, token.role, token.secret) for token in app.settings.api_tokens],
        queues=app.queues,
        store=app.store,
        open_body=app.vault.open_body,
        clock=app.clock,
        producer=app.producer,
        desk=app.desk,
        previews=app.previews,
        records=app.records,
        fill=lambda draft: filling(app.templates, draft),
        unsubscribing=app.unsubscribing,
        portal=app.portal,
        router=app.router,
        subscriptions=app.subscriptions,
        announcer=app.announcer,
        metrics=functools.partial(metrics_page, app.telemetry.metrics, app.monitor),
        report=app.telemetry.report if app.telemetry.reports else None,
        webhook_secret=_webhook_secret(app.settings),
        queue=app.queue,
        dead_letter_queue=app.dead_letter_queue,
        status=app.status.read,
        exports=app.exports,
        account=app.account,
        event_subscriptions=app.event_subscriptions,
        attaching=app.attaching.apply,
        watching=Watching(
            app.monitor.performance,
            app.monitor.health,
            app.alerts.incidents,
            [(rule.name, rule.threshold) for rule in app.alerts.rules],
            lambda id_: why(app.store, app.queues, app.clock, id_),
            app.series.read,
            app.standing.read,
            app.standing.forget,
            app.monitor.tables,
            app.monitor.workers,
        ),
        operating=Operating(
            app.holds,
            app.redrives,
            Failures(app.store, app.clock),
            Jobs(app.store),
            Timelines(app.store),
            AlertDesk(RULES, app.alerts.standing, app.alerts.set, app.alerts.test),
        ),
        schedules=schedule_desk(app.scheduler, app.store, app.clock),
    )


def _door(app: Application) -> Door:
    settings = app.settings
    rates = Rates(
        enqueue=settings.rate_enqueue and Rate(*settings.rate_enqueue),
        sign_in=settings.rate_sign_in and Rate(*settings.rate_sign_in),
        webhook=settings.rate_webhook and Rate(*settings.rate_webhook),
        cloudflare=settings.rate_cloudflare and Rate(*settings.rate_cloudflare),
        other=settings.rate_other and Rate(*settings.rate_other),
    )
    hsts = not settings.local and (settings.public_url or "").startswith("https:")
    return Door(
        app.store, app.clock, app.records.vault, rates=rates, trusted_proxies=settings.trusted_proxies,
        cors_origins=settings.cors_origins, hsts=hsts,
    )  # fmt: skip


def _issuer(settings: Settings, clock: Clock) -> Issuer | None:
    if settings.jwt_issuer is None or settings.jwt_audience is None or settings.jwt_jwks_url is None:
        return None
    options = IssuerOptions(
        issuer=settings.jwt_issuer, audience=settings.jwt_audience, jwks_url=settings.jwt_jwks_url,
        header=settings.jwt_header, roles_claim=settings.jwt_roles_claim, default_role=settings.jwt_default_role,
    )  # fmt: skip
    return Issuer(options, clock)


def _announcing(
    events: Events, announcer: Announcer, event_subscriptions: EventSubscriptions
) -> Callable[[StoreTransaction, MessageMoved], None]:
    """Announce moves once they are committed, and enqueue what subscribers are told with them."""

    def announce(transaction: StoreTransaction, moved: MessageMoved) -> None:
        if events:
            transaction.afterwards.append(functools.partial(events.emit, moved))
        data = {
            "messageId": moved.message_id, "channel": moved.channel, "before": moved.before, "status": moved.after,
            "provider": moved.provider, "code": moved.code,
        }  # fmt: skip
        payload = {
            "type": f"message.{moved.after}", "timestamp": isoformat(moved.at_us), "atUs": moved.at_us, "data": data,
        }  # fmt: skip
        announcer.announce(transaction, f"evt-{moved.seq}", moved.after, payload)
        event_subscriptions.announce(transaction, moved.after, data, moved.at_us)

    return announce


def _webhook_secret(settings: Settings) -> str | None:
    """The newest secret of the generic webhook."""
    given = next((secret for name, secret in settings.webhooks if name == "delivery"), None)
    return given or (purpose_keys(settings, "webhooks")[0].hex() if settings.local else None)


def local_url(settings: Settings) -> str:
    """Where this service listens, for links of the local environment."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


async def _opened(stack: AsyncExitStack, provider: Provider) -> None:
    await provider.open()
    stack.push_async_callback(provider.close)


def _add_processors(registry: JobRegistry, sender: MessageSender) -> None:
    registry.add(EmailJob, sender)
    registry.add(SmsJob, sender)
    registry.add(MessageJob, sender)


def _answers(settings: Settings) -> dict[Wish, str]:
    """What people are answered who write a word that means something."""
    texts = {
        Wish.STOP: settings.answer_stop,
        Wish.START: settings.answer_start,
        Wish.HELP: settings.answer_help,
    }
    return {word: text for word, text in texts.items() if text}


def _rules(settings: Settings) -> ReviewRules:
    return ReviewRules(
        four_eyes=not settings.review_own,
        binding=settings.review_binding,
        approval_seconds=settings.approval_hours * 3600,
    )


def _facts(settings: Settings, store_name: str, router: Router) -> dict[str, object]:
    """What an operator may see of the configuration: no URL, no secret."""
    providers = {
        channel: [route.name for route in router.routes if route.channel == channel]
        for channel in ("email", "sms")
    }
    return {
        "name": settings.environment,
        "version": __version__,
        "broker": settings.queue_url.partition(":")[0],
        "database": store_name,
        "configFile": settings.config.name if settings.config is not None else None,
        "emailProvider": next(iter(providers["email"]), None),
        "smsProvider": next(iter(providers["sms"]), None),
        "providers": providers,
        "authentication": "loopback only" if settings.local else "bearer token",
    }
