"""All that is known of one job, in the order of time: its attempts, the calls to providers, what they told, who acted."""

from typing import Any

from postroom.store import Row, Store, StoreTransaction

ENTRIES_MAX = 200
"""Of each kind."""


class Timelines:
    """Reads them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def of(self, job_id: str) -> list[dict[str, Any]]:
        """Entries with `atUs`, `kind`, `title` and what else is known; oldest first. None of it tells what was sent."""
        return await self._store.read(lambda transaction: _entries(transaction, job_id))


def _entries(transaction: StoreTransaction, job_id: str) -> list[dict[str, Any]]:
    job = transaction.one("find_job", id=job_id)
    if job is None:
        return []
    entries = [_entry(job["created_us"], "enqueued", f"Enqueued in {job['queue']}", priority=job["priority"])]
    for attempt in transaction.all("list_attempts", job_id=job_id):
        entries += _of_attempt(attempt)
    if job["reference"] is not None:
        for delivery in transaction.all("list_deliveries", message_id=job["reference"])[:ENTRIES_MAX]:
            if delivery["job_id"] == job_id:
                entries += _of_delivery(transaction, delivery)
        for event in transaction.all(
            "list_message_events", message_id=job["reference"], after=0, limit=ENTRIES_MAX
        ):
            if event["kind"] not in ("claimed", "concluded"):
                entries.append(_of_event(event))
    for row in transaction.all(
        "audit_of_object", object_type="job", object_id=job_id, before=1 << 62, limit=ENTRIES_MAX
    ):
        if row["actor"] != "worker" and row["action"] != "job.enqueued":
            entries.append(_entry(row["at_us"], "audit", row["action"], who=row["actor"]))
    if job["next_us"] is not None:
        entries.append(_entry(job["next_us"], "next", "Tried again", planned=True))
    # What happened at one moment stays in the order in which it is listed here.
    return sorted(entries, key=lambda one: one["atUs"])


def _of_attempt(attempt: Row) -> list[dict[str, Any]]:
    number, worker = attempt["number"], attempt["worker"]
    entries = [
        _entry(attempt["started_us"], "attempt", f"Attempt {number} begins", who=worker, number=number)
    ]
    if attempt["finished_us"] is not None:
        entries.append(
            _entry(
                attempt["finished_us"], "ended", f"Attempt {number}: {attempt['outcome']}", outcome=attempt["outcome"],
                provider=attempt["provider"], code=attempt["code"], reason=attempt["reason"], number=number, who=worker,
                seconds=max(0, attempt["finished_us"] - attempt["started_us"]) / 1e6,
            )
        )  # fmt: skip
    return entries


def _of_delivery(transaction: StoreTransaction, delivery: Row) -> list[dict[str, Any]]:
    provider = delivery["provider"]
    shared = {"provider": provider, "deliveryId": delivery["id"]}
    entries = [
        _entry(delivery["claimed_us"], "call", f"Call to {provider}, on record before it is made", **shared,
               duplicate=bool(delivery["possible_duplicate"]) or None)
    ]  # fmt: skip
    if delivery["ended_us"] is not None:
        entries.append(
            _entry(
                delivery["ended_us"], "answer", f"{provider} answered: {delivery['verdict'] or 'unknown'}", **shared,
                outcome=delivery["verdict"], code=delivery["code"], reason=delivery["detail"],
                providerId=delivery["provider_id"], seconds=max(0, delivery["ended_us"] - delivery["claimed_us"]) / 1e6,
            )
        )  # fmt: skip
    for event in transaction.all("provider_events_of_delivery", delivery_id=delivery["id"])[:ENTRIES_MAX]:
        title = f"{event['receiver']} reported: {event['kind']}"
        entries.append(
            _entry(event["received_us"], "report", title, code=event["code"], applied=bool(event["applied"]))
        )
    return entries


def _of_event(event: Row) -> dict[str, Any]:
    moved = event["before"] is not None and event["after"] is not None and event["before"] != event["after"]
    title = f"Message: {event['before']} → {event['after']}" if moved else f"Message {event['kind']}"
    return _entry(
        event["at_us"], "message", title, who=event["actor"], provider=event["provider"], code=event["code"],
        reason=event["reason"],
    )  # fmt: skip


def _entry(at_us: int, kind: str, title: str, **more: Any) -> dict[str, Any]:
    known = {name: value for name, value in more.items() if value is not None}
    return {"atUs": at_us, "kind": kind, "title": title, **known}
