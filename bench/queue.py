"""The queue on SQLite against bare `sqlite3` loops of the same durability, in one run.

Each line prints ours, its yardstick, their ratio and the target. Ours and the yardstick run in turn and the
round with the median ratio is shown, so the three figures of a line belong together.
"""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import uvloop

from bench import bare
from bench.engine import draining, filling, latency, memory, processes, sending
from bench.kit import jobs, options, report, spawn
from bench.kit.measure import Comparison, Run, compare, percentile
from bench.kit.report import Line

CASE_HELP: Final = "measure only this; may be given several times: "


class Sizes(NamedTuple):
    """How much of everything."""

    folder: Path
    rounds: int
    messages: int
    singles: int
    backlog: int
    memory: int
    processes: int
    probes: int
    idle_seconds: float


def senders(sizes: Sizes) -> list[Line]:
    """Many tasks that each await every send."""
    ours = partial(sending.concurrently, sizes.folder, sizes.messages)
    return [_against_insert("senders", f"{sending.SENDERS} concurrent senders", sizes, ours)]


def bulk(sizes: Sizes) -> list[Line]:
    """One task that awaits bulk after bulk."""
    ours = partial(sending.in_bulk, sizes.folder, sizes.messages)
    return [_against_insert("bulk", f"bulk of {filling.BULK}", sizes, ours)]


def single(sizes: Sizes) -> list[Line]:
    """One task that awaits send after send."""
    made = compare(
        "single",
        sizes.rounds,
        ours=partial(sending.one_by_one, sizes.folder, sizes.singles),
        yardstick=partial(bare.insert, sizes.folder, sizes.singles, 1),
    )
    return [_line("single", "single sequential sender", made)]


def drain(name: str, size: int, sizes: Sizes) -> list[Line]:
    """A consumer with a no-op handler."""
    made = compare(
        name,
        sizes.rounds,
        ours=partial(draining.drain, sizes.folder, sizes.messages, size),
        yardstick=partial(bare.claim_and_delete, sizes.folder, sizes.messages),
    )
    return [_line(name, f"drain, batches of {size}", made)]


def backlog(name: str, size: int, sizes: Sizes) -> list[Line]:
    """The same drain out of a large backlog; its yardstick is ours without one."""
    with spawn.scratch(sizes.folder) as scratch:
        path = scratch / "q.db"

        def ours() -> float:
            report.progress(f"{name}: filling")
            uvloop.run(filling.top_up(path, sizes.backlog + sizes.messages))
            return draining.take(path, sizes.messages, size)

        made = compare(
            name,
            sizes.rounds,
            ours=ours,
            yardstick=partial(draining.drain, sizes.folder, sizes.messages, size),
        )
    what = f"drain, batches of {size}, at a backlog of {sizes.backlog:,} (yardstick: ours without)"
    return [_line(name, what, made)]


def resident(sizes: Sizes) -> list[Line]:
    """Memory while many messages go through."""
    report.progress("memory")
    made = memory.measure(sizes.folder, sizes.memory)
    return [
        Line(
            name="memory",
            what=f"most resident memory over {sizes.memory:,} messages (yardstick: after the first tenth)",
            ours=f"{made.late:.1f} MiB",
            yardstick=f"{made.early:.1f} MiB",
            value=made.late / made.early,
        )
    ]


def together(sizes: Sizes) -> list[Line]:
    """Several consumer processes on one file; their yardstick is one such process."""
    runs: list[processes.Shared] = []

    def ours() -> float:
        runs.append(processes.drain_together(sizes.folder, sizes.messages, sizes.processes, 100))
        return runs[-1].rate

    def yardstick() -> float:
        return processes.drain_together(sizes.folder, sizes.messages, 1, 100).rate

    made = compare("processes", sizes.rounds, ours=ours, yardstick=yardstick)
    worst = min(runs, key=lambda run: run.least)
    shares = ", ".join(f"{count:,}" for count in worst.counts)
    gap = max(run.gap_seconds for run in runs)
    what = f"{sizes.processes} consumer processes on one file"
    return [
        _line("processes", f"{what} (yardstick: one process)", made),
        Line(
            name="starved",
            what=f"{what}: the poorest one's part in the worst round (longest wait of any: {gap * 1000:.0f} ms)",
            ours=f"{worst.least:.2f} ({shares} messages)",
            value=worst.least,
            ratio=False,
        ),
    ]


def idle_one(sizes: Sizes) -> list[Line]:
    """Latency within a process."""
    report.progress("idle latency, one process")
    with _idle_yardstick(sizes) as yardstick:
        found = latency.in_one_process(sizes.folder, sizes.probes)
    return [_latency("idle-one", "idle latency send to handler, one process", found, yardstick)]


def idle_two(sizes: Sizes) -> list[Line]:
    """Latency between two processes, and the CPU that waiting costs."""
    report.progress("idle latency, two processes")
    with _idle_yardstick(sizes) as yardstick:
        found = latency.between_processes(sizes.folder, sizes.probes, sizes.idle_seconds)
    what = "idle latency send to handler, between two processes"
    return [
        _latency("idle-two", what, found.latencies_ms, yardstick),
        Line(
            name="idle-cpu",
            what=f"CPU of the idle consumer process over {sizes.idle_seconds:g} s",
            ours=f"{found.cpu_percent:.2f} % of a core",
            value=found.cpu_percent,
            ratio=False,
        ),
    ]


