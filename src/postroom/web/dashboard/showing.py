"""A message opened: what it says as its recipient sees it, and how its earlier texts differ."""

import difflib
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from litestar import MediaType, Response
from markupsafe import Markup, escape

from postroom.messages import MessageRecord, Reading
from postroom.messages.records import EarlierText

HTML_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; sandbox"
)
"""For a letter's own HTML: it is shown with its styles, in an origin of its own, and runs and loads nothing."""
EMPTY_LETTER: Final = "<!doctype html><title>No HTML</title><p>This message has no HTML."
_FIELDS: Final = (("recipient", "To"), ("subject", "Subject"), ("content", "Text"), ("html", "HTML"))


class Difference(NamedTuple):
    """One edit: who made it, when, and what it changed."""

    editor: str
    at_us: int
    version: int
    """The version that it replaced."""
    fields: Sequence[tuple[str, Markup]]
    """The names of what changed, with the lines."""


def html_letter(html: str | None) -> Response[str]:
    """The answer that a frame shows."""
    headers = {"content-security-policy": HTML_POLICY, "x-frame-options": "SAMEORIGIN"}
    return Response(html or EMPTY_LETTER, media_type=MediaType.HTML, headers=headers)


def differences(reading: Reading) -> list[Difference]:
    """Every edit that changed what it says or to whom, newest first."""
    texts: list[EarlierText | MessageRecord] = [*reading.earlier, reading.now]
    found = []
    for before, after in zip(reading.earlier, texts[1:], strict=True):
        changed = [
            (label, Markup("").join(_lines(getattr(before, name) or "", getattr(after, name) or "")))
            for name, label in _FIELDS
            if getattr(before, name) != getattr(after, name)
        ]
        found.append(Difference(before.editor, before.at_us, before.version, changed))
    return found[::-1]


def _lines(before: str, after: str) -> Iterator[Markup]:
    """Line by line; in a line that was changed, the words that differ are marked."""
    old, new = before.splitlines(), after.splitlines()
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            yield from (_line("", escape(one)) for one in old[a:b])
        elif kind == "replace" and b - a == d - c:
            for one, other in zip(old[a:b], new[c:d], strict=True):
                removed, added = _words(one, other)
                yield _line("del", removed)
                yield _line("ins", added)
        else:
            yield from (_line("del", escape(one)) for one in old[a:b])
            yield from (_line("ins", escape(one)) for one in new[c:d])


def _words(before: str, after: str) -> tuple[Markup, Markup]:
    old, new = before.split(" "), after.split(" ")
    removed, added = [], []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        was, now = " ".join(old[a:b]), " ".join(new[c:d])
        same = kind == "equal"
        if was:
            removed.append(escape(was) if same else Markup("<del>{}</del>").format(was))
        if now:
            added.append(escape(now) if same else Markup("<ins>{}</ins>").format(now))
    return Markup(" ").join(removed), Markup(" ").join(added)


def _line(kind: str, text: Markup) -> Markup:
    said = {"del": "Removed: ", "ins": "Added: ", "": ""}[kind]
    hidden = Markup('<span class="visually-hidden">{}</span>').format(said) if said else Markup("")
    return Markup('<div class="{}"><span>{}{}</span></div>').format(kind, hidden, text)
