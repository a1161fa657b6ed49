"""Exports: CSV against the `sqlite3` shell on the same rows and columns, and memory over millions of rows.

Ours writes ISO 8601 moments, masked recipients and cells that a spreadsheet does not run, counts, digests and syncs the
file; the shell (`sqlite3 -csv -header`) writes the columns as they are stored. Each run is a process of its own; ours is
timed from the first query to the synced file, the shell from its start to its end.
"""

import asyncio
import shutil
import subprocess
import time
from functools import partial
from pathlib import Path

from bench.kit import options, report, spawn
from bench.kit.measure import Comparison, compare
from bench.kit.report import Line
from bench.records import exporting, filling
from postroom.exports.datasets import DATASETS

ROWS_DEFAULT = 500_000
MEMORY_DEFAULT = 5_000_000
MESSAGES_SHARE = 5
"""One message to so many entries of the trail."""


def shell_rate(folder: Path, dataset: str, rows: int) -> float:
    """Rows a second of the shell."""
    one = DATASETS[dataset]
    columns = ", ".join(column.masked.value if column.masked else column.sql for column in one.columns)
    query = f"SELECT {columns} FROM {one.source} ORDER BY {one.key}"
    started = time.perf_counter()
    with (folder / "shell.csv").open("wb") as out:
        subprocess.run(["sqlite3", "-csv", "-header", folder / "records.db", query], stdout=out, check=True)
    return rows / (time.perf_counter() - started)


def csv(folder: Path, dataset: str, rows: int, rounds: int) -> Line:
    """Ours and the shell in turn."""
    made: Comparison = compare(
        dataset, rounds, ours=lambda: exporting.measure(folder, dataset, "csv").rate,
        yardstick=partial(shell_rate, folder, dataset, rows),
    )  # fmt: skip
    middle, (low, high) = made.middle, made.range
    what = f"CSV of {rows:,} rows of {dataset}, {len(DATASETS[dataset].columns)} columns (yardstick: sqlite3 -csv)"
    return Line(
        name=f"csv-{dataset}", what=what, ours=report.rate(middle.ours), yardstick=report.rate(middle.yardstick),
        value=middle.ratio, low=low, high=high,
    )  # fmt: skip


def memory(folder: Path, form: str, rows: int) -> Line:
    """How much more memory an export of many rows takes than none."""
    report.progress(f"memory: {form}")
    run = exporting.measure(folder, "audit_log", form)
    if run.rows != rows:
        raise spawn.BenchFailed(f"{run.rows:,} rows were written of {rows:,}")
    return Line(
        name="export-memory", what=f"resident memory above idle while {rows:,} rows become {form}",
        ours=f"{run.most_mib - run.idle_mib:.0f} MiB, {report.rate(run.rate)}", yardstick=f"{run.idle_mib:.0f} MiB idle",
        value=run.most_mib - run.idle_mib, ratio=False,
    )  # fmt: skip


def measure(parent: Path, *, rows: int, many: int, rounds: int) -> report.Section:
    """Speed on one database, memory on a large one."""
    if shutil.which("sqlite3") is None:
        raise spawn.BenchFailed("the sqlite3 shell is missing: apt-get install sqlite3")
    with spawn.scratch(parent) as folder:
        report.progress("filling")
        asyncio.run(filling.fill(folder, audit=rows, messages=rows // MESSAGES_SHARE))
        lines = [csv(folder, "audit_log", rows, rounds)]
        lines += [csv(folder, name, rows // MESSAGES_SHARE, rounds) for name in ("messages", "attempts")]
    with spawn.scratch(parent) as folder:
        report.progress("filling")
        asyncio.run(filling.fill(folder, audit=many))
        lines += [memory(folder, form, many) for form in ("csv", "ndjson", "parquet")]
    notes = [
        "Without encryption keys; with them each recipient is opened in Python first.",
        "Both write to the same disk; ours syncs its file, the shell does not.",
    ]
    return report.section("Exports", lines, notes)


def main() -> None:
    """`python -m bench.exports`."""
    parser = options.parser("bench.exports", __doc__)
    parser.add_argument("--rows", type=options.positive, default=ROWS_DEFAULT, help="of the trail (500,000)")
    parser.add_argument(
        "--many", type=options.positive, default=MEMORY_DEFAULT, help="for memory (5,000,000)"
    )
    given = parser.parse_args()
    with options.explained():
        section = measure(given.dir, rows=given.rows, many=given.many, rounds=given.rounds)
    report.put(section, as_json=given.json)


if __name__ == "__main__":
    main()