CASES: Final[dict[str, Callable[[Sizes], list[Line]]]] = {
    "senders": senders,
    "bulk": bulk,
    "single": single,
    "drain-100": partial(drain, "drain-100", 100),
    "drain-10": partial(drain, "drain-10", 10),
    "backlog-100": partial(backlog, "backlog-100", 100),
    "backlog-10": partial(backlog, "backlog-10", 10),
    "memory": resident,
    "processes": together,
    "idle-one": idle_one,
    "idle-two": idle_two,
}


def measure(sizes: Sizes, names: list[str]) -> report.Section:
    """Measure the named cases."""
    filling.check_columns(sizes.folder)
    lines = [line for name in names for line in CASES[name](sizes)]
    return report.section(
        "Queue on SQLite",
        lines,
        [
            f"{sizes.messages:,} messages of {jobs.JOB_BYTES} bytes a run ({sizes.singles:,} for the single "
            f"sender), SQLite WAL at synchronous=FULL, uvloop; rounds: {sizes.rounds}, each between two runs of "
            "the yardstick; the round with the median ratio is shown.",
            f"Yardsticks of sends: bare inserts, {bare.GROUP} rows a commit (single sender: one). Of drains: a "
            f"bare loop that claims {bare.GROUP} by UPDATE .. RETURNING and deletes them, two commits a batch.",
            "Drains: no-op handler, ack message by message, max_batch_timeout 0, default concurrency; start and "
            "stop of the consumer are within the time.",
            f"Latencies: {sizes.probes} probes, {latency.PAUSE_SECONDS[0] * 1000:g} to "
            f"{latency.PAUSE_SECONDS[1] * 1000:g} ms apart, from just before the send to the "
            "handler's start; yardstick: one bare insert and its commit at the same pauses, half of them before "
            "and half after.",
        ],
    )


def _against_insert(name: str, what: str, sizes: Sizes, ours: Run) -> Line:
    yardstick = partial(bare.insert, sizes.folder, sizes.messages, bare.GROUP)
    return _line(name, what, compare(name, sizes.rounds, ours=ours, yardstick=yardstick))


def _line(name: str, what: str, made: Comparison) -> Line:
    middle, (low, high) = made.middle, made.range
    return Line(
        name=name,
        what=what,
        ours=report.rate(middle.ours),
        yardstick=report.rate(middle.yardstick),
        value=middle.ratio,
        low=low,
        high=high,
    )


@contextlib.contextmanager
def _idle_yardstick(sizes: Sizes) -> Iterator[list[float]]:
    """Bare commits before and after the block, half of them each; complete and sorted after it."""
    taken: list[float] = []
    half = -(-sizes.probes // 2)
    taken += bare.commits_at_leisure(sizes.folder, half, latency.PAUSE_SECONDS)
    yield taken
    taken += bare.commits_at_leisure(sizes.folder, half, latency.PAUSE_SECONDS)
    taken.sort()


def _latency(name: str, what: str, ordered_ms: list[float], yardstick_ms: list[float]) -> Line:
    return Line(
        name=name,
        what=what,
        ours=_percentiles(ordered_ms),
        yardstick=_percentiles(yardstick_ms),
        value=percentile(ordered_ms, 0.5),
        ratio=False,
    )


def _percentiles(ordered_ms: list[float]) -> str:
    return f"p50 {percentile(ordered_ms, 0.5):.2f} ms, p99 {percentile(ordered_ms, 0.99):.2f} ms"


def main() -> None:
    """`python -m bench.queue`."""
    parser = options.parser("bench.queue", __doc__)
    whole = options.positive
    parser.add_argument("--messages", type=whole, default=100_000, help="messages a run (100,000)")
    parser.add_argument("--singles", type=whole, default=3_000, help="sends of the single sender (3,000)")
    parser.add_argument("--backlog", type=whole, default=1_000_000, help="the large backlog (1,000,000)")
    parser.add_argument("--memory", type=whole, default=1_000_000, help="messages of that case (1,000,000)")
    parser.add_argument("--processes", type=whole, default=4, help="consumer processes on one file (4)")
    parser.add_argument("--probes", type=whole, default=300, help="probes of a latency (300)")
    parser.add_argument("--idle-seconds", type=float, default=5.0, help="seconds of idle CPU (5)")
    parser.add_argument("--only", action="append", choices=CASES, help=CASE_HELP + ", ".join(CASES))
    given = parser.parse_args()
    with options.explained(), spawn.scratch(given.dir) as folder:
        fields = {name: getattr(given, name) for name in Sizes._fields if name != "folder"}
        section = measure(Sizes(folder=folder, **fields), given.only or list(CASES))
    report.put(section, as_json=given.json)


if __name__ == "__main__":
    main()
