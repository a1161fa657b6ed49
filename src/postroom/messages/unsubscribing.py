"""Links by which people unsubscribe with one click (RFC 8058), and the headers that carry them.

A token says whose address, channel, topic and message it is about. Nobody can read or make one without the key, and it
never ends: links must work for 30 days after sending in the US (15 U.S.C. 7704(a)(3)), for 60 in Canada (CASL 11). It
is AES-SIV (RFC 5297): sealed and authenticated at once, and the same for the same message at every try, so that a
provider's idempotency key stays good. In it, an address is only its blind index.
"""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

PATH: Final = "/u/"
PURPOSE: Final = b"postroom unsubscribe 1"
KEY_BYTES_MIN: Final = 32
TOKEN_CHARS_MAX: Final = 700
URL_CHARS_MAX: Final = 200
"""Longest public address; with a token it fits a header line of 998 (RFC 5322 2.1.1)."""
ONE_CLICK: Final = "List-Unsubscribe=One-Click"
"""The body that a mailbox provider posts (RFC 8058 3.2)."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{22,700}")


class Subscription(NamedTuple):
    """What a link is about."""

    address_key: str
    channel: str
    topic: str
    message_id: str


class Unsubscribing:
    """Makes and reads links; knows its keys, and where the outside world reaches us."""

    def __init__(self, keys: Sequence[bytes], public_url: str | None) -> None:
        """The first key makes tokens, all of them read. Raises ValueError for a key or an address that will not do."""
        if not keys or any(len(key) < KEY_BYTES_MIN for key in keys):
            raise ValueError(f"links need a key of at least {KEY_BYTES_MIN} bytes")
        if public_url is not None and (len(public_url) > URL_CHARS_MAX or not public_url.isascii()):
            raise ValueError(f"the public URL must have at most {URL_CHARS_MAX} characters of ASCII")
        self._ciphers = [AESSIV(hmac.digest(key, PURPOSE, "sha512")) for key in keys]
        self._public_url = public_url.rstrip("/") if public_url is not None else None

    def __repr__(self) -> str:
        return "Unsubscribing(***)"

    def token(self, subscription: Subscription) -> str:
        """The same for the same subscription, with the same key. Raises ValueError for one that does not fit."""
        sealed = self._ciphers[0].encrypt(msgspec.json.encode(list(subscription)), [PURPOSE])
        token = urlsafe_b64encode(sealed).rstrip(b"=").decode()
        if len(token) > TOKEN_CHARS_MAX:
            raise ValueError("topic and message id are too long for a link")
        return token

    def read(self, token: str) -> Subscription | None:
        """What a token is about; None for one that we have not made."""
        if _TOKEN.fullmatch(token) is None:
            return None
        try:
            sealed = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except ValueError:
            return None
        for cipher in self._ciphers:
            try:
                return Subscription(*msgspec.json.decode(cipher.decrypt(sealed, [PURPOSE]), type=list[str]))
            except InvalidTag:
                continue
        return None

    def headers(self, subscription: Subscription) -> dict[str, str]:
        """The two headers of an email about a topic; none where nobody reaches us by https, as RFC 8058 asks."""
        if self._public_url is None or urlsplit(self._public_url).scheme != "https":
            return {}
        return {
            "List-Unsubscribe": f"<{self._public_url}{PATH}{self.token(subscription)}>",
            "List-Unsubscribe-Post": ONE_CLICK,
        }
