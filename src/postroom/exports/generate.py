"""The processor of `export_generation`: a query's rows into a file.

Rows are read page by page up to the last one there was at the beginning, so memory stays flat and the set does
not move. The file is written under a temporary name and put in place whole; a worker that dies leaves no half
file under the final name, and the next attempt starts again. Recipients are masked.
"""

import asyncio
import functools
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from postroom.audit import record
from postroom.exports.filters import Filters, read_filters
from postroom.exports.formats import FORMATS
from postroom.jobs.models import ExportJob
from postroom.jobs.outcome import Done, JobContext, Outcome
from postroom.kit.clock import MICROSECOND, isoformat
from postroom.kit.redact import mask
from postroom.store import Store, StoreTransaction

PAGE = 1000
"""Rows read at once."""


class _Dataset(NamedTuple):
    columns: tuple[str, ...]
    query: str
    last: str
    shape: Callable[[dict[str, Any]], dict[str, Any]]


def _audit_row(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "at": isoformat(row["at_us"])}


def _message_row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **row,
        "recipient": mask(row["recipient"]),
        "created_at": isoformat(row["created_us"]),
        "updated_at": isoformat(row["updated_us"]),
    }


DATASETS: Final = {
    "audit_log": _Dataset(
        ("seq", "at", "actor", "action", "object_type", "object_id", "details"), "export_audit", "last_audit", _audit_row
    ),
    "messages": _Dataset(
        (
            "id", "channel", "recipient", "status", "job_id", "priority", "attempts", "provider", "provider_id", "code",
            "reason", "created_at", "updated_at",
        ),
        "export_messages", "last_job", _message_row,
    ),
}  # fmt: skip


class Written(NamedTuple):
    """What a file holds."""

    rows: int
    size: int
    sha256: str


class ExportGenerator:
    """Makes export files in a folder; they may be cleaned up after `keep_seconds`."""

    def __init__(self, store: Store, folder: Path, *, keep_seconds: float) -> None:
        self._store = store
        self._folder = folder
        self._keep_us = round(keep_seconds * MICROSECOND)

    async def __call__(self, job: ExportJob, context: JobContext) -> Outcome:
        """Write the file and its record; raises PermanentError for filters that mean nothing."""
        filters = read_filters(job.filters)
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{job.export_id.replace(':', '_')}.{job.format}"
        part = self._folder / f".{name}.{context.job_id}.part"
        try:
            written = await self._write(part, job.format, filters, context)
            os.replace(part, self._folder / name)
        finally:
            part.unlink(missing_ok=True)
        now_us = context.clock.now_us()

        def finish(transaction: StoreTransaction) -> None:
            # fmt: off
            transaction.run(
                "change_export", id=job.export_id, status="done", file=name, rows=written.rows, bytes=written.size,
                sha256=written.sha256, finished_us=now_us, expires_us=now_us + self._keep_us,
            )
            record(
                transaction, at_us=now_us, actor=job.user_id, action="export.generated", object_type="export",
                object_id=job.export_id, details={"dataset": filters.dataset, "format": job.format,
                                                  "rows": written.rows, "sha256": written.sha256},
            )
            # fmt: on

        await self._store.write(finish)
        return Done(f"{written.rows} rows")

    async def _write(self, part: Path, format_name: str, filters: Filters, context: JobContext) -> Written:
        dataset = DATASETS[filters.dataset]
        last = await self._store.read(lambda transaction: transaction.one(dataset.last))
        end = last["last"] if last else 0
        after = rows = 0
        with part.open("w", encoding="utf-8", newline="") as out:
            form = FORMATS[format_name](out, dataset.columns)
            form.begin()
            while True:
                values = {**filters.values, "after": after, "last": end, "limit": PAGE}
                page = await self._store.read(functools.partial(_page, dataset.query, values))
                if not page:
                    break
                form.rows([dataset.shape(row) for row in page])
                after = page[-1]["seq"]
                rows += len(page)
                context.report(min(1.0, after / max(1, end)))
            form.end()
            out.flush()
            os.fsync(out.fileno())
        digest = await asyncio.to_thread(_digest, part)
        return Written(rows, digest[0], digest[1])


def _page(query: str, values: dict[str, Any], transaction: StoreTransaction) -> list[dict[str, Any]]:
    return transaction.all(query, **values)


def _digest(path: Path) -> tuple[int, str]:
    """The file's size in bytes and its SHA-256."""
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()
