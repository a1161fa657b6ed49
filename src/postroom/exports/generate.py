"""The processor of `export_generation`: a snapshot's rows into a file of the storage.

The file is written under a temporary name beside the local exports and put in place whole; a worker that dies leaves no
half file under the final name, and the next attempt starts again. Its end, the audit entry with the file's SHA-256, the
notice to who asked for it and the job that will clean it up are one transaction.
"""

import asyncio
import contextlib
import functools
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from postroom.audit import record
from postroom.exports.log_watch import LogWatch
from postroom.exports.reading import snapshot_of
from postroom.exports.request import Plan, read_request
from postroom.exports.writing import Cancelled, Writing, Written
from postroom.jobs.models import CleanupJob, ExportJob, Job
from postroom.jobs.outcome import Done, JobContext, Outcome, RetryAfter, TemporaryError
from postroom.kit.clock import MICROSECOND, to_datetime
from postroom.kit.storage import Storage, StorageFailed
from postroom.queues import BrokerUnavailable, StorageFull
from postroom.store import Store, StoreTransaction
from postroom.store.vault import Sealing

TELL_SECONDS: Final = 0.5
"""How often progress is told."""

Enlist = Callable[[StoreTransaction, Job, datetime | None], None]
"""Enqueues a job in a transaction, for a moment or for now."""
Notice = Callable[[StoreTransaction, str, str], Job | None]
"""The message that tells a user that their export is ready; None where there is no way to."""


def file_name(export_id: str, suffix: str) -> str:
    """The name of an export's file: no id holds a `=`."""
    return f"{export_id.replace(':', '=')}{suffix}"


class ExportGenerator:
    """Makes export files; they may be cleaned up after `keep_seconds`."""

    def __init__(
        self,
        store: Store,
        storage: Storage,
        vault: Sealing,
        *,
        scratch: Path,
        keep_seconds: float,
        enlist: Enlist,
        notice: Notice,
        log_bytes_max: int,
    ) -> None:
        """`scratch` is where files grow: on the file system of a local storage. `log_bytes_max`: see `log_watch`."""
        self._store = store
        self._storage = storage
        self._vault = vault
        self._scratch = scratch
        self._keep_us = round(keep_seconds * MICROSECOND)
        self._enlist = enlist
        self._notice = notice
        self._log_bytes_max = log_bytes_max

    async def __call__(self, job: ExportJob, context: JobContext) -> Outcome:
        """Write the file and its record; raises RequestInvalid for what cannot be."""
        plan = read_request(job, self._vault.index)
        if await self._begin(job, plan, context) is not None:
            return await self._called_off(job, context)
        name = file_name(job.export_id, plan.suffix)
        part = self._scratch / f".{name}.{context.job_id}.part"
        try:
            self._scratch.mkdir(parents=True, exist_ok=True)
            with context.clock.working():
                written = await self._write(part, plan, job, context)
                await self._storage.put(name, part)
        except Cancelled:
            return await self._called_off(job, context)
        except (StorageFull, BrokerUnavailable) as error:
            raise TemporaryError(f"the export's progress cannot be recorded: {error}") from error
        except OSError as error:
            raise TemporaryError(
                f"the export cannot be written: {os.strerror(error.errno or 0).lower()}"
            ) from error
        except StorageFailed as error:
            return RetryAfter(None, f"the export cannot be stored: {error}")
        finally:
            part.unlink(missing_ok=True)
        if not await self._store.write(functools.partial(self._finish, job, plan, context, name, written)):
            await self._storage.delete(name)
            return Done("another job has taken this export over")
        return Done(f"{written.rows} rows")

    async def _begin(self, job: ExportJob, plan: Plan, context: JobContext) -> int | None:
        """Record what is going to be written; the moment when it was called off, if it was."""
        values = {
            **describe(plan),
            "id": job.export_id,
            "job_id": context.job_id,
            "now_us": context.clock.now_us(),
        }
        row = await self._store.write(lambda transaction: transaction.one("begin_export", **values))
        return row["cancel_us"] if row is not None else None

    async def _write(self, part: Path, plan: Plan, job: ExportJob, context: JobContext) -> Written:
        writing = Writing(functools.partial(snapshot_of, self._store, self._vault), plan)
        watch = LogWatch(self._log_bytes_max)
        task = asyncio.ensure_future(writing.write(part))
        try:
            while True:
                done, _ = await asyncio.wait({task}, timeout=TELL_SECONDS)
                if done:
                    return task.result()
                context.report(writing.part)
                row = await self._store.write(functools.partial(_tell, job, context, writing))
                if row is None or row["cancel_us"] is not None:
                    writing.cancel()
                elif watch.too_long(await self._store.storage()):
                    if not plan.dataset.unchanging:
                        raise TemporaryError(
                            "so much was written meanwhile that the write-ahead log grew by more than "
                            f"{self._log_bytes_max // 1_000_000:,} MB (POSTROOM_EXPORT_LOG_MB); ask for less, by dates"
                        )
                    writing.renew()
                    watch.begin()
        finally:
            if not task.done():
                # The lease is lost or the service stops: nothing may go on writing.
                writing.cancel()
                with contextlib.suppress(Exception):
                    await task

    def _finish(
        self,
        job: ExportJob,
        plan: Plan,
        context: JobContext,
        name: str,
        written: Written,
        transaction: StoreTransaction,
    ) -> bool:
        now_us = context.clock.now_us()
        expires_us = now_us + self._keep_us
        changed = transaction.run(
            "change_export", id=job.export_id, job_id=context.job_id, status="done", file=name, rows=written.rows,
            bytes=written.size, sha256=written.sha256, finished_us=now_us, expires_us=expires_us,
        )  # fmt: skip
        if not changed:
            return False
        record(
            transaction, at_us=now_us, actor=job.user_id, action="export.generated", object_type="export",
            object_id=job.export_id, after_sha256=written.sha256,
            details={"dataset": plan.name, "format": plan.format, "filters": plan.shown, "rows": written.rows,
                     "bytes": written.size, "sha256": written.sha256,
                     "columns": [column.name for column in plan.columns]},
        )  # fmt: skip
        self._enlist(
            transaction, CleanupJob(target="exports", older_than=to_datetime(now_us)), to_datetime(expires_us)
        )
        notice = self._notice(transaction, job.user_id, job.export_id) if job.notify else None
        if notice is not None:
            self._enlist(transaction, notice, None)
        return True

    async def _called_off(self, job: ExportJob, context: JobContext) -> Outcome:
        now_us = context.clock.now_us()

        def end(transaction: StoreTransaction) -> None:
            transaction.run("end_cancelled_export", id=job.export_id, job_id=context.job_id, now_us=now_us)

        await self._store.write(end)
        return Done("called off")


def describe(plan: Plan) -> dict[str, str]:
    """A plan as its record has it."""
    return {
        "dataset": plan.name, "filters": msgspec.json.encode(plan.shown).decode(),
        "columns": msgspec.json.encode([column.name for column in plan.columns]).decode(),
    }  # fmt: skip


def _tell(
    job: ExportJob, context: JobContext, writing: Writing, transaction: StoreTransaction
) -> dict[str, object] | None:
    return transaction.one(
        "progress_export", id=job.export_id, job_id=context.job_id, progress=writing.part, rows=writing.rows,
        bytes=writing.size, now_us=context.clock.now_us(),
    )  # fmt: skip
