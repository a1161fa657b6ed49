"""A job with its attempts, without its message's recipient and content: what a dead letter carries along."""

from typing import Any

from postroom.kit.clock import isoformat
from postroom.store import StoreTransaction


def describe(transaction: StoreTransaction, job_id: str) -> dict[str, Any]:
    """The job's facts; empty when there is no such job."""
    job = transaction.one("find_job", id=job_id)
    if job is None:
        return {}
    return {
        "type": job["type"],
        "reference": job["reference"],
        "priority": job["priority"],
        "enqueuedAt": isoformat(job["created_us"]),
        "attempts": [
            {
                "number": attempt["number"],
                "startedAt": isoformat(attempt["started_us"]),
                "finishedAt": isoformat(attempt["finished_us"]),
                "outcome": attempt["outcome"],
                "provider": attempt["provider"],
                "code": attempt["code"],
                "reason": attempt["reason"],
            }
            for attempt in transaction.all("list_attempts", job_id=job_id)
        ],
    }
