"""A folder."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from postroom.kit.storage.port import CHUNK_BYTES, StorageExists, StorageFailed, Stored

T = TypeVar("T")


class LocalStorage:
    """Keeps files in a folder, which is made when something is put; see the port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def put(self, name: str, path: Path, *, replace: bool = True) -> None:
        """See the port; `path` must be on the same file system."""
        await self._do(name, lambda: self._put(name, path, replace=replace))

    async def size(self, name: str) -> int | None:
        """See the port."""

        def look() -> int | None:
            try:
                return self._path(name).stat().st_size
            except FileNotFoundError:
                return None

        return await self._do(name, look)

    async def read(self, name: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """See the port."""
        file = await self._do(name, lambda: self._path(name).open("rb"))
        with file:
            file.seek(start)
            left = None if end is None else max(0, end - start)
            while left is None or left:
                chunk = await asyncio.to_thread(
                    file.read, CHUNK_BYTES if left is None else min(CHUNK_BYTES, left)
                )
                if not chunk:
                    return
                left = None if left is None else left - len(chunk)
                yield chunk

    async def delete(self, name: str) -> None:
        """See the port."""
        await self._do(name, lambda: self._path(name).unlink(missing_ok=True))

    async def list(self) -> Sequence[Stored]:
        """See the port."""

        def look() -> list[Stored]:
            if not self.folder.is_dir():
                return []
            paths = sorted(path for path in self.folder.iterdir() if path.is_file() and path.name[0] != ".")
            return [Stored(path.name, path.stat().st_size) for path in paths]

        return await self._do("the folder", look)

    def _path(self, name: str) -> Path:
        if "/" in name or name.startswith("."):
            raise StorageFailed(f"{name!r} is no name of a file that is kept here")
        return self.folder / name

    def _put(self, name: str, path: Path, *, replace: bool) -> None:
        target = self._path(name)
        self.folder.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        if replace:
            os.replace(path, target)
        else:
            # A link fails where there is one; a rename would not.
            os.link(path, target)
            path.unlink()
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    async def _do(self, name: str, act: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(act)
        except FileExistsError:
            raise StorageExists(f"{name} is kept already") from None
        except FileNotFoundError:
            raise StorageFailed(f"{name} is not kept here") from None
        except OSError as error:
            raise StorageFailed(f"{name}: {os.strerror(error.errno or 0).lower()}") from error


def remove_quietly(path: Path) -> None:
    """Remove a file if it is there and can be removed."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
