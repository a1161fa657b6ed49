"""An `Email` as the bytes that travel (RFC 5322, RFC 2045 to 2047), and the addresses of its envelope.

Owns header and body encoding and the refusal of what could break out of a header. The bytes are pure ASCII in lines
of at most 998 bytes ended by CRLF, so that every server takes them, with or without 8BITMIME or SMTPUTF8.

The standard library's `EmailMessage` is not used: it takes about a hundred times as long, folds a long
`List-Unsubscribe` into encoded words that break it (python/cpython#85725), and writes internationalised domains
that no server accepts. `tests/delivery/test_mime.py` proves that its parser reads the same message from both.
"""

import re
from base64 import encodebytes
from binascii import b2a_qp
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from hashlib import blake2b
from itertools import count
from typing import ClassVar, Final

from postroom.delivery.address import Address, parse_address, parse_mailbox
from postroom.delivery.encoded_words import NAME_CHARS_MAX, encoded_words
from postroom.delivery.errors import Unsendable
from postroom.delivery.provider import Email
from postroom.kit.redact import Discreet

LINE_BYTES_MAX: Final = 998
"""Longest line of a message without its CRLF, bytes (RFC 5322 2.1.1)."""
LINE_BYTES_WISHED: Final = 78
"""Where headers for people are folded, if they have a space there (RFC 5322 2.1.1)."""
MESSAGE_ID_CHARS_MAX: Final = 200
"""Longest `Email.message_id` that stands in the Message-ID as it is, characters."""

OWN_HEADERS: Final = frozenset(
    {
        "from",
        "to",
        "cc",
        "bcc",
        "sender",
        "subject",
        "date",
        "message-id",
        "mime-version",
        "return-path",
        "received",
        "dkim-signature",
    }
)
"""Headers that an `Email` may not set: we write them, a server does, or they would show or add recipients."""
OWN_PREFIXES: Final = ("content-", "resent-", "arc-")
MACHINE_HEADERS: Final = ("list-", "in-reply-to", "references", "auto-submitted", "feedback-id")
"""Headers that machines read: encoded words would break them, so text outside ASCII is refused there."""

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_MESSAGE_ID = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*")
_HEADER_NAME = re.compile(r"[!-9;-~]{1,76}")
_BREAKS = re.compile(r"[\r\n\0]")
_FOLDS = re.compile(r"(?<=[^ :]) (?=[^ ])")
"""Where a header may be broken so that no line is blank and unfolding restores it exactly."""
_PLAIN = re.compile(r"[!-~](?:[ -~]*[!-~])?")


class Composed(Discreet, frozen=True):
    """An email ready for the wire; its repr shows nothing. `content` ends with CRLF and is not dot-stuffed yet."""

    shown: ClassVar[tuple[str, ...]] = ()

    sender: str
    recipient: str
    content: bytes


