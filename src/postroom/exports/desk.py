"""Asking for exports, following them, calling them off and fetching them."""

from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

from postroom.audit import record
from postroom.exports.generate import describe
from postroom.exports.links import DownloadLinks
from postroom.exports.request import Plan, read_request
from postroom.jobs import Enqueued, JobProducer
from postroom.jobs.models import ExportJob
from postroom.kit.actor import Actor
from postroom.kit.clock import Clock
from postroom.kit.storage import Storage
from postroom.store import Store, StoreTransaction


class ExportNotReady(Exception):
    """There is no file to fetch; the text says why."""


class File(NamedTuple):
    """An export's file."""

    name: str
    size: int
    """Bytes."""
    sha256: str


class ExportDesk:
    """For those who want exports."""

    def __init__(
        self,
        store: Store,
        storage: Storage,
        producer: JobProducer,
        links: DownloadLinks,
        clock: Clock,
        *,
        index: Callable[[str], str],
    ) -> None:
        """`index` makes a recipient's reference."""
        self._store = store
        self._storage = storage
        self._producer = producer
        self.links = links
        self._clock = clock
        self._index = index

    async def ask(self, job: ExportJob, actor: Actor) -> tuple[Enqueued, Plan]:
        """Enqueue an export. Raises RequestInvalid and JobInvalid; a known exportId is answered as a duplicate."""
        plan = read_request(job, self._index)
        asked = await self._producer.enqueue_job(job, actor=actor)
        if not asked.duplicate:
            now_us = self._clock.now_us()

            def note(transaction: StoreTransaction) -> None:
                transaction.run("describe_export", id=job.export_id, **describe(plan))
                record(
                    transaction, at_us=now_us, actor=actor, action="export.requested", object_type="export",
                    object_id=job.export_id,
                    details={"dataset": plan.name, "format": plan.format, "filters": plan.shown},
                )  # fmt: skip

            await self._store.write(note)
        return asked, plan

    async def find(self, export_id: str) -> dict[str, Any] | None:
        """Its record."""
        return await self._store.read(lambda transaction: transaction.one("find_export", id=export_id))

    async def page(
        self, before: tuple[int, str], limit: int, user: str | None = None
    ) -> list[dict[str, Any]]:
        """Records, newest first, before a moment and id; of one user or of all."""
        values = {"before_us": before[0], "before_id": before[1], "limit": limit, "user_id": user}
        return await self._store.read(lambda transaction: transaction.all("list_exports", **values))

    async def cancel(self, export_id: str, actor: Actor) -> bool:
        """Call it off, whether it waits or is being written; False when it is over already."""
        now_us = self._clock.now_us()

        def call_off(transaction: StoreTransaction) -> bool:
            if not transaction.run("call_export_off", id=export_id, now_us=now_us):
                return False
            row = transaction.one("find_export", id=export_id)
            if row is not None and row["status"] == "cancelled":
                transaction.run("cancel_job", id=row["job_id"], now_us=now_us)
            record(
                transaction, at_us=now_us, actor=actor, action="export.cancelled", object_type="export",
                object_id=export_id,
            )  # fmt: skip
            return True

        return await self._store.write(call_off)

    async def file(self, row: dict[str, Any]) -> File:
        """The file of a record. Raises ExportNotReady, and StorageFailed."""
        if row["file"] is None:
            ended = {
                "expired": "has expired and was removed",
                "failed": "failed",
                "cancelled": "was called off",
            }
            raise ExportNotReady(f"the export {ended.get(row['status'], 'is not ready yet')}")
        size = await self._storage.size(row["file"])
        if size is None or size != row["bytes"]:
            raise ExportNotReady("the export's file is gone from the storage, or is not what was written")
        return File(row["file"], size, row["sha256"])

    def read(self, file: File, start: int, end: int) -> AsyncIterator[bytes]:
        """Its bytes from `start` up to and without `end`. Raises StorageFailed."""
        return self._storage.read(file.name, start, end)

    async def note_download(self, export_id: str, file: File, actor: Actor, start: int, end: int) -> None:
        """Put on record that somebody fetches it."""
        now_us = self._clock.now_us()

        def note(transaction: StoreTransaction) -> None:
            record(
                transaction, at_us=now_us, actor=actor, action="export.downloaded", object_type="export",
                object_id=export_id, after_sha256=file.sha256, details={"from": start, "bytes": end - start},
            )  # fmt: skip

        await self._store.write(note)
