"""Why is this message not moving? One sentence, from what is on record."""

from typing import Any, Final, NamedTuple

import msgspec

from postroom.jobs.states import JobState
from postroom.kit.clock import Clock, isoformat
from postroom.messages.states import MessageState
from postroom.queues import Queues
from postroom.store import Store, StoreTransaction
from postroom.workers.monitoring.meter import ALIVE_US

STILL: Final = {
    MessageState.DRAFT: ("draft", "nobody has submitted or sent it yet"),
    MessageState.PENDING_REVIEW: ("awaiting_review", "it waits for a reviewer"),
    MessageState.REJECTED: ("rejected", "a reviewer sent it back; its author has to change it"),
    MessageState.SENT: ("sent", "it left, and waits for proof of delivery"),
    MessageState.DELIVERED: ("finished", "it was delivered; there is nothing to wait for"),
    MessageState.BOUNCED: ("finished", "it came back"),
    MessageState.CANCELLED: ("finished", "it was called off"),
    MessageState.EXPIRED: ("finished", "its time was over before it could be sent"),
    MessageState.UNCONFIRMED: ("finished", "it left, and no proof of delivery came in time"),
    MessageState.UNCERTAIN: ("uncertain", "nobody knows whether it left; a person has to decide"),
}
"""States that no queue has a part in."""


class Why(msgspec.Struct, frozen=True):
    """The answer."""

    id: str
    cause: str
    sentence: str
    facts: dict[str, Any]


class _Records(NamedTuple):
    message: dict[str, Any] | None
    job: dict[str, Any] | None


async def why(store: Store, queues: Queues, clock: Clock, id_: str) -> Why | None:
    """By the id of a message or of a job; None when neither is known."""
    found = await store.read(lambda transaction: _find(transaction, id_))
    if found.message is None and found.job is None:
        return None
    cause, sentence, facts = await _explain(store, queues, clock, found)
    return Why(id_, cause, f"{sentence[0].upper()}{sentence[1:]}.", facts)


def _find(transaction: StoreTransaction, id_: str) -> _Records:
    message = transaction.one("find_record", id=id_)
    job = transaction.one(
        "find_job", id=message["job_id"] if message is not None and message["job_id"] else id_
    )
    if message is None and job is not None and job["reference"] is not None:
        message = transaction.one("find_record", id=job["reference"])
    return _Records(message, job)


async def _explain(
    store: Store, queues: Queues, clock: Clock, found: _Records
) -> tuple[str, str, dict[str, Any]]:
    message, job = found
    if message is not None and (still := STILL.get(MessageState(message["status"]))) is not None:
        code = message["code"] if message["status"] == MessageState.UNCERTAIN else None
        return *still, {"status": message["status"], **({"code": code} if code else {})}
    if message is not None and message["status"] == MessageState.FAILED:
        code, because = message["code"] or "failed", message["reason"] or "it failed"
        cause = "suppressed" if code.startswith("suppressed") else "dead_lettered"
        return cause, f"it was not sent because {because}", {"status": message["status"], "code": code}
    if job is None:
        assert message is not None
        return message["status"], f"it is {message['status']}", {"status": message["status"]}
    state = JobState(job["status"])
    if state in (JobState.FAILED, JobState.UNCERTAIN):
        because = job["reason"] or job["code"] or "it failed"
        said = f"it failed for good after {job['attempts']} attempts because {because}"
        return "dead_lettered", said, {"status": state, "code": job["code"], "attempts": job["attempts"]}
    if state in (JobState.DONE, JobState.CANCELLED):
        return "finished", f"its job is {state}", {"status": state}
    workers = await store.read(lambda t: t.all("list_workers", since_us=clock.now_us() - ALIVE_US))
    if state is JobState.PROCESSING:
        names = [
            f"{row['host']} (process {row['pid']})"
            for row in workers
            if job["queue"] in msgspec.json.decode(row["queues"])
        ]
        since = isoformat(job["updated_us"])
        who = f"by {' or '.join(names)}" if names else "by a worker that has not been heard of for 30 s"
        return "leased", f"it is being worked on {who} since {since}", {"status": state, "since": since}
    return await _waiting(queues, clock, found, workers)


async def _waiting(
    queues: Queues, clock: Clock, found: _Records, workers: list[dict[str, Any]]
) -> tuple[str, str, dict[str, Any]]:
    """A job that waits in its queue."""
    message, job = found
    assert job is not None
    now_us = clock.now_us()
    info = await queues.info(job["queue"])
    if info.paused:
        return "paused", f"delivery of the queue {job['queue']} is paused", {"queue": job["queue"]}
    until_us = job["next_us"] or job["send_at_us"]
    if until_us is not None and until_us > now_us:
        until = isoformat(until_us)
        if job["status"] != JobState.RETRY_SCHEDULED:
            deferred = message is not None and message["code"] == "deferred"
            why_ = (
                f", because {message['reason']}"
                if message is not None and deferred and message["reason"]
                else ""
            )
            return "deferred" if deferred else "delayed", f"it is planned for {until}{why_}", {"until": until}
        if job["code"] in ("unavailable", "throttled"):
            said = f"it waits for its provider until {until}: {job['reason']}"
            return "waiting_for_provider", said, {"until": until, "code": job["code"]}
        because = job["reason"] or job["code"] or "it failed for now"
        return "retry_scheduled", f"it is tried again at {until} because {because}", {
            "until": until, "code": job["code"], "attempts": job["attempts"],
        }  # fmt: skip
    if not any(job["queue"] in msgspec.json.decode(row["queues"]) for row in workers):
        return (
            "no_consumer",
            f"no worker consumes {job['queue']}; start one: postroom consume",
            {"queue": job["queue"]},
        )
    return "backlog", f"it is due; {info.ready} messages are due in {job['queue']} and {info.in_flight} in flight", {
        "ready": info.ready, "inFlight": info.in_flight,
    }  # fmt: skip
