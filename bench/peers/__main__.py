"""Postroom on SQLite beside huey, pgqueuer, SAQ and Celery, in one run on one machine.

Every peer is set up as its users would, with its own worker command; the table says what an acknowledged job
survives. Where peers are ahead of us, a note says so.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from bench.kit import jobs, options, report, spawn
from bench.kit.measure import percentile
from bench.peers import peer
from bench.peers.catalogue import OURS, PEERS, Listed
from bench.peers.peer import Result

COLUMNS: Final = [
    "peer",
    "version",
    "store",
    "durable?",
    "enqueue one by one/s",
    "enqueue in bulk/s",
    "drain, one worker/s",
    "idle p50 / p99 ms",
    "setup",
]
RUN_SECONDS: Final = 1200.0
"""A run of one peer that takes longer has failed."""


class Summary(msgspec.Struct):
    """The medians of a peer's runs."""

    one_by_one: float
    bulk: float
    drain: float
    p50_ms: float
    p99_ms: float


HIGHER: Final[dict[str, Callable[[Summary], float]]] = {
    "enqueueing one by one": lambda one: one.one_by_one,
    "enqueueing in bulk": lambda one: one.bulk,
    "draining": lambda one: one.drain,
    "idle latency": lambda one: 1 / one.p50_ms,
}
"""What is compared; more is better in each."""


def run(name: str, folder: Path, seconds: float, probes: int) -> Result:
    """Run a peer once in a process of its own; raises BenchFailed."""
    command = spawn.module("bench.peers.run", name, folder, "--seconds", seconds, "--probes", probes)
    try:
        done = subprocess.run(command, cwd=spawn.ROOT, capture_output=True, text=True, timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired as late:
        raise spawn.BenchFailed(f"took longer than {RUN_SECONDS:g} s") from late
    if done.returncode:
        raise spawn.BenchFailed(done.stderr.strip() or f"exit code {done.returncode}")
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Result)


def summarise(results: list[Result]) -> Summary:
    """The medians over the rounds."""
    return Summary(
        one_by_one=median(one.one_by_one for one in results),
        bulk=median(one.bulk for one in results),
        drain=median(one.drain for one in results),
        p50_ms=median(percentile(one.idle_ms, 0.5) for one in results),
        p99_ms=median(percentile(one.idle_ms, 0.99) for one in results),
    )


def measure(
    folder: Path, peers: list[Listed], *, rounds: int, seconds: float, probes: int, ours: str = OURS
) -> report.Section:
    """Run all peers in turn, as often as there are rounds."""
    results: dict[str, list[Result]] = {one.name: [] for one in peers}
    failures: dict[str, str] = {}
    present = [one for one in peers if not one.missing()]
    for number in range(1, rounds + 1):
        for one in present:
            report.progress(f"peers: {one.name}, round {number} of {rounds}")
            try:
                results[one.name].append(run(one.name, folder, seconds, probes))
            except spawn.BenchFailed as failed:
                failures[one.name] = str(failed)
    summaries = {name: summarise(found) for name, found in results.items() if found}
    rows = [_row(one, summaries.get(one.name)) for one in peers]
    notes = [
        f"{jobs.JOB_BYTES}-byte jobs, no-op handler, one producer and one worker process; rounds of all peers in "
        f"turn: {rounds}, medians. Each enqueued for {seconds:g} s one by one and {seconds:g} s in bulk; all of that "
        f"was drained, from the first job to the last; {probes} probes, {peer.PAUSE_SECONDS[0] * 1000:g} to "
        f"{peer.PAUSE_SECONDS[1] * 1000:g} ms apart, from just before the enqueueing to the handler's start.",
        *_losses(summaries, ours),
        *(f"{name} failed in a round: {_one_line(text)}" for name, text in failures.items()),
    ]
    return report.Section("Peers", COLUMNS, rows, notes)


def _row(one: Listed, found: Summary | None) -> list[str]:
    missing = one.missing()
    if found is None:
        why = f"not installed: {missing}" if missing else "failed; see below"
        return [one.name, one.version(), one.store, one.durability, *[report.NONE] * 4, why]
    figures = [f"{value:,.0f}" for value in (found.one_by_one, found.bulk, found.drain)]
    idle = f"{found.p50_ms:.2f} / {found.p99_ms:.2f}"
    return [one.name, one.version(), one.store, one.durability, *figures, idle, one.setup]


def _losses(summaries: dict[str, Summary], name: str) -> list[str]:
    """Who is ahead of us, and by how much."""
    ours = summaries.get(name)
    if ours is None:
        return []
    notes = []
    for what, value in HIGHER.items():
        ahead = {
            name: value(one) / value(ours) for name, one in summaries.items() if value(one) > value(ours)
        }
        shown = ", ".join(f"{name} (x{times:.2f})" for name, times in sorted(ahead.items()))
        notes.append(f"Ahead of Postroom in {what}: {shown or 'nobody in this table'}.")
    return notes


def _one_line(text: str) -> str:
    return " / ".join(line.strip() for line in text.splitlines()[-3:])


def main() -> None:
    """`python -m bench.peers`."""
    parser = options.parser("bench.peers", __doc__)
    parser.add_argument("--seconds", type=float, default=peer.SECONDS_DEFAULT, help="of enqueueing (2)")
    parser.add_argument("--probes", type=options.positive, default=peer.PROBES_DEFAULT)
    parser.add_argument("--only", action="append", choices=[one.name for one in PEERS])
    given = parser.parse_args()
    chosen = [one for one in PEERS if given.only is None or one.name in given.only]
    with options.explained(), spawn.scratch(given.dir) as folder:
        section = measure(folder, chosen, rounds=given.rounds, seconds=given.seconds, probes=given.probes)
    report.progress("")
    print(msgspec.json.encode(section).decode() if given.json else report.render_markdown(section))


if __name__ == "__main__":
    main()
