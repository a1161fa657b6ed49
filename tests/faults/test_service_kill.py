"""A killed service loses no job, and whatever it sends twice is on record as unknown (messages/ledger.py)."""

import asyncio
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from postroom.delivery.mailbox import Mailbox
from postroom.wiring import open_application
from support.children import KILLED, Child, Children
from support.database import assert_sound, finished, waiting
from support.ledger import BEGUN, DONE, Entry, read
from support.patience import until
from support.service import GRAVE, QUEUE, Record, an_email, records, settings_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

KILLS = 6


def unanswered(history: list[Entry]) -> list[str]:
    """References that somebody began to enqueue without ever seeing an answer."""
    sends = [entry for entry in history if entry.op == "send"]
    answered = {entry.key for entry in sends if entry.step == DONE}
    return [
        key
        for key in dict.fromkeys(entry.key for entry in sends if entry.step == BEGUN)
        if key not in answered
    ]


async def on_record(place: Path, **settings: Any) -> tuple[list[Record], list[str]]:
    """The jobs, and the reasons in the dead-letter queue, once no service runs any more."""
    async with open_application(settings_in(place, **settings), consume=False) as app:
        found = await records(app)
        dead = await app.queues[GRAVE].peek(batch_size=100)
    return found, [one.dead_lettered.reason for one in dead if one.dead_lettered is not None]


async def test_killed_service_loses_no_job(
    place: Path, ledgers: Path, children: Children, chance: Random
) -> None:
    """Killed six times while it enqueues and sends: each accepted job is done, each email came, copies are explained."""
    file = place / "postroom.db"
    async with Mailbox() as mailbox:

        async def service(**more: Any) -> Child:
            again = unanswered(read(ledgers))
            return await children.start("service", place=place, port=mailbox.port, again=again, **more)

        running = await service(load=True)
        for _ in range(KILLS):
            await running.hear("ready")
            mark = len(mailbox.received) + chance.randrange(5, 120)
            await until(lambda mark=mark: len(mailbox.received) >= mark, "emails arrive")
            await asyncio.sleep(chance.uniform(0, 0.01))
            await running.kill()
            running = await service(load=True)
        await running.hear("ready")
        await running.tell("stop")
        await running.hear("enqueued")
        await until(lambda: waiting(file, QUEUE) == 0, "the queue is drained")
        running.terminate()
        assert await running.ended() == 0
        copies = Counter(one.message()["Subject"] and one.message_id for one in mailbox.received)
        arrived = Counter(reference_of(one.data) for one in mailbox.received)

    history = read(ledgers)
    found, dead = await on_record(place)
    accepted = {entry.key for entry in history if entry.op == "send" and entry.step == DONE}
    assert not unanswered(history)
    assert dead == []
    by_reference = Counter(record.reference for record in found)
    assert set(by_reference) == accepted, "jobs on record are not the jobs that were accepted"
    assert set(by_reference.values()) == {1}
    assert {(record.status, record.message) for record in found} == {("done", "sent")}
    assert set(arrived) == accepted
    assert sorted(copies.values()) == sorted(arrived.values()), "a copy came with another Message-ID"
    for record in found:
        unknown = record.outcomes.count("unknown")
        assert arrived[record.reference] <= 1 + unknown, record
        assert record.outcomes == ["unknown"] * unknown + ["done"], record
    assert len(accepted) > 100
    assert_sound(file)


def reference_of(data: bytes) -> str:
    """The messageId that the text of an email ends with."""
    return data.decode().rpartition("This is ")[2].partition(".\r")[0].strip(" .\r\n")


# What if it dies after each line? One email, one death, one restart.
#
#   lease ── begin ── claim ── send ── conclude ── end ── settle
#         recorded  on record  left   recorded   recorded

POINTS = {
    # point: (policy, copies, job, outcomes)
    ("lease", "resend"): (1, "done", ["done"]),
    ("lease", "hold"): (1, "done", ["done"]),
    ("begin", "resend"): (1, "done", ["unknown", "done"]),
    ("begin", "hold"): (1, "done", ["unknown", "done"]),
    ("claim", "resend"): (1, "done", ["unknown", "done"]),
    ("claim", "hold"): (0, "uncertain", ["unknown", "unknown"]),
    ("send", "resend"): (2, "done", ["unknown", "done"]),
    ("send", "hold"): (1, "uncertain", ["unknown", "unknown"]),
    ("conclude", "resend"): (1, "done", ["done"]),
    ("conclude", "hold"): (1, "done", ["done"]),
    ("end", "resend"): (1, "done", ["done"]),
    ("end", "hold"): (1, "done", ["done"]),
    ("settle", "resend"): (1, "done", ["done"]),
    ("settle", "hold"): (1, "done", ["done"]),
}


