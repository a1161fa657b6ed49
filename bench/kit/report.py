"""Results as tables: aligned in a terminal, Markdown in a file, JSON between the processes of one run."""

import sys
from collections.abc import Sequence
from typing import Final

import msgspec

from bench.kit.targets import TARGETS

NONE: Final = "-"
OK: Final = "ok"
MISSED: Final = "MISSED"


class Section(msgspec.Struct):
    """One table, with what must be known to read it."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    notes: list[str] = []


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One measured thing beside its yardstick."""

    name: str
    """Names the target, and what `--only` takes."""
    what: str
    ours: str
    yardstick: str = NONE
    value: float
    """What the target is about: a ratio unless the target's unit says otherwise."""
    ratio: bool = True
    low: float | None = None
    high: float | None = None
    """The lowest and the highest ratio of the rounds."""

    def cells(self) -> list[str]:
        """The line as cells of COLUMNS."""
        target = TARGETS.get(self.name)
        verdict = NONE if target is None else OK if target.met(self.value) else MISSED
        shown = f"{self.value:.2f}" if self.ratio else NONE
        if self.ratio and self.low is not None and self.high is not None:
            shown += f" ({self.low:.2f} to {self.high:.2f})"
        return [self.what, self.ours, self.yardstick, shown, NONE if target is None else str(target), verdict]


COLUMNS: Final = ["what", "ours", "yardstick", "ratio (range)", "target", "verdict"]


def section(title: str, lines: Sequence[Line], notes: Sequence[str] = ()) -> Section:
    """A table of lines."""
    return Section(title, COLUMNS, [line.cells() for line in lines], list(notes))


def rate(a_second: float) -> str:
    """A rate for people."""
    return f"{a_second:,.0f}/s"


def render_plain(one: Section) -> str:
    """Aligned columns for a terminal."""
    table = [one.columns, *one.rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(one.columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
    lines.insert(1, "  ".join("-" * width for width in widths))
    notes = [f"  {note}" for note in one.notes]
    return "\n".join([one.title, "", *(line.rstrip() for line in lines), *([""] if notes else []), *notes])


def render_markdown(one: Section) -> str:
    """A Markdown table under a heading."""
    table = [one.columns, ["---"] * len(one.columns), *one.rows]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table]
    notes = [f"- {note}" for note in one.notes]
    return "\n".join([f"### {one.title}", "", *lines, *([""] if notes else []), *notes])


def put(one: Section, *, as_json: bool) -> None:
    """Print the result of a command: for people, or for `python -m bench`."""
    progress("")
    print(msgspec.json.encode(one).decode() if as_json else render_plain(one), flush=True)


def progress(text: str) -> None:
    """Say on the terminal what goes on at the moment; nothing where nobody watches."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
