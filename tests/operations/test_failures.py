"""Failures by their kind (jobs/fingerprint.py, operations/failures.py)."""

import msgspec
from operations_support import bury, text

from postroom import __version__
from postroom.jobs import Done, Failed, JobContext, Outcome
from postroom.jobs.fingerprint import fingerprint, general
from postroom.kit.actor import Actor
from postroom.operations import Action, Choice, Failures
from postroom.queues.testing import VirtualClock
from postroom.wiring import Application


def test_what_is_particular_does_not_count() -> None:
    """Ids, numbers and addresses differ; the failure is the same."""
    assert general("job 42 of 3f2504e0-4f89-11d3-9a0c-0305e82c3301") == "job # of #"
    one = fingerprint("email_send", "550", "mailbox 17 is full")
    assert one == fingerprint("email_send", "550", "Mailbox  99 is full")
    assert one != fingerprint("sms_send", "550", "mailbox 17 is full")
    assert one != fingerprint("email_send", "551", "mailbox 17 is full")


async def test_failures_are_grouped(app: Application, clock: VirtualClock) -> None:
    """How many there are and were, when, and since which version."""
    await bury(app, clock, 3)
    (group,), more = await Failures(app.store, clock).page(1 << 62, 10)
    assert more is None
    assert (group.type, group.count, group.failed_now) == ("sms_send", 3, 3)
    assert group.first_version == group.last_version == __version__
    assert sum(group.hours) == 3
    assert "+1415" not in str(group)


async def test_a_job_that_works_at_last_is_not_failed_any_more(app: Application, clock: VirtualClock) -> None:
    """Its group remembers that it came."""

    class Report(msgspec.Struct):
        """Fails at first."""

        name: str

    tries: list[str] = []

    async def write(job: Report, context: JobContext) -> Outcome:
        tries.append(job.name)
        return Failed("the printer is on fire", code="printer") if len(tries) == 1 else Done()

    app.registry.job("report")(Report)
    app.registry.processor(Report)(write)
    await app.producer.enqueue_job({"type": "report", "name": "r-1"})
    async with app.queues.running():
        await clock.advance(60)
    failures = Failures(app.store, clock)
    (group,), _ = await failures.page(1 << 62, 10)
    assert (group.type, group.count, group.failed_now) == ("report", 1, 1)

    await app.redrives.begin("dlq", Action.REDRIVE, Choice(), Actor("anna"))
    await app.keeper.look()
    await app.keeper.settle()
    async with app.queues.running():
        await clock.advance(60)

    (group,), _ = await failures.page(1 << 62, 10)
    assert (tries, group.count, group.failed_now) == (["r-1", "r-1"], 1, 0)


async def test_given_up_jobs_are_grouped_too(app: Application, clock: VirtualClock) -> None:
    """Those that the queue gave up, such as what outlived its retention."""
    id_ = await text(app, "m-1")
    await app.ledger.give_up(id_, "every worker died")
    (group,), _ = await Failures(app.store, clock).page(1 << 62, 10)
    assert (group.code, group.reason, group.failed_now) == ("given_up", "every worker died", 1)
