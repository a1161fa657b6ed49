"""Emails: the whole path through Postroom against bare aiosmtplib, both into postfix's `smtp-sink`.

Ours takes jobs over HTTP, stores them, consumes them, sends them over SMTP and records their statuses; the
yardstick only sends.
"""

from functools import partial
from pathlib import Path

from bench.kit import jobs, machine, options, report, spawn
from bench.kit.measure import Comparison, compare
from bench.kit.report import Line
from bench.mail import bare, service, sink

CONNECTIONS_DEFAULT = 20
EMAILS_DEFAULT = 5_000
WARM_UP = 100


def measure(folder: Path, *, emails: int, connections: int, rounds: int) -> report.Section:
    """Compare; the service runs on through all rounds and is idle during the yardstick's."""
    sent = WARM_UP
    check_received(folder)
    with sink.listening(folder) as server, service.up(folder, server.port) as running:
        service.deliver(running, 0, WARM_UP)

        def ours() -> float:
            nonlocal sent
            first, sent = sent, sent + emails
            return service.deliver(running, first, emails)

        made = compare(
            "email", rounds, ours=ours, yardstick=partial(bare.send, server.port, emails, connections)
        )
    return report.section("Email", [_line(made, connections)], _notes(emails, rounds, connections))


def check_received(folder: Path) -> None:
    """Raise BenchFailed unless each job that the service calls completed is an email that the server took."""
    with sink.listening(folder, counting=True) as server, service.up(folder, server.port) as running:
        service.deliver(running, 0, WARM_UP)
        received = server.received()
    if received != WARM_UP:
        raise spawn.BenchFailed(f"{WARM_UP} emails are completed, but the server took {received}")


def measure_bare(folder: Path, *, emails: int, connections: int, rounds: int) -> report.Section:
    """The yardstick against itself: a test of the benchmark."""
    with sink.listening(folder) as server:
        run = partial(bare.send, server.port, emails, connections)
        made = compare("email, bare", rounds, ours=run, yardstick=run)
    title = "Email (the yardstick against itself)"
    return report.section(title, [_line(made, connections)], _notes(emails, rounds, connections))


def _line(made: Comparison, connections: int) -> Line:
    middle, (low, high) = made.middle, made.range
    return Line(
        name="email",
        what="emails, from the first request until all statuses are recorded "
        f"(yardstick: bare aiosmtplib, {connections} connections)",
        ours=report.rate(middle.ours),
        yardstick=report.rate(middle.yardstick),
        value=middle.ratio,
        low=low,
        high=high,
    )


def _notes(emails: int, rounds: int, connections: int) -> list[str]:
    return [
        f"{emails:,} emails a run with {len(jobs.CONTENT)} characters of text, rounds: {rounds}, each between two "
        f"runs of the yardstick; aiosmtplib {machine.installed('aiosmtplib')} over {connections} connections that "
        "stay open (`send_message` of an EmailMessage), uvloop.",
        "Ours: `postroom up` with its default configuration, jobs in batches of "
        f"{service.BATCH} over HTTP, priority {service.PRIORITY}; it counts completed jobs only every so often, "
        "so its end is seen late rather than early. Before that, a server that counts has seen each of "
        f"{WARM_UP} completed emails.",
    ]


def main() -> None:
    """`python -m bench.email`."""
    parser = options.parser("bench.email", __doc__)
    parser.add_argument("--emails", type=options.positive, default=EMAILS_DEFAULT, help="a run (5,000)")
    parser.add_argument("--connections", type=options.positive, default=CONNECTIONS_DEFAULT)
    parser.add_argument(
        "--bare-only",
        action="store_true",
        help="compare the yardstick with itself: a test of the benchmark",
    )
    given = parser.parse_args()
    run = measure_bare if given.bare_only else measure
    with options.explained(), spawn.scratch(given.dir) as folder:
        section = run(folder, emails=given.emails, connections=given.connections, rounds=given.rounds)
    report.put(section, as_json=given.json)


if __name__ == "__main__":
    main()
