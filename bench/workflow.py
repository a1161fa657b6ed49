"""The message workflow: approvals until everything is sent against bare aiosmtplib, and webhooks against a bare endpoint.

`approve`: messages under review are approved, 100 at once, and the time runs until each is sent and recorded; approval,
audit entry, timeline, job, claim, call and conclusion are all on disk. Into postfix's `smtp-sink`, as `bench.email`.
`webhooks`: `POST /webhooks/delivery`, verified and stored durably, by wrk on 64 connections; the yardstick is a bare ASGI
application on the same server that verifies the same signature and stores nothing.
"""

import asyncio
import hmac
import json
import re
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import uvloop

from bench.http import environment
from bench.kit import jobs, options, report, spawn
from bench.kit.measure import Comparison, compare
from bench.kit.report import Line
from bench.mail import bare, sink

MESSAGES_DEFAULT = 3_000
CONNECTIONS = 20
APPROVERS = 100
SECRET = "geheim"
BODY = json.dumps({"attemptId": "a" * 32, "status": "delivered", "eventId": "e"}).encode()
LUA = """
wrk.method = "POST"
wrk.body = '%s'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["X-Webhook-Signature"] = "sha256=%s"
"""
SECONDS = 5


async def _approve(folder: Path, port: int, count: int) -> float:
    from postroom.jobs import JobRegistry
    from postroom.kit.actor import Actor
    from postroom.messages import Draft, Person
    from postroom.settings import load
    from postroom.wiring import open_application

    environ = {"POSTROOM_DATABASE_URL": f"sqlite:///{folder / 'w.db'}", "POSTROOM_DELAY_NORMAL_SECONDS": "0"}
    settings = load(environ, folder=folder).settings
    smtp = f"smtp://127.0.0.1:{port}?tls=none&connections={CONNECTIONS}"
    everything = {"draft", "submit", "review", "send_directly"}
    anna, ben = Person(Actor("anna"), everything), Person(Actor("ben"), everything)
    async with open_application(settings, consume=True, smtp_url=smtp, registry=JobRegistry()) as app:

        async def write(number: int) -> None:
            draft = Draft(
                message_id=f"m{number}", channel="email", recipient=f"p{number}@example.com", subject="Appointment",
                content=jobs.CONTENT,
            )  # fmt: skip
            await app.desk.draft(anna, draft, lambda transaction, row: row)
            await app.desk.submit(anna, f"m{number}")

        for start in range(0, count, APPROVERS):
            await asyncio.gather(*(write(number) for number in range(start, min(start + APPROVERS, count))))
        await app.queues.start()
        turn = asyncio.Semaphore(APPROVERS)

        async def approve(number: int) -> None:
            async with turn:
                await app.desk.approve(ben, f"m{number}", None)

        started = time.perf_counter()
        await asyncio.gather(*(approve(number) for number in range(count)))
        while True:
            rows = await app.store.read(lambda transaction: transaction.all("count_messages"))
            found = {row["status"]: row["count"] for row in rows}
            if found == {"sent": count}:
                return count / (time.perf_counter() - started)
            await asyncio.sleep(0.02)


def approve_rate(parent: Path, port: int, count: int) -> float:
    """Messages a second from their approval to their record as sent."""
    with spawn.scratch(parent) as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(asyncio.wait_for(_approve(folder, port, count), 300))


def load_rate(port: int, script: Path) -> float:
    """Answers a second under wrk; raises BenchFailed when one was no success."""
    done = subprocess.run(
        ["wrk", "-t1", "-c64", f"-d{SECONDS}s", "-s", str(script), f"http://127.0.0.1:{port}/webhooks/delivery"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    if "Non-2xx" in done:
        raise spawn.BenchFailed(f"not every webhook was accepted:\n{done}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", done)
    assert found is not None, done
    return float(found[1])


async def verify_only(scope, receive, send):  # type: ignore[no-untyped-def]
    """The yardstick: an endpoint that verifies and stores nothing."""
    body = (await receive()).get("body", b"")
    given = dict(scope["headers"]).get(b"x-webhook-signature", b"").decode()
    right = "sha256=" + hmac.digest(SECRET.encode(), body, "sha256").hex()
    status = 202 if hmac.compare_digest(right, given) else 403
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def webhook_rates(parent: Path, rounds: int) -> Comparison:
    """Ours and the yardstick, each in a server process of its own."""
    with spawn.scratch(parent) as folder:
        script = folder / "post.lua"
        script.write_text(LUA % (BODY.decode(), hmac.digest(SECRET.encode(), BODY, "sha256").hex()))
        ours_port, bare_port = spawn.free_port(), spawn.free_port()
        more = {"POSTROOM_WEBHOOKS": f"delivery={SECRET}", "POSTROOM_RATE_WEBHOOK": "off"}
        uvicorn = [sys.executable, "-m", "uvicorn", "bench.workflow:verify_only", "--port", str(bare_port),
                   "--loop", "uvloop", "--http", "httptools", "--lifespan", "off", "--log-level", "critical"]  # fmt: skip
        serve = spawn.module("postroom", "serve")
        with (
            spawn.running(
                serve, environ=environment(folder / "p.db", ours_port, more), folder=folder
            ) as ours,
            spawn.running(
                uvicorn, environ={"PYTHONPATH": str(Path(__file__).parents[1])}, folder=folder
            ) as peer,
        ):
            spawn.wait("the service to listen", lambda: spawn.answers(ours_port), ours)
            spawn.wait("the yardstick to listen", lambda: spawn.answers(bare_port), peer)
            return compare(
                "webhooks", rounds, ours=partial(load_rate, ours_port, script),
                yardstick=partial(load_rate, bare_port, script),
            )  # fmt: skip


def measure(folder: Path, *, messages: int, rounds: int) -> report.Section:
    """Both."""
    with sink.listening(folder) as server:
        approved = compare(
            "approve", rounds, ours=partial(approve_rate, folder, server.port, messages),
            yardstick=partial(bare.send, server.port, messages, CONNECTIONS),
        )  # fmt: skip
    hooks = webhook_rates(folder, rounds)
    lines = [
        _line(
            "approve",
            "messages approved until all are sent (yardstick: bare aiosmtplib, 20 connections)",
            approved,
        ),
        _line(
            "webhooks", "webhooks verified and stored (yardstick: a bare endpoint that only verifies)", hooks
        ),
    ]
    notes = [
        f"{messages:,} messages a run, {APPROVERS} approvals at once, in one process with the consumer, uvloop.",
        f"Webhooks: wrk, 64 connections, {SECONDS} s a load; one server process each.",
    ]
    return report.section("Workflow", lines, notes)


def _line(name: str, what: str, made: Comparison) -> Line:
    middle, (low, high) = made.middle, made.range
    return Line(
        name=name, what=what, ours=report.rate(middle.ours), yardstick=report.rate(middle.yardstick),
        value=middle.ratio, low=low, high=high,
    )  # fmt: skip


def main() -> None:
    """`python -m bench.workflow`."""
    parser = options.parser("bench.workflow", __doc__)
    parser.add_argument("--messages", type=options.positive, default=MESSAGES_DEFAULT, help="a run (3,000)")
    given = parser.parse_args()
    with options.explained(), spawn.scratch(given.dir) as folder:
        section = measure(folder, messages=given.messages, rounds=given.rounds)
    report.put(section, as_json=given.json)


if __name__ == "__main__":
    main()
