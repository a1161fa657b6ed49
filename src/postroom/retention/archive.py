"""Archives: rows that are about to be deleted, as compressed NDJSON with a manifest, in the storage.

A file is written whole, under a name that was never used, read back from where it is kept and compared with what was
written; only then are its rows deleted, and by reading it once more, so that nothing is deleted that is not in it. The
manifest is sealed with the key of the audit trail.
"""

import asyncio
import gzip
import hashlib
import hmac
import os
import zlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, TypeVar, cast

import msgspec

from postroom.kit.storage import Storage, StorageFailed

T = TypeVar("T")

SCHEMA_VERSION: Final = 1
GZIP_LEVEL: Final = 4
ROWS, MANIFEST = ".ndjson.gz", ".manifest.json"
PIECE_BYTES: Final = 128 * 1024
"""What is unpacked at once: little memory, and in a thread, so that senders in this process do not wait for it."""


class ArchiveDamaged(Exception):
    """An archive is not what was written; the text says how."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What an archive holds."""

    name: str
    target: str
    schema_version: int
    rows: int
    bytes: int
    """Before compression."""
    sha256: str
    """Of the lines before compression."""
    first_seq: int
    last_seq: int
    first_at: str
    last_at: str
    chain: Mapping[str, str] | None
    """Of audit entries: the hash before the first and that of the last."""
    seal: str = ""
    """HMAC-SHA256 over all of this."""


class Content(NamedTuple):
    """What was read or written."""

    rows: int
    size: int
    sha256: str


class ArchiveWriter:
    """Writes lines to a local file, in one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("wb")
        self._zipped = cast(
            "BinaryIO", gzip.GzipFile(fileobj=self._file, mode="wb", compresslevel=GZIP_LEVEL, mtime=0)
        )
        self._digest = hashlib.sha256()
        self.rows = self.size = 0

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Some rows; raises OSError."""
        data = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
        self._digest.update(data)
        self.rows += len(rows)
        self.size += len(data)
        self._zipped.write(data)

    def finish(self) -> Content:
        """Close it, durably; raises OSError."""
        self._zipped.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return Content(self.rows, self.size, self._digest.hexdigest())

    def abandon(self) -> None:
        """Close it, whatever state it is in."""
        self._file.close()


class _Sum:
    """Counts and digests what is read back."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self.rows = self.size = 0

    def take(self, data: bytes) -> None:
        self._digest.update(data)
        self.rows += data.count(b"\n")
        self.size += len(data)

    @property
    def content(self) -> Content:
        return Content(self.rows, self.size, self._digest.hexdigest())


class _Lines:
    """Makes rows of what is read back."""

    def __init__(self) -> None:
        self.rest = b""

    def take(self, data: bytes) -> list[dict[str, Any]]:
        *lines, self.rest = (self.rest + data).split(b"\n")
        return [msgspec.json.decode(line) for line in lines]


class Archives:
    """Archives in a storage; the first of the `secrets` seals manifests, any of them may have."""

    def __init__(self, storage: Storage, secrets: Sequence[bytes]) -> None:
        self._storage = storage
        self._secrets = tuple(secrets)

    async def keep(self, path: Path, manifest: Manifest) -> None:
        """Put the file and its manifest, and read both back. Raises ArchiveDamaged and StorageFailed."""
        sealed = msgspec.structs.replace(manifest, seal=_seal(self._secrets[0], manifest))
        await self._storage.put(manifest.name + ROWS, path, replace=False)
        beside = path.with_name(f".{manifest.name}.manifest.part")
        try:
            await asyncio.to_thread(beside.write_bytes, msgspec.json.encode(sealed))
            await self._storage.put(manifest.name + MANIFEST, beside, replace=False)
        finally:
            beside.unlink(missing_ok=True)
        await self.verify(manifest.name)

    async def manifest(self, name: str) -> Manifest:
        """An archive's manifest, its seal checked. Raises ArchiveDamaged and StorageFailed."""
        data = b"".join([chunk async for chunk in self._storage.read(name + MANIFEST)])
        try:
            found = msgspec.json.decode(data, type=Manifest)
        except msgspec.DecodeError:
            raise ArchiveDamaged(f"the manifest of {name} cannot be read") from None
        right = any(hmac.compare_digest(_seal(secret, found), found.seal) for secret in self._secrets)
        if not right or found.name != name:
            raise ArchiveDamaged(f"the seal of {name} is not right: its manifest, or the key, was changed")
        return found

    async def verify(self, name: str) -> Manifest:
        """Read an archive and compare it with its manifest. Raises ArchiveDamaged and StorageFailed."""
        manifest = await self.manifest(name)
        found = _Sum()
        async for _ in self._read(name, found.take):
            pass
        if found.content != (manifest.rows, manifest.bytes, manifest.sha256):
            raise ArchiveDamaged(
                f"{name} has {found.rows} rows of {manifest.rows}, or others than were written"
            )
        return manifest

    async def rows(self, name: str) -> AsyncIterator[list[dict[str, Any]]]:
        """An archive's rows, some at a time. Raises ArchiveDamaged and StorageFailed."""
        lines = _Lines()
        async for rows in self._read(name, lines.take):
            yield rows
        if lines.rest:
            raise ArchiveDamaged(f"the last row of {name} is cut off")

    async def discard(self, name: str) -> None:
        """Remove what was never finished. Raises StorageFailed."""
        await self._storage.delete(name + MANIFEST)
        await self._storage.delete(name + ROWS)

    async def _read(self, name: str, take: Callable[[bytes], T]) -> AsyncIterator[T]:
        """What `take` makes of each piece of an archive; both work in a thread."""
        unzip = zlib.decompressobj(31)

        def piece(data: bytes) -> tuple[T, bool]:
            plain = unzip.decompress(data, PIECE_BYTES)
            return take(plain), len(plain) == PIECE_BYTES

        try:
            async for chunk in self._storage.read(name + ROWS):
                more = True
                while more or chunk:
                    made, more = await asyncio.to_thread(piece, chunk)
                    chunk = unzip.unconsumed_tail
                    yield made
        except zlib.error:
            raise ArchiveDamaged(f"{name} cannot be unpacked") from None
        if not unzip.eof:
            raise ArchiveDamaged(f"{name} is cut off")


def _seal(secret: bytes, manifest: Manifest) -> str:
    text = msgspec.json.encode(msgspec.structs.replace(manifest, seal=""), order="sorted")
    return hmac.digest(secret, b"archive" + text, "sha256").hex()


__all__ = ["ArchiveDamaged", "ArchiveWriter", "Archives", "Content", "Manifest", "StorageFailed"]
