"""Texts with `{{ name }}` in them: read once, filled in often. No logic, no nesting, nothing is ever evaluated. Pure.

Template languages do more than fill in, and forgive what must not be here: a message to a patient with a hole in it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Final, NamedTuple, TypeAlias

_TAG: Final = re.compile(r"\{\{[ \t]*([a-z][A-Za-z0-9_]{0,63})[ \t]*\}\}(?!\})")
_QUOTED: Final = re.compile(r"<[^<>]*=\s*(?:\"[^\"<>]*|'[^'<>]*)\Z")
_ADDRESS: Final = re.compile(r"\b(?:href|src|action|background|cite|poster)\s*=\s*[\"']\s*\Z", re.IGNORECASE)


class PlaceholderError(ValueError):
    """A text cannot be read; `reason` is a predicate, `line` and `column` count from 1."""

    def __init__(self, reason: str, text: str, at: int) -> None:
        self.reason = reason
        self.line = text.count("\n", 0, at) + 1
        self.column = at - (text.rfind("\n", 0, at) + 1) + 1
        super().__init__(f"line {self.line}, column {self.column}: {reason}")


class Placeholder(NamedTuple):
    """Where a value goes; `at` is its offset in the text."""

    name: str
    at: int


Part: TypeAlias = str | Placeholder


def read_parts(text: str) -> tuple[Part, ...]:
    """Literal text and placeholders in turn. Raises PlaceholderError for a `{{` that is no `{{ name }}`."""
    parts: list[Part] = []
    start = 0
    while (at := text.find("{{", start)) >= 0:
        tag = _TAG.match(text, at)
        if tag is None:
            raise PlaceholderError(_why(text, at), text, at)
        parts += [text[start:at], Placeholder(tag[1], at)]
        start = tag.end()
    return tuple(part for part in (*parts, text[start:]) if part)


def check_html(text: str, parts: Sequence[Part], links: Callable[[str], bool]) -> None:
    """Raises PlaceholderError where a value could change what the HTML does, however it is escaped.

    In a tag a value has to stand in quotes; at the beginning of an address it has to be one (`links` tells by name).
    """
    for part in (one for one in parts if isinstance(one, Placeholder)):
        before = text[: part.at]
        lower = before.lower()
        if any(lower.rfind(f"<{tag}") > lower.rfind(f"</{tag}") for tag in ("script", "style")):
            raise PlaceholderError("must not stand in a script or style", text, part.at)
        if before.rfind("<") > before.rfind(">") and not _QUOTED.search(before):
            raise PlaceholderError("must stand in quotes within a tag", text, part.at)
        if _ADDRESS.search(before) and not links(part.name):
            raise PlaceholderError("must be of the type url at the beginning of an address", text, part.at)


def fill(parts: Sequence[Part], values: Mapping[str, str], *, html: bool = False) -> str:
    """The text with the values in it; escaped for HTML (`& < > " '`) where asked."""
    return "".join(
        part if isinstance(part, str) else escape(values[part.name]) if html else values[part.name]
        for part in parts
    )


def _why(text: str, at: int) -> str:
    if text.startswith("{{{", at):
        return "has three braces: values are always escaped, write {{ name }}"
    if re.match(r"\{\{(?:(?!\{\{)[^\n])*?\}\}", text[at:]) is None:
        return "opens a placeholder that is not closed"
    return "is no placeholder: {{ name }}, a letter from a to z, then letters, digits and underscores"
