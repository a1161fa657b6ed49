"""The processor of `cleanup`: what is old enough leaves, archived first where it is a record.

    audit_logs        entries of the audit trail           archived, six years at least
    message_queue     jobs that are over, their messages   archived
    webhook_events    webhooks that were understood        archived
    exports           files of exports whose time is over
    temp_files        the same, and what died exports left
    idempotency_keys  answers kept for clients that repeat themselves
    queue_messages    messages beyond their queue's retention

Each step is a transaction of its own and as small as it takes to keep senders waiting no longer than usual (`pace`); how
records leave is `sweep`'s.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from postroom.audit import record
from postroom.jobs.models import CleanupJob
from postroom.jobs.outcome import Done, JobContext, Outcome, PermanentError, RetryAfter, TemporaryError
from postroom.kit.clock import MICROSECOND, isoformat, to_us
from postroom.kit.storage import Storage, StorageFailed
from postroom.queues import BrokerUnavailable, StorageFull
from postroom.retention.archive import ArchiveDamaged, Archives
from postroom.retention.pace import Pace
from postroom.retention.policies import DAY_US, Policy
from postroom.retention.sweep import Busy, Sweep
from postroom.retention.tables import TABLES
from postroom.store import Store, StoreTransaction

PAGE: Final = 500


class Places(NamedTuple):
    """Where things are kept."""

    exports: Storage
    archive: Archives
    scratch: Path
    """Where archives grow, and exports too."""
    exports_scratch: Path


class Cleanup:
    """Deletes by target."""

    def __init__(
        self,
        store: Store,
        places: Places,
        policies: Mapping[str, Policy],
        *,
        expire: Callable[[], Awaitable[int]],
        give_back: Callable[[], Awaitable[int]],
    ) -> None:
        """`expire` has the queues drop what outlived them, `give_back` returns free pages of the file to the disk."""
        self._store = store
        self._places = places
        self._sweep = Sweep(store, places.archive, places.scratch)
        self._policies = policies
        self._expire = expire
        self._give_back = give_back

    async def __call__(self, job: CleanupJob, context: JobContext) -> Outcome:
        """Delete what the job names, or count it; raises PermanentError for what must be kept."""
        cutoff_us = to_us(job.older_than)
        policy = self._policies[job.target]
        if cutoff_us > context.clock.now_us() - policy.days_min * DAY_US:
            raise PermanentError(
                f"{job.target} must be kept for {policy.days_min:g} days; olderThan must lie further back",
                code="retention",
            )
        try:
            with context.clock.working():
                count = await self._act(job, context, cutoff_us)
                freed = 0 if job.dry_run or not count else await self._give_back()
        except Busy:
            return RetryAfter(60, f"another cleanup of {job.target} is at work")
        except (StorageFailed, ArchiveDamaged) as error:
            return RetryAfter(None, f"nothing more was deleted: {error}")
        except (StorageFull, BrokerUnavailable) as error:
            raise TemporaryError(f"nothing more was deleted: {error}") from error
        except OSError as error:
            said = os.strerror(error.errno or 0).lower()
            raise TemporaryError(
                f"nothing more was deleted: the archive cannot be written: {said}"
            ) from error
        await self._note(
            context, "cleanup.counted" if job.dry_run else "cleanup.done", "cleanup", context.job_id,
            {"target": job.target, "olderThan": isoformat(cutoff_us), "count": count, "pagesFreed": freed},
        )  # fmt: skip
        return Done(f"{count} would be deleted" if job.dry_run else f"{count} deleted")

    async def _act(self, job: CleanupJob, context: JobContext, cutoff_us: int) -> int:
        table = TABLES.get(job.target)
        if table is not None:
            if job.dry_run:
                return await self._store.read(lambda transaction: table.tally(transaction, cutoff_us))
            return await self._sweep(job.target, context, cutoff_us)
        if job.target == "idempotency_keys":
            return await self._keys(cutoff_us, dry_run=job.dry_run)
        if job.target == "queue_messages":
            # The queues look after it whenever they are used; a count would be one of their own.
            return 0 if job.dry_run else await self._expire()
        count = await self._expired_exports(context.clock.now_us(), cutoff_us, dry_run=job.dry_run)
        if job.target == "temp_files":
            count += await asyncio.to_thread(self._leavings, context.clock.now_us() - cutoff_us, job.dry_run)
        return count

    async def _keys(self, cutoff_us: int, *, dry_run: bool) -> int:
        if dry_run:
            row = await self._store.read(lambda t: t.one("count_old_idempotency_keys", cutoff_us=cutoff_us))
            return int(row["count"]) if row is not None else 0
        pace, count = Pace(PAGE), 0

        def forget(transaction: StoreTransaction) -> int:
            return transaction.run("forget_idempotency_keys", oldest_us=cutoff_us, limit=pace.size)

        while gone := await pace.step(self._store, forget):
            count += gone
        return count

    async def _expired_exports(self, now_us: int, cutoff_us: int, *, dry_run: bool) -> int:
        values = {"now_us": now_us, "cutoff_us": cutoff_us}
        if dry_run:
            row = await self._store.read(lambda t: t.one("count_expired_exports", **values))
            return int(row["count"]) if row is not None else 0
        count = 0
        while expired := await self._store.read(lambda t: t.all("expired_exports", **values, limit=PAGE)):
            for export in expired:
                await self._places.exports.delete(export["file"])
                await self._run("forget_export_file", id=export["id"])
            count += len(expired)
        return count

    def _leavings(self, age_us: int, dry_run: bool) -> int:
        """Parts that no living job can be writing: files have the machine's time, whatever clock the job runs on."""
        count = 0
        before = time.time() - age_us / MICROSECOND
        for folder in {self._places.scratch, self._places.exports_scratch}:
            for part in folder.glob(".*.part") if folder.is_dir() else ():
                with contextlib.suppress(FileNotFoundError):
                    if part.stat().st_mtime < before:
                        count += 1
                        if not dry_run:
                            part.unlink()
        return count

    async def _run(self, query: str, **values: Any) -> int:
        return await self._store.write(lambda transaction: transaction.run(query, **values))

    async def _note(
        self, context: JobContext, action: str, kind: str, object_id: str, details: dict[str, Any]
    ) -> None:
        now_us = context.clock.now_us()
        await self._store.write(
            lambda transaction: record(
                transaction, at_us=now_us, actor="worker", action=action, object_type=kind, object_id=object_id,
                details=details,
            )
        )  # fmt: skip
