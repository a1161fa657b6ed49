"""Postroom on PostgreSQL beside pgqueuer, pgmq, Procrastinate and NATS, and where it could become slow.

Peers run as in `bench.peers`. The situations are each beside the same run without them: two workers beside one, 64
handlers at once beside four, a backlog of a million, a transaction that stands open.
"""

import argparse
import asyncio
from pathlib import Path

import msgspec

from bench.kit import machine, options, report, spawn
from bench.peers import __main__ as peers
from bench.peers import servers
from bench.peers.catalogue import PEERS
from bench.postgres import scenarios

COMPARED = ("postroom-postgres", "pgqueuer", "pgmq", "procrastinate", "nats-jetstream")
COLUMNS = ["situation", "with it", "without it", "ratio (range)", "target"]


async def situations(folder: Path, url: str, given: argparse.Namespace) -> report.Section:
    """Every situation in turn."""
    count, rounds = given.messages, given.rounds
    rows = []

    async def line(name: str, target: str, special: scenarios.Run, plain: scenarios.Run) -> None:
        report.progress(f"postgres: {name}")
        ours, other, ratios = await scenarios.in_turn(rounds, plain, special)
        middle = ratios[(len(ratios) - 1) // 2]
        spread = f"{middle:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        rows.append([name, report.rate(ours), report.rate(other), spread, target])

    await line(
        "two worker processes, beside one",
        "1.5",
        lambda: scenarios.workers(folder, url, count, 2),
        lambda: scenarios.workers(folder, url, count, 1),
    )
    await line(
        "64 handlers at once, beside 4",
        "1.0",
        lambda: scenarios.filled_drain(url, count, concurrency=64),
        lambda: scenarios.filled_drain(url, count, concurrency=4),
    )
    await line(
        f"a backlog of {given.backlog:,} behind them",
        "0.8",
        lambda: scenarios.filled_drain(url, count, behind=given.backlog),
        lambda: scenarios.filled_drain(url, count),
    )

    async def pinned() -> float:
        async with scenarios.old_snapshot(url):
            return await scenarios.steady(url, given.pinned_seconds)

    await line(
        f"a transaction open for {given.pinned_seconds:g} s",
        "0.9",
        pinned,
        lambda: scenarios.steady(url, given.pinned_seconds),
    )
    p50, p99 = await scenarios.loaded_latency(url, given.loaded_seconds)
    notes = [
        f"At {scenarios.LOADED_RATE} sends a second for {given.loaded_seconds:g} s, from before the send to the handler: "
        f"p50 {p50:.2f} ms, p99 {p99:.2f} ms (target: 15 ms).",
        f"{count:,} messages a drain, batches of {scenarios.BATCH}; rounds in turn: {rounds}.",
    ]
    return report.Section("Situations", COLUMNS, rows, notes)


def main() -> None:
    """`python -m bench.postgres`."""
    parser = options.parser("bench.postgres", __doc__)
    parser.add_argument("--messages", type=options.positive, default=100_000)
    parser.add_argument("--backlog", type=options.positive, default=1_000_000)
    parser.add_argument("--pinned-seconds", type=float, default=180.0)
    parser.add_argument("--loaded-seconds", type=float, default=15.0)
    parser.add_argument("--seconds", type=float, default=2.0, help="of enqueueing by each peer (2)")
    parser.add_argument("--only", choices=["peers", "situations"])
    given = parser.parse_args()
    sections = []
    with options.explained(), spawn.scratch(given.dir) as folder:
        facts = machine.facts(folder)
        if given.only != "situations":
            chosen = [one for one in PEERS if one.name in COMPARED]
            sections.append(
                peers.measure(
                    folder, chosen, rounds=given.rounds, seconds=given.seconds, probes=100, ours=COMPARED[0]
                )
            )
        if given.only != "peers":
            with spawn.scratch(folder) as place, servers.postgres(place) as url:
                sections.append(asyncio.run(situations(place, url, given)))
    report.progress("")
    if given.json:
        print(msgspec.json.encode(sections).decode())
        return
    print("\n".join(f"- {fact}" for fact in facts), *map(report.render_markdown, sections), sep="\n\n")


if __name__ == "__main__":
    main()
