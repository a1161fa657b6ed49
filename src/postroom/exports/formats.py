"""Rows as CSV and as JSON, written as a stream.

CSV follows RFC 4180 (CRLF, quotes doubled) and is hardened against formula injection: a cell that a
spreadsheet would run gets an apostrophe in front
(https://owasp.org/www-community/attacks/CSV_Injection). JSON is one array of objects.
"""

import csv
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, TextIO

import msgspec

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


class Format(Protocol):
    """Writes rows to an open text file."""

    def begin(self) -> None:
        """What stands before the first row."""

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Some rows."""

    def end(self) -> None:
        """What stands behind the last row."""


class CsvFormat:
    """RFC 4180 with a header."""

    def __init__(self, out: TextIO, columns: Sequence[str]) -> None:
        self._writer = csv.writer(out, lineterminator="\r\n")
        self._columns = columns

    def begin(self) -> None:
        """The header."""
        self._writer.writerow(self._columns)

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """One line each."""
        self._writer.writerows([_cell(row.get(column)) for column in self._columns] for row in rows)

    def end(self) -> None:
        """Nothing."""


class JsonFormat:
    """An array with one object a line."""

    def __init__(self, out: TextIO, columns: Sequence[str]) -> None:
        self._out = out
        self._columns = columns
        self._first = True

    def begin(self) -> None:
        """The bracket."""
        self._out.write("[")

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Objects with the columns in order."""
        for row in rows:
            line = msgspec.json.encode({column: row.get(column) for column in self._columns}).decode()
            self._out.write(("\n" if self._first else ",\n") + line)
            self._first = False

    def end(self) -> None:
        """The bracket."""
        self._out.write("\n]\n")


FORMATS: Final[Mapping[str, type[CsvFormat] | type[JsonFormat]]] = {"csv": CsvFormat, "json": JsonFormat}


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return "" if value is None else value