async def die_once(
    children: Children,
    place: Path,
    mailbox: Mailbox,
    *steps: str,
    uncertain: str,
    recipient: str = "anna@example.com",
) -> tuple[Record, list[str]]:
    """Enqueue one email, run a service that dies after each of the steps in turn, then one that lives to the end."""
    settings = {"uncertain": uncertain, "lease_ms": 200}
    async with open_application(settings_in(place, **settings), consume=False) as app:
        await app.producer.enqueue_job(an_email("m1", recipient))
    for step in steps:
        dying = await children.start(
            "service", place=place, port=mailbox.port, settings=settings, die_after=step
        )
        assert await dying.ended() == -9
        dying.note(KILLED)
    living = await children.start("service", place=place, port=mailbox.port, settings=settings)
    await living.hear("ready")
    await until(lambda: waiting(place / "postroom.db", QUEUE) == 0, "the queue is drained")
    living.terminate()
    assert await living.ended() == 0
    (record,), dead = await on_record(place, **settings)
    assert_sound(place / "postroom.db")
    return record, dead


@pytest.mark.parametrize(("step", "uncertain"), POINTS, ids=["-".join(point) for point in POINTS])
async def test_death_at_each_step_has_its_known_ending(
    step: str, uncertain: str, place: Path, children: Children
) -> None:
    """Whatever step was the last, the job comes to its end, and the number of copies is what the policy allows."""
    copies, status, outcomes = POINTS[step, uncertain]
    async with Mailbox() as mailbox:
        record, dead = await die_once(children, place, mailbox, step, uncertain=uncertain)

        assert (record.status, record.outcomes) == (status, outcomes)
        assert len(mailbox.received) == copies
        assert len({one.message_id for one in mailbox.received}) <= 1
        assert len(dead) == (status == "uncertain")


async def test_refused_job_is_not_tried_again_after_a_death(place: Path, children: Children) -> None:
    """Died between the record of the refusal and the dead letter: the provider is not asked a second time."""
    async with Mailbox() as mailbox:
        record, dead = await die_once(
            children, place, mailbox, "end", uncertain="resend", recipient="bounce@example.com"
        )

    assert (record.status, record.outcomes) == ("failed", ["failed"])
    assert len(dead) == 1


async def test_held_job_is_not_sent_after_a_second_death(place: Path, children: Children) -> None:
    """Policy `hold`: died while sending, then died between the decision to hold and the dead letter. Still one copy."""
    async with Mailbox() as mailbox:
        record, dead = await die_once(children, place, mailbox, "send", "begin", uncertain="hold")

        assert len(mailbox.received) == 1
    assert (record.status, set(record.outcomes)) == ("uncertain", {"unknown"})
    assert len(dead) == 1


@pytest.mark.parametrize(
    "last",
    [
        pytest.param(None, id="and is on record"),
        pytest.param("settle", id="also when the next dies between the dead letter and the record"),
    ],
)
async def test_job_that_kills_its_service_is_given_up_on_record(
    last: str | None, place: Path, children: Children
) -> None:
    """When the queue gives a job up because every worker died on it, its record says so too."""
    limits = {"max_retries": 2, "lease_ms": 200}
    async with open_application(settings_in(place, **limits), consume=False) as app:
        await app.producer.enqueue_job(an_email("m1"))
    async with Mailbox() as mailbox:
        for step in ["begin"] * 3 + [last] * (last is not None):
            dying = await children.start(
                "service", place=place, port=mailbox.port, settings=limits, die_after=step
            )
            assert await dying.ended() == -9
        living = await children.start("service", place=place, port=mailbox.port, settings=limits)
        await living.hear("ready")
        await until(lambda: waiting(place / "postroom.db", QUEUE) == 0, "the queue gives it up")
        await until(lambda: finished(place / "postroom.db") == 1, "it is on record")
        living.terminate()
        assert await living.ended() == 0

        (record,), dead = await on_record(place, **limits)
        assert dead == ["gave up after 3 deliveries; last: LeaseLost"]
        assert len(mailbox.received) == 0
    assert record.status in ("failed", "uncertain")
    assert record.outcomes == ["unknown"] * 3
