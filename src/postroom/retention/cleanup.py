"""The processor of `cleanup`: what is old enough leaves, archived first where it is a record.

    audit_logs        entries of the audit trail           archived, six years at least
    message_queue     jobs that are over, their messages   archived
    webhook_events    webhooks that were understood        archived
    exports           files of exports whose time is over
    temp_files        the same, and what died exports left
    idempotency_keys  answers kept for clients that repeat themselves
    queue_messages    messages beyond their queue's retention

Each step is a transaction of its own and as small as it takes to keep senders waiting no longer than usual. An
interrupted cleanup goes on where it was: an archive that was verified has its rows deleted, one that was not is written
anew.
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
from postroom.kit.ids import new_id
from postroom.kit.storage import Storage, StorageFailed
from postroom.retention.archive import ArchiveDamaged, Archives, ArchiveWriter, Manifest
from postroom.retention.pace import Pace
from postroom.retention.policies import DAY_US, Policy
from postroom.retention.tables import TABLES, Row, Table
from postroom.store import Store, StoreTransaction

ARCHIVE_ROWS: Final = 50_000
"""Rows of one archive."""
PAGE: Final = 500
AT_WORK_SECONDS: Final = 120
"""An archive that was touched within so many seconds belongs to a cleanup that is alive."""


class Places(NamedTuple):
    """Where things are kept."""

    exports: Storage
    archive: Archives
    scratch: Path
    """Where archives grow, and exports too."""
    exports_scratch: Path


class Busy(Exception):
    """Another cleanup of the same target is at work."""


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
            return await self._sweep(job.target, table, context, cutoff_us)
        if job.target == "idempotency_keys":
            return await self._keys(cutoff_us, dry_run=job.dry_run)
        if job.target == "queue_messages":
            # The queues look after it whenever they are used; a count would be one of their own.
            return 0 if job.dry_run else await self._expire()
        count = await self._expired_exports(context.clock.now_us(), cutoff_us, dry_run=job.dry_run)
        if job.target == "temp_files":
            count += await asyncio.to_thread(self._leavings, context.clock.now_us() - cutoff_us, job.dry_run)
        return count

    # Records: archived, verified, deleted.

    async def _sweep(self, target: str, table: Table, context: JobContext, cutoff_us: int) -> int:
        count = await self._resume(target, table, context)
        while (archived := await self._archive(target, table, context, cutoff_us)) is not None:
            count += await self._delete(archived, table, context)
        return count

    async def _resume(self, target: str, table: Table, context: JobContext) -> int:
        """Finish what an earlier cleanup began; raises Busy when it is still at work."""
        count = 0
        for row in await self._store.read(lambda t: t.all("unfinished_archives", target=target)):
            heard = context.clock.now_us() - row["touched_us"] < AT_WORK_SECONDS * MICROSECOND
            if heard and row["job_id"] != context.job_id:
                raise Busy
            if row["state"] == "verified":
                count += await self._delete(row["name"], table, context)
                continue
            name = row["name"]
            for suffix in (".part", ".manifest.part"):
                (self._places.scratch / f".{name}{suffix}").unlink(missing_ok=True)
            await self._places.archive.discard(name)
            await self._store.write(lambda t, name=name: t.run("forget_archive", name=name))  # type: ignore[misc]
        return count

    async def _archive(self, target: str, table: Table, context: JobContext, cutoff_us: int) -> str | None:
        """Write and verify one archive; its name, or None when nothing is old enough."""
        rows = await self._store.read(lambda transaction: table.find(transaction, 0, cutoff_us, PAGE))
        if not rows:
            return None
        name = f"{target}-{rows[0]['seq']:012d}-{new_id()[-12:]}"
        await self._run(
            "insert_archive", name=name, target=target, job_id=context.job_id, now_us=context.clock.now_us()
        )
        self._places.scratch.mkdir(parents=True, exist_ok=True)
        part = self._places.scratch / f".{name}.part"
        writer = await asyncio.to_thread(ArchiveWriter, part)
        facts = _Facts(table.moment)
        try:
            while rows:
                await asyncio.to_thread(writer.add, rows)
                facts.add(rows)
                if writer.rows >= ARCHIVE_ROWS:
                    break
                after = rows[-1]["seq"]
                rows = await self._store.read(
                    lambda transaction, after=after: table.find(transaction, after, cutoff_us, PAGE)  # type: ignore[misc]
                )
            content = await asyncio.to_thread(writer.finish)
            chain = await self._store.read(facts.chain) if target == "audit_logs" else None
            manifest = facts.manifest(name, target, content, chain)
            await self._places.archive.keep(part, manifest)
        finally:
            writer.abandon()
            part.unlink(missing_ok=True)
        now_us = context.clock.now_us()

        def verified(transaction: StoreTransaction) -> None:
            transaction.run(
                "verify_archive", name=name, rows=content.rows, bytes=content.size, sha256=content.sha256,
                first_seq=facts.first_seq, last_seq=facts.last_seq, first_us=facts.first_us, last_us=facts.last_us,
                now_us=now_us,
            )  # fmt: skip
            record(
                transaction, at_us=now_us, actor="worker", action="archive.written", object_type="archive",
                object_id=name, after_sha256=content.sha256,
                details={"target": target, "rows": content.rows, "from": manifest.first_at, "to": manifest.last_at},
            )  # fmt: skip

        await self._store.write(verified)
        return name

    async def _delete(self, name: str, table: Table, context: JobContext) -> int:
        """Delete an archive's rows, read from where it is kept."""
        pace = Pace(PAGE)
        count = 0
        async for rows in self._places.archive.rows(name, PAGE):
            while rows:
                part, rows = rows[: pace.step], rows[pace.step :]
                now_us = context.clock.now_us()

                def delete(
                    transaction: StoreTransaction, part: list[Row] = part, now_us: int = now_us
                ) -> None:
                    table.delete(transaction, part, now_us)
                    transaction.run(
                        "touch_archive", name=name, now_us=now_us, deleted=len(part), job_id=context.job_id
                    )

                with pace:
                    await self._store.write(delete)
                await pace.rest()
                count += len(part)
        await self._run("change_archive_state", name=name, state="done", now_us=context.clock.now_us())
        return count

    # What is no record.

    async def _keys(self, cutoff_us: int, *, dry_run: bool) -> int:
        if dry_run:
            row = await self._store.read(lambda t: t.one("count_old_idempotency_keys", cutoff_us=cutoff_us))
            return int(row["count"]) if row is not None else 0
        pace, count = Pace(PAGE), 0
        while True:
            with pace:
                gone = await self._run("forget_idempotency_keys", oldest_us=cutoff_us, limit=pace.step)
            if not gone:
                return count
            count += gone
            await pace.rest()

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


