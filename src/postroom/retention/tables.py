"""What each target archives and deletes: how its rows are found, what belongs to them, and how they leave."""

import itertools
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from postroom.audit import HEAD, Chain, write_anchor
from postroom.store import StoreTransaction

Row = dict[str, Any]
EVERYTHING: Final = 1 << 62


class Table(NamedTuple):
    """One target's rows."""

    moment: str
    """The column that says how old a row is."""
    find: Callable[[StoreTransaction, int, int, int], list[Row]]
    """Rows after a seq, older than a moment, at most so many; with all that belongs to them."""
    tally: Callable[[StoreTransaction, int], int]
    delete: Callable[[StoreTransaction, Sequence[Row], int], int]
    """Delete rows that came out of an archive; one that has changed since, or is held by now, stays. How many went."""
    restore: Callable[[StoreTransaction, Sequence[Row]], None]


def _find_audit(transaction: StoreTransaction, after: int, cutoff_us: int, limit: int) -> list[Row]:
    """Up to the first entry that must stay: the chain is only cut at its beginning."""
    held = transaction.one("first_held_audit", cutoff_us=cutoff_us)
    end = held["seq"] if held is not None and held["seq"] is not None else EVERYTHING
    rows = transaction.all("scan_audit", after=after, limit=limit)
    return list(itertools.takewhile(lambda row: row["at_us"] < cutoff_us and row["seq"] < end, rows))


def _count_audit(transaction: StoreTransaction, cutoff_us: int) -> int:
    ends = [
        row["seq"]
        for query in ("first_held_audit", "first_audit_after")
        if (row := transaction.one(query, cutoff_us=cutoff_us)) is not None and row["seq"] is not None
    ]
    return _counted(
        transaction.one("count_audit_before", end=min(ends, default=EVERYTHING), cutoff_us=cutoff_us)
    )


def _delete_audit(transaction: StoreTransaction, rows: Sequence[Row], now_us: int) -> int:
    transaction.lock(HEAD)
    before = transaction.one("last_archived_anchor")
    # What an interrupted cleanup deleted already is in the anchor.
    rows = [row for row in rows if before is None or row["seq"] > before["seq"]]
    if rows:
        held = transaction.one("first_held_among", first=rows[0]["seq"], last=rows[-1]["seq"])
        rows = [row for row in rows if held is None or held["seq"] is None or row["seq"] < held["seq"]]
    # One before these may have been held meanwhile: the chain is only cut at its beginning.
    if not rows or transaction.one("audit_entry_before", seq=rows[0]["seq"]) is not None:
        return 0
    first, last = rows[0], rows[-1]
    transaction.run("open_audit")
    count = transaction.run("delete_audit", first=first["seq"], last=last["seq"])
    transaction.run("close_audit")
    chain = transaction.chain
    if not isinstance(chain, Chain) or last["hash"] is None:
        return count
    # The chain goes on from here although its beginning is gone; one anchor stands for all that went.
    grown = before is not None and before["seq"] == first["seq"] - 1
    since = before["first_seq"] if before is not None and grown else first["seq"]
    whole = len(rows) + (before["count"] if before is not None and grown else 0)
    transaction.run("delete_archived_anchor", first_seq=since)
    row = {"seq": last["seq"], "first_seq": since, "count": whole, "hash": last["hash"], "kind": "archived"}
    write_anchor(transaction, chain, row, now_us)
    return count


def _restore_audit(transaction: StoreTransaction, rows: Sequence[Row]) -> None:
    transaction.put_back("audit_log", rows)


def _find_jobs(transaction: StoreTransaction, after: int, cutoff_us: int, limit: int) -> list[Row]:
    jobs = transaction.all("ended_jobs", after=after, cutoff_us=cutoff_us, limit=limit)
    return [{**job, "parts": _parts(transaction, job)} for job in jobs]


