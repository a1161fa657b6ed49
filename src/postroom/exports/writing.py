"""Writing the file of an export: pages are read in one thread and written in another, and counted on the way."""

import asyncio
import contextlib
import gzip
import hashlib
import os
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, cast

from postroom.exports.formats import FORMATS, Format, Page
from postroom.exports.reading import WINDOW, Snapshot
from postroom.exports.request import Plan

BUFFER_BYTES: Final = 1024 * 1024
GZIP_LEVEL: Final = 4
PAGES_AHEAD: Final = 4
"""Pages that are read before they are written, at most; they are what an export needs of memory."""


class Written(NamedTuple):
    """What a file holds."""

    rows: int
    size: int
    sha256: str


class Cancelled(Exception):
    """Somebody called it off."""


class _Counted:
    """A file that counts and digests what is written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = 0
        self._digest = hashlib.sha256()

    def write(self, data: Any) -> int:
        self._digest.update(data)
        self.size += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    @property
    def closed(self) -> bool:
        return self._file.closed

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


class Writing:
    """One file; `rows`, `size` and `part` may be looked at while it grows."""

    def __init__(self, source: Callable[[Plan, Format], Snapshot], plan: Plan) -> None:
        self.rows = 0
        self.size = 0
        self.part = 0.0
        """How much of it is written, from 0 to 1."""
        self._source = source
        self._plan = plan
        self._cancelled = self._over = self._renew = False
        self._snapshot: Snapshot | None = None

    def cancel(self) -> None:
        """Have `write` raise Cancelled soon."""
        self._cancelled = True
        self._stop()

    def renew(self) -> None:
        """Have the snapshot let go and taken anew after the page that is being read; only where rows never change."""
        self._renew = True

    async def write(self, path: Path) -> Written:
        """Write the file, durably. Raises Cancelled, OSError when there is no room, PermanentError."""
        return await asyncio.to_thread(self._write, path)

    # What follows runs in two threads: pages are read in one while the other writes those before.

    def _write(self, path: Path) -> Written:
        with path.open("wb", buffering=BUFFER_BYTES) as file:
            counted = _Counted(file)
            plain = cast("BinaryIO", counted)
            zipped = None
            if self._plan.compression == "gzip":
                zipped = gzip.GzipFile(fileobj=plain, mode="wb", compresslevel=GZIP_LEVEL, mtime=0)
            form = FORMATS[self._plan.format](cast("BinaryIO", zipped or plain), self._plan.columns)
            form.begin()
            for page, part in self._pages(form):
                form.page(page)
                self.rows, self.size, self.part = self.rows + page.rows, counted.size, part
            form.end()
            if zipped is not None:
                zipped.close()
            file.flush()
            os.fsync(file.fileno())
        return Written(self.rows, counted.size, counted.hexdigest())

    def _pages(self, form: Format) -> Iterator[tuple[Page, float]]:
        """Pages with rows, and how far the file is when they are written."""
        ready: queue.Queue[tuple[Page, float] | Exception | None] = queue.Queue(PAGES_AHEAD)
        snapshot = self._snapshot = self._source(self._plan, form)
        reader = threading.Thread(target=self._read, args=(snapshot, ready), name="export-reader")
        reader.start()
        try:
            while (found := ready.get()) is not None:
                if self._cancelled:
                    raise Cancelled
                if isinstance(found, Exception):
                    raise found
                if found[0].rows:
                    yield found
            if self._cancelled:
                raise Cancelled
        finally:
            self._stop()
            while reader.is_alive():
                with contextlib.suppress(queue.Empty):
                    ready.get(timeout=0.02)

    def _stop(self) -> None:
        self._over = True
        if self._snapshot is not None:
            self._snapshot.interrupt()

    def _read(self, snapshot: Snapshot, ready: "queue.Queue[tuple[Page, float] | Exception | None]") -> None:
        try:
            bounds = snapshot.open()
            after = bounds.first - 1
            while after < bounds.last and not self._over:
                page = snapshot.page(after)
                after += WINDOW
                if self._renew:
                    self._renew = False
                    snapshot.renew(min(after, bounds.last))
                ready.put((page, bounds.part(min(after, bounds.last))))
            ready.put(None)
        except Exception as error:
            ready.put(Cancelled() if self._cancelled else error)
        finally:
            snapshot.close()