class _Facts:
    """What a manifest tells of the rows, gathered as they pass."""

    def __init__(self, moment: str) -> None:
        self._moment = moment
        self.first_seq = self.last_seq = self.first_us = self.last_us = 0
        self._first: Row = {}
        self._last_hash: str | None = None

    def add(self, rows: list[Row]) -> None:
        moments = [row[self._moment] for row in rows]
        if not self._first:
            self._first, self.first_seq, self.first_us = rows[0], rows[0]["seq"], moments[0]
        self.last_seq = rows[-1]["seq"]
        self.first_us, self.last_us = min(self.first_us, *moments), max(self.last_us, *moments)
        self._last_hash = rows[-1].get("hash")

    def chain(self, transaction: StoreTransaction) -> dict[str, str]:
        """The hash before the first entry, as the trail has it, and that of the last."""
        before = transaction.one("find_audit", seq=self.first_seq - 1) or transaction.one("last_anchor")
        return {"before": (before or {}).get("hash") or "", "last": self._last_hash or ""}

    def manifest(self, name: str, target: str, content: Any, chain: dict[str, str] | None) -> Manifest:
        return Manifest(
            name=name, target=target, schema_version=1, rows=content.rows, bytes=content.size, sha256=content.sha256,
            first_seq=self.first_seq, last_seq=self.last_seq, first_at=isoformat(self.first_us) or "",
            last_at=isoformat(self.last_us) or "", chain=chain,
        )  # fmt: skip