def message_id(email_id: str, domain: str) -> str:
    """The Message-ID of a message: the same on every attempt, so that archives and mail programs see one message.

    An id that a Message-ID cannot carry (blanks, over `MESSAGE_ID_CHARS_MAX` characters) is replaced by its digest.
    Servers are not obliged to drop the second of two (RFC 5322 3.6.4 only asks that it be unique).
    """
    if len(email_id) > MESSAGE_ID_CHARS_MAX or _MESSAGE_ID.fullmatch(email_id) is None:
        email_id = blake2b(email_id.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"<pr.{email_id}@{domain}>"


def compose(email: Email, *, sender: str, now_us: int) -> Composed:
    """The bytes and the envelope of an email sent at such a moment (microseconds since 1970, UTC).

    `sender` is used where the email names none. Raises Unsendable, naming the field and never its value.
    """
    author = _author(email.sender or sender)
    recipient = parse_address(email.recipient, "recipient")
    head = [
        f"Message-ID: {message_id(email.message_id, author.domain)}",
        f"Date: {_date(now_us // 1_000_000)}",
        f"From: {author.header}",
        f"To: {recipient.header}",
        _subject(email.subject),
    ]
    if email.headers:
        head += [_header(name, value) for name, value in email.headers.items()]
    head.append("MIME-Version: 1.0")
    body = _part("plain", email.content, "content")
    if email.html is not None:
        body = _alternatives(email.message_id, body, _part("html", email.html, "html"))
    return Composed(author.spec, recipient.spec, "\r\n".join(head).encode("ascii") + b"\r\n" + body)


@lru_cache(maxsize=64)
def _author(text: str) -> Address:
    return parse_mailbox(text, "sender")


@lru_cache(maxsize=4)
def _date(second: int) -> str:
    return format_datetime(datetime.fromtimestamp(second, UTC))


def _subject(text: str) -> str:
    if _PLAIN.fullmatch(text) and len(text) <= LINE_BYTES_WISHED - len("Subject: ") and "=?" not in text:
        return f"Subject: {text}"
    return _unstructured("Subject", text, "subject", LINE_BYTES_WISHED)


def _header(name: str, value: str) -> str:
    lower = name.lower()
    if _HEADER_NAME.fullmatch(name) is None:
        raise Unsendable("headers", "have a name with characters that a header name cannot have")
    field = f"headers[{name}]"
    if lower in OWN_HEADERS or lower.startswith(OWN_PREFIXES):
        raise Unsendable(field, "may not be set")
    if lower == "reply-to":
        return f"{name}: {parse_mailbox(value, field).header}"
    if lower.startswith(MACHINE_HEADERS) and not value.isascii():
        raise Unsendable(field, "has characters outside ASCII")
    # One long line is legal and survives; folded earlier, List-Unsubscribe is ignored by large mailbox providers.
    return _unstructured(name, value, field, LINE_BYTES_MAX)


def _unstructured(name: str, value: str, field: str, width: int) -> str:
    if _BREAKS.search(value):
        raise Unsendable(field, "has a line break")
    if not value:
        return f"{name}: "
    if _PLAIN.fullmatch(value) and "=?" not in value:
        folded = _fold(f"{name}: {value}", width)
        if folded is not None:
            return folded
    if name.lower().startswith(MACHINE_HEADERS):
        raise Unsendable(field, f"does not fit lines of {LINE_BYTES_MAX} printable characters")
    try:
        words = encoded_words(value)
    except UnicodeEncodeError:
        raise Unsendable(field, "is not Unicode text") from None
    return f"{name}: {words}" if len(name) <= NAME_CHARS_MAX else f"{name}:\r\n {words}"


def _fold(line: str, width: int) -> str | None:
    """The header line broken before single spaces to fit the width; None if a word is too long for any line."""
    lines: list[str] = []
    for word in _FOLDS.split(line):
        if lines and len(lines[-1]) + 1 + len(word) < width:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return None if any(len(each) >= LINE_BYTES_MAX for each in lines) else "\r\n ".join(lines)


def _part(subtype: str, text: str, field: str) -> bytes:
    """A text part with its own headers; the body ends with CRLF."""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise Unsendable(field, "is not Unicode text") from None
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not data.endswith(b"\n"):
        data += b"\n"
    encoding = b"7bit"
    if not data.isascii() or b"\0" in data or max(map(len, data.split(b"\n"))) > LINE_BYTES_MAX:
        encoding, data = _encoded(data)
    return b'Content-Type: text/%s; charset="utf-8"\r\nContent-Transfer-Encoding: %s\r\n\r\n%s' % (
        subtype.encode("ascii"),
        encoding,
        data.replace(b"\n", b"\r\n"),
    )


def _encoded(data: bytes) -> tuple[bytes, bytes]:
    """The text in quoted-printable, which people can read, or in Base64 where that is shorter (RFC 2045 6)."""
    quoted = b2a_qp(data, quotetabs=False, istext=True, header=False)
    if len(quoted) * 3 <= len(data) * 4:
        return b"quoted-printable", quoted
    return b"base64", encodebytes(data.replace(b"\n", b"\r\n"))


def _alternatives(seed: str, *parts: bytes) -> bytes:
    """The parts as multipart/alternative, the plainest first (RFC 2046 5.1.4)."""
    for turn in count():
        boundary = b"=_" + blake2b(
            f"{seed}:{turn}".encode("utf-8", "surrogatepass"), digest_size=16
        ).hexdigest().encode("ascii")
        if not any(boundary in part for part in parts):
            break
    lines = [b'Content-Type: multipart/alternative; boundary="%s"\r\n' % boundary]
    lines += [b"--%s\r\n%s" % (boundary, part) for part in parts]
    return b"\r\n".join([*lines, b"--%s--\r\n" % boundary])
