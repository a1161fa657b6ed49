"""What failures have in common: the type of the job, the code, and the reason without what is particular to one."""

import hashlib
import re
from typing import Final

LENGTH: Final = 12
"""Hex digits: among a million kinds of failure two would be taken for one with a chance of one in 500."""
_PARTICULAR: Final = re.compile(
    r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{20,}"  # a UUID
    r"|\S+@\S+"  # an address, or a Message-ID
    r"|(?<![A-Za-z])[0-9a-fA-F]{10,}(?![A-Za-z])"  # an id in hex
    r"|[0-9]+"
)
_SPACE: Final = re.compile(r"\s+")


def general(reason: str | None) -> str:
    """A reason with ids, addresses and numbers taken out."""
    return _SPACE.sub(" ", _PARTICULAR.sub("#", reason or "")).strip().casefold()


def fingerprint(type_: str, code: str | None, reason: str | None) -> str:
    """The same for failures of one kind."""
    text = "\0".join((type_, code or "", general(reason)))
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]
