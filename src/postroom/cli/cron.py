"""`cron ...`: what is enqueued when, directly on the database file."""

from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import click

from postroom.cli.errors import CommandGroup, Failure
from postroom.cli.opening import opened, run, who
from postroom.cli.screen import add, ago, print_json, screen, table
from postroom.kit.actor import Actor
from postroom.kit.clock import isoformat, to_datetime
from postroom.wiring import Application
from postroom.workers.cron import Schedule, fire_now

as_json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON.")


@click.group(cls=CommandGroup)
def cron() -> None:
    """Schedules: what is enqueued when."""


@cron.command("list")
@as_json_option
def list_(as_json: bool) -> None:
    """List schedules with their next and last run."""
    rows = run(_list())
    if as_json:
        print_json(rows)
        return
    made = table("name", "cron", "zone", "next (UTC)", "last run", "state")
    for row in rows:
        state = "paused" if row["paused"] else "" if row["active"] else "no longer set"
        add(made, row["name"], row["cron"], row["zone"], row["next"], row["lastFired"] or "never", state)
    screen().print(
        made if rows else "no schedules; set POSTROOM_CRON, or triggers.crons in the wrangler file"
    )


@cron.command("next")
@click.argument("name", required=False)
@click.option("--count", default=5, type=click.IntRange(1, 100), show_default=True)
@as_json_option
def next_(name: str | None, count: int, as_json: bool) -> None:
    """Show the next runs of NAME, or of every schedule, in its zone and in UTC."""
    fires = run(_next(name, count))
    if as_json:
        print_json([{"name": one.name, "at": isoformat(at)} for at, one in fires])
        return
    made = table("when", "there", "name", "UTC")
    for at, one in fires:
        zone = UTC if one.cron.zone == "UTC" else ZoneInfo(one.cron.zone)
        there = to_datetime(at).astimezone(zone)
        add(made, ago(to_datetime(at)), f"{there:%a %Y-%m-%d %H:%M %Z}", one.name, isoformat(at))
    screen().print(made)


@cron.command("run")
@click.argument("name")
@as_json_option
def run_(name: str, as_json: bool) -> None:
    """Enqueue NAME's jobs now, out of turn."""
    ids = run(_fire(name))
    if as_json:
        print_json({"jobs": ids})
    else:
        click.echo(f"{name}: {len(ids)} jobs were enqueued: {', '.join(ids)}")


@cron.command("pause")
@click.argument("name")
def pause(name: str) -> None:
    """Let NAME not run until it is resumed; runs in between are not made up for."""
    run(_pause(name, paused=True))
    click.echo(f"{name} is paused")


@cron.command("resume")
@click.argument("name")
def resume(name: str) -> None:
    """Let NAME run again, from its next moment on."""
    run(_pause(name, paused=False))
    click.echo(f"{name} runs again")


def _known(app: Application, name: str) -> Schedule:
    found = app.scheduler.schedules.get(name)
    if found is None:
        raise Failure(f"there is no schedule {name}; known: {', '.join(app.scheduler.schedules) or 'none'}")
    return found


async def _list() -> list[dict[str, Any]]:
    async with opened() as app:
        return await app.scheduler.view()


async def _next(name: str | None, count: int) -> list[tuple[int, Schedule]]:
    async with opened() as app:
        chosen = [_known(app, name)] if name is not None else list(app.scheduler.schedules.values())
        now_us = app.clock.now_us()
        fires = [(at, one) for one in chosen for at in one.cron.upcoming(now_us, count)]
        return sorted(fires, key=lambda fire: (fire[0], fire[1].name))


async def _fire(name: str) -> list[str]:
    async with opened() as app:
        one = _known(app, name)
        await app.scheduler.declare()
        return await fire_now(app.store, app.clock, one, app.scheduler.enlist, Actor(who()))


async def _pause(name: str, *, paused: bool) -> None:
    async with opened() as app:
        _known(app, name)
        await app.scheduler.declare()
        await app.scheduler.pause(name, paused=paused, actor=Actor(who()))
