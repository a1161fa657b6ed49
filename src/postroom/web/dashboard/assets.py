"""The files of `static/`, under a path that changes with their content, so that browsers keep them for a year.

One hash stands for all files, so that a style sheet may name its fonts by relative paths. The files are read once.
"""

import gzip
import hashlib
import mimetypes
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

from litestar import Response, get
from litestar.params import FromPath

from postroom.web.dashboard.paths import STATIC
from postroom.web.dependencies import Asked
from postroom.web.problems import NOT_FOUND, Refusal

FOREVER: Final = "public, max-age=31536000, immutable"
HASH_CHARS: Final = 12
_COMPRESSED: Final = ("text/", "application/javascript", "image/svg")
_TYPES: Final = {".woff2": "font/woff2", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Asset(NamedTuple):
    """One file."""

    media_type: str
    body: bytes
    gzipped: bytes | None


class Assets(NamedTuple):
    """All files by their paths, and the hash over them."""

    hash: str
    files: dict[str, Asset]


@cache
def assets() -> Assets:
    """Read once a process."""
    found = dict(sorted(_walk(files("postroom.web.dashboard").joinpath("static"), "")))
    digest = hashlib.sha256()
    for path, asset in found.items():
        digest.update(b"%b\0%d\0" % (path.encode(), len(asset.body)))
        digest.update(asset.body)
    return Assets(digest.hexdigest()[:HASH_CHARS], found)


def asset_url(path: str) -> str:
    """Where a file of `static/` is; raises KeyError for one that is not there."""
    known = assets()
    if path not in known.files:
        raise KeyError(f"static/{path} does not exist")
    return f"{STATIC}{known.hash}/{path}"


@get(STATIC + "{digest:str}/{file:path}", include_in_schema=False)
async def static_file(digest: FromPath[str], file: FromPath[str], request: Asked) -> Response[bytes]:
    """A file; under the hash of other content it may not be kept."""
    known = assets()
    asset = known.files.get(str(file).lstrip("/"))
    if asset is None:
        raise Refusal(NOT_FOUND)
    headers = {"cache-control": FOREVER if digest == known.hash else "no-cache"}
    body = asset.body
    if asset.gzipped is not None:
        headers["vary"] = "accept-encoding"
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"], body = "gzip", asset.gzipped
    return Response(body, media_type=asset.media_type, headers=headers)


HANDLERS: Final = (static_file,)


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, Asset]]:
    found: list[tuple[str, Asset]] = []
    for entry in folder.iterdir():
        path = prefix + entry.name
        if entry.is_dir():
            found += _walk(entry, path + "/")
        else:
            found.append((path, _read(entry)))
    return found


def _read(entry: Traversable) -> Asset:
    body = entry.read_bytes()
    suffix = entry.name[entry.name.rfind(".") :]
    kind = _TYPES.get(suffix) or mimetypes.guess_type(entry.name)[0] or "text/plain"
    text = kind.startswith(_COMPRESSED)
    zipped = gzip.compress(body, 9, mtime=0) if text else None
    return Asset(kind, body, zipped)
