"""`why` and `monitor`: why a message does not move, and how the work goes."""

from typing import Any

import click
import msgspec

from postroom.cli.errors import Failure
from postroom.cli.opening import opened, run
from postroom.cli.screen import add, print_json, screen, table
from postroom.workers.monitoring import why as ask
from postroom.workers.monitoring.performance import WINDOWS

as_json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON.")


@click.command()
@click.argument("message_id")
@as_json_option
def why(message_id: str, as_json: bool) -> None:
    """Say in one sentence why a message or job is where it is."""
    found = run(_why(message_id))
    if as_json:
        print_json(found)
    else:
        click.echo(found["sentence"])


@click.command()
@click.option("--window", type=click.Choice(list(WINDOWS)), default="15m", show_default=True)
@as_json_option
def monitor(window: str, as_json: bool) -> None:
    """Show how the work goes: queues, health, incidents. Ends with 1 when something fails."""
    performance, health, incidents = run(_look(window))
    if as_json:
        print_json({"performance": performance, "health": health, "incidents": incidents})
    else:
        _show(performance, health, incidents)
    if health["status"] == "fail":
        raise Failure("; ".join(one["sentence"] for one in health["checks"] if one["status"] == "fail"))


def _show(performance: dict[str, Any], health: dict[str, Any], incidents: list[dict[str, Any]]) -> None:
    numbers = ("due", "in flight", "oldest", "per second", "failed", "wait p95", "run p95", "drained in")
    made = table("queue", *numbers, right=numbers)
    for one in performance["queues"]:
        rate = f"{one['failureRate']:.1%}" if one["failureRate"] is not None else ""
        add(made, one["queue"], f"{one['ready']:,}", f"{one['inFlight']:,}", _seconds(one["oldestSeconds"]),
            f"{one['throughputPerSecond']:.2f}", rate, _seconds(one["waitSeconds"]["p95"]),
            _seconds(one["runSeconds"]["p95"]), _seconds(one["drainSeconds"]))  # fmt: skip
    screen().print(made)
    checks = table("", "check", "")
    for check in health["checks"]:
        add(checks, check["status"], check["name"], check["sentence"])
    screen().print(checks)
    for incident in incidents:
        if incident["closedAt"] is None:
            click.echo(
                f"since {incident['openedAt']}: {incident['rule']} of {incident['subject']} is {incident['value']:g}"
            )


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:,.1f} s"


async def _why(message_id: str) -> dict[str, Any]:
    async with opened() as app:
        found = await ask(app.store, app.queues, app.clock, message_id)
        if found is None:
            raise Failure(f"there is no message or job {message_id}; `postroom message list` shows them")
        answer: dict[str, Any] = msgspec.to_builtins(found)
        return answer


async def _look(window: str) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    async with opened() as app:
        return (
            await app.monitor.performance(window), await app.monitor.health(), await app.alerts.incidents(),
        )  # fmt: skip
