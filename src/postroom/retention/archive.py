"""Archives: rows that are about to be deleted, as compressed NDJSON with a manifest.

A file is written under a temporary name, read back and compared with what was to be written, and only then
put in place; so nothing is deleted that is not in a verified archive.
"""

import gzip
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec


class ArchiveDamaged(RuntimeError):
    """What was read back is not what was written; nothing was deleted."""


def write_archive(folder: Path, name: str, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write rows to `folder/name.ndjson.gz` with `name.manifest.json` beside it; returns the former.

    Raises ArchiveDamaged, and OSError when there is no room.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    digest = hashlib.sha256(data).hexdigest()
    path, part = folder / f"{name}.ndjson.gz", folder / f".{name}.part"
    try:
        with part.open("wb") as out:
            out.write(gzip.compress(data, mtime=0))
            out.flush()
            os.fsync(out.fileno())
        if hashlib.sha256(gzip.decompress(part.read_bytes())).hexdigest() != digest:
            raise ArchiveDamaged(f"{path.name} could not be read back as it was written")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    manifest = {"file": path.name, "rows": len(rows), "sha256": digest}
    (folder / f"{name}.manifest.json").write_bytes(msgspec.json.encode(manifest))
    return path
