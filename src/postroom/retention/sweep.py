"""Sweeping records out: archived, verified, and only then deleted.

An archive's record says how far it is: `writing` until its file has been read back, `verified` while its rows are being
deleted, `done`. Whoever comes after an interrupted cleanup goes on there: what was never verified is written anew, and
what was is deleted by what stands in the file. A row that has changed since it was archived stays for the next time.
"""

import asyncio
import functools
from pathlib import Path
from typing import Any, Final

from postroom.audit import record
from postroom.jobs.outcome import JobContext
from postroom.kit.clock import MICROSECOND, isoformat
from postroom.kit.ids import new_id
from postroom.retention.archive import SCHEMA_VERSION, Archives, ArchiveWriter, Content, Manifest
from postroom.retention.pace import Pace
from postroom.retention.tables import TABLES, Row, Table
from postroom.store import Store, StoreTransaction

ARCHIVE_ROWS: Final = 50_000
"""Rows of one archive."""
PAGE: Final = 100
"""Rows that are read at once; they are what a sweep needs of memory."""
STEP_MOST: Final = 500
AT_WORK_SECONDS: Final = 120
"""An archive that was touched within so many seconds belongs to a cleanup that is alive."""
TOUCH_ROWS: Final = 10_000


class Busy(Exception):
    """Another cleanup of the same target is at work."""


class Sweep:
    """Sweeps by target."""

    def __init__(self, store: Store, archives: Archives, scratch: Path) -> None:
        """Archives grow in `scratch`."""
        self._store = store
        self._archives = archives
        self._scratch = scratch

    async def __call__(self, target: str, context: JobContext, cutoff_us: int) -> int:
        """Have what is older than a moment leave; how many rows. Raises Busy, StorageFailed, ArchiveDamaged, OSError."""
        table = TABLES[target]
        count, after = await self._resume(target, table, context), 0
        while (archive := await self._archive(target, table, context, after, cutoff_us)) is not None:
            count += await self._delete(archive.name, table, context)
            # What stayed although it was archived has its turn the next time.
            after = archive.last_seq
        return count

    async def _resume(self, target: str, table: Table, context: JobContext) -> int:
        """Finish what an earlier cleanup began; raises Busy when it is still at work."""
        count = 0
        for row in await self._store.read(
            lambda transaction: transaction.all("unfinished_archives", target=target)
        ):
            heard = context.clock.now_us() - row["touched_us"] < AT_WORK_SECONDS * MICROSECOND
            if heard and row["job_id"] != context.job_id:
                raise Busy
            if row["state"] == "verified":
                count += await self._delete(row["name"], table, context)
            else:
                await self._discard(row["name"])
        return count

    async def _discard(self, name: str) -> None:
        for suffix in (".part", ".manifest.part"):
            (self._scratch / f".{name}{suffix}").unlink(missing_ok=True)
        await self._archives.discard(name)
        await self._run("forget_archive", name=name)

    async def _archive(
        self, target: str, table: Table, context: JobContext, after: int, cutoff_us: int
    ) -> Manifest | None:
        """Write and verify one archive; None when nothing is old enough."""
        rows = await self._page(table, after, cutoff_us)
        if not rows:
            return None
        name = f"{target}-{rows[0]['seq']:012d}-{new_id()[-12:]}"
        await self._run(
            "insert_archive", name=name, target=target, job_id=context.job_id, now_us=context.clock.now_us()
        )
        self._scratch.mkdir(parents=True, exist_ok=True)
        part = self._scratch / f".{name}.part"
        writer = await asyncio.to_thread(ArchiveWriter, part)
        facts = _Facts(table.moment)
        try:
            while rows:
                await asyncio.to_thread(writer.add, rows)
                facts.add(rows)
                if writer.rows >= ARCHIVE_ROWS:
                    break
                if writer.rows % TOUCH_ROWS < PAGE:
                    await self._touch(name, context)
                rows = await self._page(table, facts.last_seq, cutoff_us)
            content = await asyncio.to_thread(writer.finish)
            chain = await self._store.read(facts.chain) if target == "audit_logs" else None
            manifest = facts.manifest(name, target, content, chain)
            await self._archives.keep(part, manifest)
        finally:
            writer.abandon()
            part.unlink(missing_ok=True)
        if not await self._store.write(functools.partial(self._verified, manifest, facts, context)):
            # This cleanup was so slow that another one took it for dead and made the archive anew.
            await self._archives.discard(name)
            raise Busy
        return manifest

    @staticmethod
    def _verified(
        manifest: Manifest, facts: "_Facts", context: JobContext, transaction: StoreTransaction
    ) -> bool:
        now_us = context.clock.now_us()
        if not transaction.run(
            "verify_archive", name=manifest.name, rows=manifest.rows, bytes=manifest.bytes, sha256=manifest.sha256,
            first_seq=facts.first_seq, last_seq=facts.last_seq, first_us=facts.first_us, last_us=facts.last_us,
            now_us=now_us,
        ):  # fmt: skip
            return False
        record(
            transaction, at_us=now_us, actor="worker", action="archive.written", object_type="archive",
            object_id=manifest.name, after_sha256=manifest.sha256,
            details={"target": manifest.target, "rows": manifest.rows, "from": manifest.first_at,
                     "to": manifest.last_at},
        )  # fmt: skip
        return True

    async def _delete(self, name: str, table: Table, context: JobContext) -> int:
        """Delete an archive's rows, read from where it is kept; how many went."""
        pace, count = Pace(STEP_MOST), 0

        def delete(part: list[Row], transaction: StoreTransaction) -> int:
            now_us = context.clock.now_us()
            deleted = table.delete(transaction, part, now_us)
            transaction.run("touch_archive", name=name, now_us=now_us, deleted=deleted, job_id=context.job_id)
            return deleted

        waiting: list[Row] = []
        async for rows in self._archives.rows(name):
            waiting += rows
            while len(waiting) >= pace.size:
                part, waiting = waiting[: pace.size], waiting[pace.size :]
                count += await pace.step(self._store, functools.partial(delete, part))
        if waiting:
            count += await pace.step(self._store, functools.partial(delete, waiting))
        await self._run("change_archive_state", name=name, state="done", now_us=context.clock.now_us())
        return count

    async def _page(self, table: Table, after: int, cutoff_us: int) -> list[Row]:
        return await self._store.read(lambda transaction: table.find(transaction, after, cutoff_us, PAGE))

    async def _touch(self, name: str, context: JobContext) -> None:
        await self._run(
            "touch_archive", name=name, now_us=context.clock.now_us(), deleted=0, job_id=context.job_id
        )

    async def _run(self, query: str, **values: Any) -> int:
        return await self._store.write(lambda transaction: transaction.run(query, **values))


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
        before = transaction.one("find_audit", seq=self.first_seq - 1) or transaction.one(
            "last_archived_anchor"
        )
        return {"before": (before or {}).get("hash") or "", "last": self._last_hash or ""}

    def manifest(self, name: str, target: str, content: Content, chain: dict[str, str] | None) -> Manifest:
        return Manifest(
            name=name, target=target, schema_version=SCHEMA_VERSION, rows=content.rows, bytes=content.size,
            sha256=content.sha256, first_seq=self.first_seq, last_seq=self.last_seq,
            first_at=isoformat(self.first_us) or "", last_at=isoformat(self.last_us) or "", chain=chain,
        )  # fmt: skip
