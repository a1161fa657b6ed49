"""One export in a process of its own: `python -m bench.records.exporting FOLDER DATASET FORMAT`.

It prints how fast it was, and the resident set before and at its highest.
"""

import argparse
import asyncio
import functools
import subprocess
import time
from pathlib import Path

import msgspec
import uvloop

from bench.kit import spawn
from bench.records.filling import settings_in
from postroom.exports.reading import snapshot_of
from postroom.exports.request import read_request
from postroom.exports.writing import Writing
from postroom.jobs.models import ExportJob
from postroom.wiring import open_application

LOOK_SECONDS = 0.05


class Run(msgspec.Struct):
    """One export."""

    rows: int
    bytes: int
    seconds: float
    idle_mib: float
    """Resident before it began, the application being open."""
    most_mib: float
    most_log_bytes: int
    """The write-ahead log at its longest."""

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds


def measure(folder: Path, dataset: str, form: str) -> Run:
    """Export in a process of its own; the file stays beside the database as `out`."""
    command = spawn.module("bench.records.exporting", folder, dataset, form)
    done = subprocess.run(command, cwd=spawn.ROOT, capture_output=True, text=True)
    if done.returncode:
        raise spawn.BenchFailed(f"the export failed:\n{done.stderr[-2000:]}")
    return msgspec.json.decode(done.stdout, type=Run)


async def _run(folder: Path, dataset: str, form: str) -> Run:
    async with open_application(settings_in(folder), consume=False) as app:
        job = ExportJob(export_id="e", user_id="bench", format=form, filters={"dataset": dataset})  # type: ignore[arg-type]
        plan = read_request(job, app.records.vault.index)
        writing = Writing(functools.partial(snapshot_of, app.store, app.records.vault), plan)
        idle = most = resident_mib()
        log = 0
        started = time.perf_counter()
        task = asyncio.ensure_future(writing.write(folder / "out"))
        while not task.done():
            await asyncio.wait({task}, timeout=LOOK_SECONDS)
            most = max(most, resident_mib())
            log = max(log, (await app.store.storage()).get("walBytes", 0))
        written = task.result()
        return Run(written.rows, written.size, time.perf_counter() - started, idle, most, log)


def resident_mib() -> float:
    """The resident set of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise spawn.BenchFailed("/proc/self/status has no VmRSS")


def main() -> None:
    """Print a Run as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("dataset")
    parser.add_argument("form")
    given = parser.parse_args()
    print(msgspec.json.encode(uvloop.run(_run(given.folder, given.dataset, given.form))).decode())


if __name__ == "__main__":
    main()
