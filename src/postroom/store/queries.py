"""The named queries, for each database.

A query is written once, in SQL that both speak, with parameters as `:name`; where a database needs words of its own,
`queries/postgresql/NAME.sql` stands in for it. A first line `-- locks` (or `-- locks ALIAS`) says that a transaction
that writes decides by what the query reads: where several write at once, its rows are locked until the end.
"""

import re
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

FOLDER: Final = "queries"
_LOCKS: Final = re.compile(r"\A-- locks(?: (\w+))?\n")
_TOKENS: Final = re.compile(
    r"""(?P<kept>'(?:[^']|'')*'|"(?:[^"]|"")*"|::)|(?P<comment>--[^\n]*)|:(?P<name>[a-z_]\w*)|(?P<percent>%)""",
    re.IGNORECASE,
)


class Query(NamedTuple):
    """A query's texts."""

    text: str
    locking: str
    """The same, for a transaction that writes."""


def sqlite_queries() -> Mapping[str, Query]:
    """As they are written: one process writes at a time, so nothing need be locked."""
    return {name: Query(text, text) for name, text in _texts(_folder()).items()}


def postgresql_queries() -> Mapping[str, Query]:
    """With their own words where there are some, and psycopg's parameters."""
    texts = {**_texts(_folder()), **_texts(_folder().joinpath("postgresql"))}
    return {name: _translated(text) for name, text in texts.items()}


def psycopg_text(text: str) -> str:
    """SQL with `:name` parameters as psycopg takes it: `%(name)s`, a bare `%` doubled, comments left out."""

    def put(found: re.Match[str]) -> str:
        if found["name"]:
            return f"%({found['name']})s"
        if found["comment"] is not None:
            return ""
        return (found["kept"] or found["percent"]).replace("%", "%%")

    return _TOKENS.sub(put, text).strip()


def _translated(text: str) -> Query:
    plain, locks = psycopg_text(text), _LOCKS.match(text)
    if locks is None:
        return Query(plain, plain)
    return Query(plain, f"{plain}\nFOR UPDATE{f' OF {locks[1]}' if locks[1] else ''}")


def _folder() -> Traversable:
    return files("postroom.store").joinpath(FOLDER)


def _texts(folder: Traversable) -> dict[str, str]:
    return {
        entry.name.removesuffix(".sql"): entry.read_text(encoding="utf-8").strip()
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    }
