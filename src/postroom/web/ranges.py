"""Parts of a file: the `Range` and `If-Range` headers of RFC 9110, sections 13.1.5 and 14.2.

One range of bytes is served. Several at once, other units and what cannot be read are answered with the whole file, as
the RFC allows.
"""

import re
from typing import Final, NamedTuple


class Range(NamedTuple):
    """From the first byte up to and without the end."""

    start: int
    end: int


class Unsatisfiable:
    """A part beyond the end of the file."""


UNSATISFIABLE: Final = Unsatisfiable()
_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})-(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


def read_range(given: str | None, condition: str | None, tag: str, size: int) -> Range | Unsatisfiable | None:
    """The part that is asked for, of a file with an entity tag and a size in bytes; None for the whole."""
    found = _RANGE.fullmatch(given.strip()) if given is not None else None
    if found is None or (condition is not None and condition.strip() != tag):
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if not first:
        # The last so many bytes.
        return Range(max(0, size - int(last)), size) if int(last) and size else UNSATISFIABLE
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        return UNSATISFIABLE
    return Range(int(first), min(size, int(last) + 1) if last else size)