def _parts(transaction: StoreTransaction, job: Row) -> dict[str, list[Row]]:
    attempts = [{**row, "job_id": job["id"]} for row in transaction.all("list_attempts", job_id=job["id"])]
    message = transaction.one("messages_of_jobs", job_id=job["id"], reference=job["reference"])
    if message is None:
        return {"attempts": attempts}
    id_ = message["id"]
    deliveries = transaction.all("list_deliveries", message_id=id_)
    key = transaction.one("find_message_key", message_id=id_)
    return {
        "attempts": attempts, "messages": [message], "deliveries": deliveries,
        "message_events": transaction.all("list_message_events", message_id=id_, after=0, limit=EVERYTHING),
        "message_versions": transaction.all("list_message_versions", message_id=id_, limit=EVERYTHING),
        "provider_events": [
            event
            for delivery in deliveries
            for event in transaction.all("provider_events_of_delivery", delivery_id=delivery["id"])
        ],
        "message_keys": [{**key, "wrapped": _text(key["wrapped"])}] if key is not None else [],
    }  # fmt: skip


def _delete_jobs(transaction: StoreTransaction, rows: Sequence[Row], now_us: int) -> int:
    unchanged = transaction.all("unchanged_jobs", rows=_json([_as_it_was(job) for job in rows]))
    jobs = _json([row["job_id"] for row in unchanged])
    messages = _json([row["message_id"] for row in unchanged if row["message_id"] is not None])
    for query in ("delete_jobs", "delete_attempts"):
        transaction.run(query, ids=jobs)
    for query in (
        "delete_provider_events", "delete_deliveries", "delete_message_events", "delete_message_versions",
        "delete_message_keys", "delete_messages",
    ):  # fmt: skip
        transaction.run(query, ids=messages)
    return len(unchanged)


def _as_it_was(job: Row) -> list[Any]:
    """What `unchanged_jobs` compares."""
    parts = job["parts"]
    start = [job["id"], job["updated_us"], len(parts["attempts"])]
    if not parts.get("messages"):
        return [*start, None, 0, 0, 0, 0, 0]
    (message,) = parts["messages"]
    return [
        *start, message["id"], message["updated_us"], len(parts["message_events"]), len(parts["deliveries"]),
        max((one["updated_us"] for one in parts["deliveries"]), default=0), len(parts["provider_events"]),
    ]  # fmt: skip


def _restore_jobs(transaction: StoreTransaction, rows: Sequence[Row]) -> None:
    tables: dict[str, list[Row]] = {"jobs": [{**row} for row in rows]}
    for job in tables["jobs"]:
        for table, found in job.pop("parts").items():
            tables.setdefault(table, []).extend(found)
    for key in tables.get("message_keys", ()):
        key["wrapped"] = b64decode(key["wrapped"])
    for table, found in tables.items():
        transaction.put_back(table, found)


def _find_webhooks(transaction: StoreTransaction, after: int, cutoff_us: int, limit: int) -> list[Row]:
    rows = transaction.all("old_webhooks", after=after, cutoff_us=cutoff_us, limit=limit)
    return [{**row, "body": _text(row["body"])} for row in rows]


def _delete_webhooks(transaction: StoreTransaction, rows: Sequence[Row], now_us: int) -> int:
    return transaction.run("delete_webhooks", seqs=_json([row["seq"] for row in rows]))


def _restore_webhooks(transaction: StoreTransaction, rows: Sequence[Row]) -> None:
    transaction.put_back("webhook_inbox", [{**row, "body": b64decode(row["body"])} for row in rows])


TABLES: Final[Mapping[str, Table]] = {
    "audit_logs": Table("at_us", _find_audit, _count_audit, _delete_audit, _restore_audit),
    "message_queue": Table(
        "finished_us", _find_jobs,
        lambda transaction, cutoff_us: _counted(transaction.one("count_ended_jobs", cutoff_us=cutoff_us)),
        _delete_jobs, _restore_jobs,
    ),
    "webhook_events": Table(
        "received_us", _find_webhooks,
        lambda transaction, cutoff_us: _counted(transaction.one("count_old_webhooks", cutoff_us=cutoff_us)),
        _delete_webhooks, _restore_webhooks,
    ),
}  # fmt: skip


def _counted(row: Row | None) -> int:
    return int(row["count"]) if row is not None else 0


def _json(values: Sequence[Any]) -> str:
    return msgspec.json.encode(values).decode()


def _text(data: bytes) -> str:
    return b64encode(data).decode()
