"""The port."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

CHUNK_BYTES: Final = 1024 * 1024
"""About what `read` yields at once."""


class StorageFailed(Exception):
    """It could not be stored or read; the text says what and why, for an operator."""


class StorageExists(StorageFailed):
    """A file of that name is there, and was to be a new one."""


class Stored(NamedTuple):
    """A file that is kept."""

    name: str
    size: int
    """Bytes."""


class Storage(Protocol):
    """Keeps files by name; names have no `/` at their ends and no `..`."""

    async def put(self, name: str, path: Path, *, replace: bool = True) -> None:
        """Keep the file at `path` under a name, whole; the file at `path` is used up.

        Durable when this returns. Raises StorageExists when `replace` is false and there is one, and StorageFailed.
        """

    async def size(self, name: str) -> int | None:
        """Its size in bytes; None when there is none. Raises StorageFailed."""

    def read(self, name: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Its bytes from `start` up to and without `end`. Raises StorageFailed, also when there is none."""

    async def delete(self, name: str) -> None:
        """Let go of it; harmless when there is none. Raises StorageFailed."""

    async def list(self) -> Sequence[Stored]:
        """Every file, by name. Raises StorageFailed."""
