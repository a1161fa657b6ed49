"""An S3-compatible bucket (Amazon S3, Cloudflare R2, MinIO) through obstore.

Files above 5 MB go up in parts that become one object at the end; what was begun and not ended is no object. A new object
is written with `If-None-Match: *`, so that an archive is never written over.
"""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from postroom.kit.storage.local import remove_quietly
from postroom.kit.storage.port import CHUNK_BYTES, StorageExists, StorageFailed, Stored

if TYPE_CHECKING:
    from obstore import GetOptions

OPTIONS = ("region", "endpoint")


class S3Storage:
    """Keeps files as objects below a prefix; see the port."""

    def __init__(
        self,
        url: str,
        prefix: str,
        *,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        session_token: str | None = None,
    ) -> None:
        """Raises ValueError for a URL that is not as `open_storage` describes it."""
        parts = urlsplit(url)
        given = dict(parse_qsl(parts.query))
        unknown = sorted(set(given) - set(OPTIONS))
        if unknown or not parts.netloc:
            raise ValueError(
                f"must be s3://BUCKET/PREFIX?region=REGION&endpoint=URL; unknown: {', '.join(unknown) or 'no bucket'}"
            )
        endpoint = given.get("endpoint")
        below = "/".join(filter(None, (parts.path.strip("/"), prefix)))
        config = {
            "region": given.get("region", "auto"), "endpoint": endpoint, "access_key_id": access_key_id,
            "secret_access_key": secret_access_key, "session_token": session_token,
        }  # fmt: skip
        self._store = S3Store(
            parts.netloc, prefix=below or None,
            config={name: value for name, value in config.items() if value is not None},  # type: ignore[arg-type]
            client_options={"allow_http": (endpoint or "").startswith("http:")},
        )  # fmt: skip

    async def put(self, name: str, path: Path, *, replace: bool = True) -> None:
        """See the port."""
        try:
            if replace:
                await obstore.put_async(self._store, name, path)
            else:
                await obstore.put_async(self._store, name, path, mode="create", use_multipart=False)
        except AlreadyExistsError:
            raise StorageExists(f"{name} is kept already") from None
        except (BaseError, OSError) as error:
            raise _failed(name, error) from error
        remove_quietly(path)

    async def size(self, name: str) -> int | None:
        """See the port."""
        try:
            return (await obstore.head_async(self._store, name))["size"]
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise _failed(name, error) from error

    async def read(self, name: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """See the port."""
        if end is not None and end <= start:
            return
        try:
            wanted: GetOptions = {}
            if end is not None:
                wanted = {"range": (start, end)}
            elif start:
                # An empty object has no range that could be asked for, so the whole is asked for without.
                wanted = {"range": {"offset": start}}
            result = await obstore.get_async(self._store, name, options=wanted)
            async for chunk in result.stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)
        except (BaseError, OSError) as error:
            raise _failed(name, error) from error

    async def delete(self, name: str) -> None:
        """See the port."""
        try:
            await obstore.delete_async(self._store, name)
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise _failed(name, error) from error

    async def list(self) -> Sequence[Stored]:
        """See the port."""
        found = []
        try:
            async for part in obstore.list(self._store):
                found += [Stored(entry["path"], entry["size"]) for entry in part]
        except (BaseError, OSError) as error:
            raise _failed("the bucket", error) from error
        return sorted(found)


def _failed(name: str, error: BaseException) -> StorageFailed:
    """Without the vendor's text, which quotes URLs and headers."""
    if isinstance(error, FileNotFoundError):
        return StorageFailed(f"{name} is not kept here")
    return StorageFailed(f"{name}: the object storage answered with {type(error).__name__}")
