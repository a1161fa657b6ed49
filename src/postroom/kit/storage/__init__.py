"""Where files that outlive a process are kept: one small port, a folder or an S3-compatible bucket behind it.

A file is put whole or not at all. `open_storage` chooses by URL; a missing extra says how to install it.
"""

from pathlib import Path
from urllib.parse import urlsplit

from postroom.kit.storage.local import LocalStorage
from postroom.kit.storage.port import Storage, StorageExists, StorageFailed, Stored

__all__ = ["LocalStorage", "Storage", "StorageExists", "StorageFailed", "Stored", "open_storage"]


def open_storage(url: str | None, folder: Path, prefix: str, **credentials: str | None) -> Storage:
    """The bucket of an `s3://BUCKET/PREFIX?region=&endpoint=` URL below `prefix`, or the folder where there is none.

    Raises ValueError for another kind of URL, and StorageFailed without the `s3` extra.
    """
    if url is None:
        return LocalStorage(folder)
    if urlsplit(url).scheme != "s3":
        raise ValueError("must be s3://BUCKET/PREFIX?region=REGION&endpoint=URL")
    try:
        from postroom.kit.storage.s3 import S3Storage
    except ImportError:
        raise StorageFailed('object storage is not installed: pip install "postroom[s3]"') from None
    return S3Storage(url, prefix, **credentials)
