"""What is said once, on the page that comes after an act: a cookie that lives for one answer.

It names acts and ids; never a recipient or a content.
"""

import base64
import binascii
from typing import Final, Literal, TypeAlias

import msgspec

COOKIE: Final = "postroom_flash"
CHARS_MAX: Final = 300
SECONDS: Final = 60
Tone: TypeAlias = Literal["good", "bad", "note"]


class Flash(msgspec.Struct, frozen=True):
    """A sentence, and whether it is good news."""

    tone: Tone
    text: str


_decode = msgspec.json.Decoder(Flash)


def flash_cookie(tone: Tone, text: str, *, secure: bool) -> str:
    """The `Set-Cookie` that carries it to the next page."""
    data = base64.urlsafe_b64encode(msgspec.json.encode(Flash(tone, text[:CHARS_MAX]))).decode()
    return f"{COOKIE}={data}; Path=/; HttpOnly; SameSite=Lax; Max-Age={SECONDS}{'; Secure' if secure else ''}"


def read_flash(cookie: str | None) -> Flash | None:
    """What the cookie says; None for one that is not ours."""
    if not cookie or len(cookie) > 4 * CHARS_MAX:
        return None
    try:
        found = _decode.decode(base64.urlsafe_b64decode(cookie))
    except (binascii.Error, msgspec.MsgspecError, ValueError):
        return None
    return found if len(found.text) <= CHARS_MAX else None


CLEARED: Final = f"{COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"
