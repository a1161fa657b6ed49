"""Rows as CSV, JSON, NDJSON and Parquet.

SQLite itself makes the text of a whole page of rows, so that the interpreter is free for senders meanwhile; what is left
for Python is one pass over a page. CSV follows RFC 4180 (CRLF, every cell quoted) and is hardened against formula
injection: a cell that a spreadsheet would run gets an apostrophe in front, control characters and marks that turn the
direction of writing are dropped (https://owasp.org/www-community/attacks/CSV_Injection). JSON keeps everything as it is.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO, Final, Protocol

import msgspec

from postroom.exports.datasets import Column, Kind
from postroom.jobs.outcome import PermanentError
from postroom.kit.clock import to_datetime

CELL, ROW = "\x1f", "\x1e"
"""What stands between cells and rows until they are quoted (ASCII's unit and record separators)."""
FORMULA_STARTS: Final = "=+@\t\r\n\uff1d\uff0b\uff20\uff0d-"
"""Of these the last must be the hyphen: the class of a GLOB has it there."""
BLANKS: Final = " \u00a0"
_CONTROLS = bytes(code for code in range(32) if code not in (9, 10, 13)) + b"\x7f"
_DIRECTIONS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
PASSED_OVER: Final = (
    BLANKS
    + _CONTROLS.decode().replace("\0", "")
    + "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
"""What may stand before a formula: a spreadsheet ignores blanks, and the rest is dropped on the way out."""


class Page:
    """Rows as SQL gave them."""

    __slots__ = ("rows", "text", "values")

    def __init__(self, rows: int, text: str | None, values: Sequence[Sequence[Any]] = ()) -> None:
        self.rows = rows
        self.text = text
        """All of them, made by `sql`'s expression and joined; None where a format takes values."""
        self.values = values


class Format(Protocol):
    """Writes pages to an open file."""

    joint: str | None
    """What SQL joins rows with; None: the format wants the values."""

    def row(self, *, careful: bool = False) -> str:
        """The SQL expression of a row's text; of values, a list of expressions.

        One that is `careful` takes longer and copes with everything.
        """

    def line(self, values: Sequence[Any]) -> str:
        """The text of a row that was read as values, where SQL cannot make it."""

    def fits(self, page: Page) -> bool:
        """Whether a page can be written as it is, or has to be read carefully."""

    def begin(self) -> None:
        """What stands before the first row."""

    def page(self, page: Page) -> None:
        """Some rows, at least one."""

    def end(self) -> None:
        """What stands behind the last row."""


class CsvFormat:
    """RFC 4180 with a header."""

    joint: str | None = ROW

    def __init__(self, out: BinaryIO, columns: Sequence[Column]) -> None:
        self._out = out
        self._columns = columns

    def row(self, *, careful: bool = False) -> str:
        """The cells with separators between them."""
        cells = ", ".join(_cell(column, careful=careful) for column in self._columns)
        return f"printf('{CELL.join('%s' for _ in self._columns)}', {cells})"

    def line(self, values: Sequence[Any]) -> str:
        """The same of values."""
        return CELL.join(map(_cell_of, self._columns, values))

    def begin(self) -> None:
        """The header."""
        self._write(CELL.join(column.name for column in self._columns))

    def fits(self, page: Page) -> bool:
        """Whether no cell has a separator in it."""
        text = page.text or ""
        return text.count(CELL) == page.rows * (len(self._columns) - 1) and text.count(ROW) == page.rows - 1

    def page(self, page: Page) -> None:
        """One line each."""
        assert page.text is not None
        self._write(page.text)

    def end(self) -> None:
        """Nothing."""

    def _write(self, text: str) -> None:
        if not text.isascii():
            text = _DIRECTIONS.sub("", text)
        quoted = text.replace('"', '""').replace(CELL, '","').replace(ROW, '"\r\n"')
        self._out.write(f'"{quoted}"\r\n'.encode().translate(None, _CONTROLS))


class NdjsonFormat:
    """An object a line."""

    joint: str | None = "\n"

    def __init__(self, out: BinaryIO, columns: Sequence[Column]) -> None:
        self._out = out
        self._columns = columns

    def row(self, *, careful: bool = False) -> str:
        """An object with the columns in order."""
        members = ", ".join(f"'{column.name}', {_member(column)}" for column in self._columns)
        return f"json_object({members})"

    def line(self, values: Sequence[Any]) -> str:
        """The same of values."""
        members = {
            column.name: _member_of(column, value)
            for column, value in zip(self._columns, values, strict=True)
        }
        return msgspec.json.encode(members).decode()

    def begin(self) -> None:
        """Nothing."""

    def fits(self, page: Page) -> bool:
        """Always: JSON escapes what has to be."""
        return True

    def page(self, page: Page) -> None:
        """A line each."""
        assert page.text is not None
        self._out.write(page.text.encode() + b"\n")

    def end(self) -> None:
        """Nothing."""


class JsonFormat(NdjsonFormat):
    """An array with an object a line."""

    joint: str | None = ",\n"

    def __init__(self, out: BinaryIO, columns: Sequence[Column]) -> None:
        super().__init__(out, columns)
        self._first = True

    def begin(self) -> None:
        """The bracket."""
        self._out.write(b"[")

    def page(self, page: Page) -> None:
        """A line each."""
        assert page.text is not None
        self._out.write((b"\n" if self._first else b",\n") + page.text.encode())
        self._first = False

    def end(self) -> None:
        """The bracket."""
        self._out.write(b"\n]\n")


class ParquetFormat:
    """Apache Parquet with typed columns, a row group for some pages; needs the `parquet` extra."""

    joint: str | None = None
    group_rows: Final = 20_000

    def __init__(self, out: BinaryIO, columns: Sequence[Column]) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise PermanentError(
                'parquet is not installed: pip install "postroom[parquet]"', code="export_format"
            ) from None
        self._arrow = pyarrow
        types = {
            Kind.NUMBER: pyarrow.int64(), Kind.MOMENT: pyarrow.timestamp("us", "UTC"), Kind.FLAG: pyarrow.bool_(),
        }  # fmt: skip
        self._columns = columns
        self._schema = pyarrow.schema([(one.name, types.get(one.kind, pyarrow.string())) for one in columns])
        self._writer = pyarrow.parquet.ParquetWriter(out, self._schema, compression="zstd")
        self._kept: list[Any] = []
        self._rows = 0

    def row(self, *, careful: bool = False) -> str:
        """The values."""
        return ", ".join(column.sql for column in self._columns)

    def line(self, values: Sequence[Any]) -> str:
        """Never asked for: values are taken."""
        raise NotImplementedError

    def begin(self) -> None:
        """Nothing: the writer has begun."""

    def fits(self, page: Page) -> bool:
        """Always: these are values."""
        return True

    def page(self, page: Page) -> None:
        """Kept, in few bytes, until there are enough for a row group."""
        arrow, columns = self._arrow, zip(*page.values, strict=True)
        arrays = [
            arrow.array([None if one is None else bool(one) for one in values] if column.kind is Kind.FLAG else values,
                        field.type)
            for column, field, values in zip(self._columns, self._schema, columns, strict=True)
        ]  # fmt: skip
        self._kept.append(arrow.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._rows += page.rows
        if self._rows >= self.group_rows:
            self._flush()

    def end(self) -> None:
        """The footer."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(self._arrow.Table.from_batches(self._kept, schema=self._schema))
        self._kept, self._rows = [], 0


FORMATS: Final[Mapping[str, Callable[[BinaryIO, Sequence[Column]], Format]]] = {
    "csv": CsvFormat, "json": JsonFormat, "ndjson": NdjsonFormat, "parquet": ParquetFormat,
}  # fmt: skip


def _cell(column: Column, *, careful: bool) -> str:
    match column.kind:
        case Kind.MOMENT:
            return _iso(column.sql)
        case Kind.FLAG:
            return f"CASE {column.sql} WHEN 0 THEN 'false' WHEN 1 THEN 'true' END"
        case Kind.TEXT:
            value = column.sql
            runs = (
                f"{value} GLOB '[{PASSED_OVER}{FORMULA_STARTS}]*' "
                f"AND ltrim({value}, '{PASSED_OVER}') GLOB '[{FORMULA_STARTS}]*'"
            )
            kept = f"replace(replace({value}, '{CELL}', ''), '{ROW}', '')" if careful else value
            return f"CASE WHEN {column.harmless} THEN {kept} WHEN {runs} THEN '''' || {kept} ELSE {kept} END"
        case _:
            return column.sql


def _member(column: Column) -> str:
    match column.kind:
        case Kind.MOMENT:
            return _iso(column.sql)
        case Kind.FLAG:
            return f"json(CASE {column.sql} WHEN 0 THEN 'false' WHEN 1 THEN 'true' ELSE 'null' END)"
        case Kind.JSON:
            return f"json({column.sql})"
        case _:
            return column.sql


def _cell_of(column: Column, value: Any) -> str:
    if value is None:
        return ""
    match column.kind:
        case Kind.MOMENT:
            return _moment(value)
        case Kind.FLAG:
            return "true" if value else "false"
        case Kind.TEXT:
            text = str(value).replace(CELL, "").replace(ROW, "")
            return f"'{text}" if text.lstrip(PASSED_OVER).startswith(tuple(FORMULA_STARTS)) else text
        case _:
            return str(value)


def _member_of(column: Column, value: Any) -> Any:
    if value is None:
        return None
    match column.kind:
        case Kind.MOMENT:
            return _moment(value)
        case Kind.FLAG:
            return bool(value)
        case Kind.JSON:
            return msgspec.Raw(value.encode())
        case _:
            return value


def _moment(us: int) -> str:
    return f"{to_datetime(us):%Y-%m-%dT%H:%M:%S.%f}Z"


def _iso(sql: str) -> str:
    """RFC 3339 in UTC with microseconds; NULL for NULL."""
    # Of the ways to write it this is the quickest: `strftime` takes twice as long as `datetime`.
    day = f"replace(datetime({sql} / 1000000, 'unixepoch'), ' ', 'T')"
    return f"CASE WHEN {sql} IS NOT NULL THEN {day} || '.' || substr({sql} % 1000000 + 1000000, 2) || 'Z' END"
