"""The processor of `cleanup`: deletes what is older than a moment, in small steps.

    temp_files      export files that have expired, and the leavings of exports that died
    message_queue   records of finished jobs with their messages and attempts, archived first
    audit_logs      entries of the audit trail beyond the years they must be kept, archived first

Each step is a transaction of its own, so senders are never held up and an interrupted cleanup goes on where
it was. Deleting is idempotent: a job that comes twice finds less to do.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from postroom.audit import Chain, record, write_anchor
from postroom.jobs.models import CleanupJob
from postroom.jobs.outcome import Done, JobContext, Outcome, PermanentError
from postroom.kit.clock import MICROSECOND, to_us
from postroom.retention.archive import write_archive
from postroom.store import Store, StoreTransaction

STEP = 500
"""Rows archived and deleted at once."""
AUDIT_YEARS_MIN: Final = 6
"""Audit entries are kept for six years (45 CFR 164.316(b)(2)(i))."""
YEAR_US: Final = 365 * 86_400 * MICROSECOND


class Cleanup:
    """Deletes by target; archives go to one folder, export files lie in another."""

    def __init__(self, store: Store, *, exports: Path, archive: Path) -> None:
        self._store = store
        self._exports = exports
        self._archive = archive

    async def __call__(self, job: CleanupJob, context: JobContext) -> Outcome:
        """Delete what the job names; raises PermanentError for what must be kept."""
        cutoff_us = to_us(job.older_than)
        act = {"temp_files": self._files, "message_queue": self._records, "audit_logs": self._audit}[
            job.target
        ]
        count = await act(cutoff_us, context)
        now_us = context.clock.now_us()

        def note(transaction: StoreTransaction) -> None:
            # fmt: off
            record(transaction, at_us=now_us, actor="worker", action="cleanup.done", object_type="cleanup",
                   object_id=context.job_id, details={"target": job.target, "deleted": count})
            # fmt: on

        await self._store.write(note)
        return Done(f"{count} deleted")

    async def _files(self, cutoff_us: int, context: JobContext) -> int:
        count = 0
        now_us = context.clock.now_us()
        while True:
            expired = await self._store.read(
                lambda t: t.all("expired_exports", now_us=now_us, cutoff_us=cutoff_us, limit=STEP)
            )
            if not expired:
                break
            for export in expired:
                (self._exports / export["file"]).unlink(missing_ok=True)
            await self._store.write(_forget_files(expired))
            count += len(expired)
        if self._exports.is_dir():
            # Files have the machine's time, whatever clock the job runs on.
            age_seconds = (context.clock.now_us() - cutoff_us) / MICROSECOND
            for part in self._exports.glob(".*.part"):
                if part.stat().st_mtime < time.time() - age_seconds:
                    part.unlink(missing_ok=True)
                    count += 1
        return count

    async def _records(self, cutoff_us: int, context: JobContext) -> int:
        count = 0
        while True:
            jobs = await self._store.read(
                lambda t: t.all("finished_before", after=0, cutoff_us=cutoff_us, limit=STEP)
            )
            # The job in hand is not finished, so it is never among them.
            if not jobs:
                return count
            rows = await self._store.read(_with_parts(jobs))
            write_archive(self._archive, f"jobs-{jobs[0]['seq']}-{jobs[-1]['seq']}", rows)
            await self._store.write(_delete_jobs(jobs))
            count += len(jobs)

    async def _audit(self, cutoff_us: int, context: JobContext) -> int:
        if cutoff_us > context.clock.now_us() - AUDIT_YEARS_MIN * YEAR_US:
            raise PermanentError(
                f"audit logs are kept for {AUDIT_YEARS_MIN} years; olderThan must lie further back",
                code="retention",
            )
        count = 0
        while True:
            entries = await self._store.read(
                lambda t: t.all("audit_before", after=0, cutoff_us=cutoff_us, limit=STEP)
            )
            if not entries:
                return count
            write_archive(self._archive, f"audit-{entries[0]['seq']}-{entries[-1]['seq']}", entries)
            await self._store.write(_delete_audit(entries, context.clock.now_us()))
            count += len(entries)


Rows = Sequence[dict[str, Any]]


def _forget_files(exports: Rows) -> Callable[[StoreTransaction], None]:
    def forget(transaction: StoreTransaction) -> None:
        for export in exports:
            transaction.run("forget_export_file", id=export["id"])

    return forget


def _with_parts(jobs: Rows) -> Callable[[StoreTransaction], Rows]:
    def collect(transaction: StoreTransaction) -> Rows:
        return [
            {
                **job,
                "attempt_rows": transaction.all("list_attempts", job_id=job["id"]),
                "message": transaction.one("messages_of_jobs", job_id=job["id"], reference=job["reference"]),
            }
            for job in jobs
        ]

    return collect


def _delete_jobs(jobs: Rows) -> Callable[[StoreTransaction], None]:
    def delete(transaction: StoreTransaction) -> None:
        for job in jobs:
            transaction.run("delete_attempts", id=job["id"])
            transaction.run("delete_message", id=job["id"], reference=job["reference"])
            transaction.run("delete_job", id=job["id"])

    return delete


def _delete_audit(entries: Rows, now_us: int) -> Callable[[StoreTransaction], None]:
    def delete(transaction: StoreTransaction) -> None:
        first, last = entries[0], entries[-1]
        transaction.run("open_audit")
        transaction.run("delete_audit", first=first["seq"], last=last["seq"])
        transaction.run("close_audit")
        chain = transaction.chain
        if isinstance(chain, Chain) and last["hash"] is not None:
            # The chain goes on from here although its beginning is gone.
            row = {
                "seq": last["seq"], "first_seq": first["seq"], "count": len(entries), "hash": last["hash"],
                "kind": "archived",
            }  # fmt: skip
            write_anchor(transaction, chain, row, now_us)

    return delete
