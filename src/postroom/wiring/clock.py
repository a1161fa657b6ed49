"""Schedules, made from the settings and the wrangler file."""

import json
from collections.abc import Callable, Sequence

from postroom.jobs import JobInvalid, JobProducer, JobRegistry
from postroom.jobs.models import Job
from postroom.kit.actor import Actor
from postroom.kit.clock import Clock
from postroom.messages import ReconcileJob, StoreLedger
from postroom.queues import ConfigurationError, Queue, QueuesConfig
from postroom.retention import with_days
from postroom.settings import Settings
from postroom.store import Store, StoreTransaction
from postroom.web import ScheduleDesk
from postroom.workers.cron import Cron, CronInvalid, Missed, Schedule, Scheduler, fire_now
from postroom.workers.cron.housekeeping import cleanups

ACTOR = Actor("cron")


def make_scheduler(
    settings: Settings, config: QueuesConfig, store: Store, clock: Clock, registry: JobRegistry, producer: JobProducer,
    ledger: StoreLedger, queue: Queue,
) -> Scheduler:  # fmt: skip
    """The settings' schedules; a wrangler file's crons do the housekeeping too. Raises ConfigurationError."""
    policies = with_days(dict(settings.retention))

    def housekeeping(now_us: int) -> Sequence[Job]:
        return [*cleanups(policies, now_us), ReconcileJob()]

    schedules = [
        Schedule(one.name, one.cron, housekeeping if one.job is None else _made(one.name, one.job, producer))
        for one in settings.cron
    ]
    for number, text in enumerate(config.crons, 1):
        try:
            schedules.append(Schedule(f"wrangler-{number}", Cron(text), housekeeping))
        except CronInvalid as error:
            raise ConfigurationError(
                f"{config.source}: triggers.crons[{number - 1}]: {error}", key="triggers.crons", value=text,
                allowed="https://developers.cloudflare.com/workers/configuration/cron-triggers/",
            ) from None  # fmt: skip

    def enlist(transaction: StoreTransaction, job: Job) -> str:
        (made,) = ledger.enlist(transaction, queue, [producer.prepare(job, ours=True)], ACTOR)
        return made.job_id

    return Scheduler(store, clock, schedules, enlist, missed=Missed(settings.cron_missed))


def schedule_desk(scheduler: Scheduler, store: Store, clock: Clock) -> ScheduleDesk:
    """Schedules for the HTTP API."""

    async def fire(name: str, actor: Actor) -> list[str]:
        await scheduler.declare()
        return await fire_now(store, clock, scheduler.schedules[name], scheduler.enlist, actor)

    async def pause(name: str, actor: Actor, *, paused: bool) -> bool:
        await scheduler.declare()
        return await scheduler.pause(name, paused=paused, actor=actor)

    return ScheduleDesk(tuple(scheduler.schedules), scheduler.view, fire, pause)


def _made(name: str, text: str, producer: JobProducer) -> Callable[[int], Sequence[Job]]:
    """What makes the job of a schedule at each fire; raises ConfigurationError for one that cannot be."""
    try:
        job = producer.read(json.loads(text))
    except (JobInvalid, ValueError) as error:
        raise ConfigurationError(
            f"POSTROOM_CRON: the job of {name}: {error}",
            key="POSTROOM_CRON",
            value=name,
            allowed="a job as JSON",
        ) from None
    return lambda now_us: [job]
