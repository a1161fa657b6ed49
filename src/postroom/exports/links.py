"""Links to an export's file: signed, for one person, and good for some minutes.

    /api/exports/ID/file?expires=SECONDS&for=NAME&signature=HEX

The signature binds the export, its file's SHA-256, the person and the end. Who uses a link must be signed in as that
person: a link that is passed on, or read in a log, opens nothing.
"""

import hmac
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, urlencode

from postroom.kit.clock import MICROSECOND

SIGNATURE_CHARS: Final = 64


class DownloadLinks:
    """Makes and checks links; the first key signs, all of them verify."""

    def __init__(self, keys: Sequence[bytes], *, seconds: float) -> None:
        self._keys = tuple(keys)
        self.seconds = seconds

    def __repr__(self) -> str:
        return "DownloadLinks(***)"

    def path(self, export_id: str, sha256: str, user: str, now_us: int) -> tuple[str, int]:
        """The path with its query, and the second since 1970 at which it ends."""
        expires = now_us // MICROSECOND + round(self.seconds)
        signature = _sign(self._keys[0], export_id, sha256, user, expires)
        query = urlencode({"expires": expires, "for": user, "signature": signature})
        return f"/api/exports/{quote(export_id)}/file?{query}", expires

    def why_not(
        self, export_id: str, sha256: str, user: str, expires: str, signature: str, asked_by: str, now_us: int
    ) -> str | None:
        """Why a link is not good; None when it is."""
        if not expires.isascii() or not expires.isdigit() or len(expires) > 12:
            return "the link is not one of ours"
        right = any(
            hmac.compare_digest(
                _sign(key, export_id, sha256, user, int(expires)).encode(), signature.encode()
            )
            for key in self._keys
        )
        if not right:
            return "the link is not one of ours, or the file is another one now"
        if int(expires) * MICROSECOND <= now_us:
            return "the link has expired; ask for another"
        return None if asked_by == user else "the link is for somebody else"


def _sign(key: bytes, export_id: str, sha256: str, user: str, expires: int) -> str:
    # No part but the last can hold a line break.
    text = "\n".join((export_id, sha256, str(expires), user))
    return hmac.digest(key, text.encode(), "sha256").hex()
