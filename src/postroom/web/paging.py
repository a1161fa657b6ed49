"""Pages of a list, newest first, by key: what is added meanwhile moves nothing.

A page's `next` is the cursor of the following one, null on the last.
"""

from collections.abc import Container, Sequence
from typing import Final

from postroom.web.problems import PARAMETER_INVALID, FieldProblem, Refusal

LIMIT_DEFAULT: Final = 20
LIMIT_MAX: Final = 100
BEGINNING: Final = 1 << 62
"""Before this key comes everything."""
_DIGITS_MAX: Final = 18


def read_limit(given: str | None) -> int:
    """How many entries are asked for; raises Refusal."""
    if given is None:
        return LIMIT_DEFAULT
    if given.isascii() and given.isdigit() and len(given) <= _DIGITS_MAX and 1 <= int(given) <= LIMIT_MAX:
        return int(given)
    raise parameter_invalid("limit", f"must be a whole number from 1 to {LIMIT_MAX}")


def read_cursor(given: str | None) -> int:
    """The key before which a page begins; raises Refusal."""
    if given is None:
        return BEGINNING
    if given.isascii() and given.isdigit() and len(given) <= _DIGITS_MAX:
        return int(given)
    raise parameter_invalid("before", "must be the `next` of an earlier page")


def read_choice(name: str, given: str | None, allowed: Sequence[str]) -> str | None:
    """One of the allowed words, or None for no choice; raises Refusal."""
    if given is None or given in allowed:
        return given
    raise parameter_invalid(name, f"must be one of: {', '.join(allowed)}")


def refuse_recipient(given: Container[str], search: str) -> None:
    """Raise Refusal when a recipient is asked for in the URL, where it would be written down."""
    if "recipient" in given:
        raise parameter_invalid("recipient", f"belongs in a body, not in a URL: POST {search}")


def parameter_invalid(name: str, reason: str) -> Refusal:
    """The answer to a parameter that cannot be used."""
    return Refusal(PARAMETER_INVALID, errors=[FieldProblem(name, reason)])
