"""`dlq runs ...`: what is brought back or deleted in the background by a running service."""

from typing import Any

import click

from postroom.cli.errors import CommandGroup, Failure
from postroom.cli.opening import dead_letters_of, opened, run, who
from postroom.cli.queue import as_json_option
from postroom.cli.screen import add, ago, print_json, screen, table
from postroom.kit.clock import isoformat, to_datetime
from postroom.operations import Action, Choice, Redrive
from postroom.queues import Filter


@click.group("runs", cls=CommandGroup)
def redrives() -> None:
    """Begin, follow, stop and resume redrives that a running service carries out."""


@redrives.command("list")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="How many at most.")
@as_json_option
def list_(limit: int, as_json: bool) -> None:
    """List them, newest first."""

    async def look() -> list[Redrive]:
        async with opened() as app:
            return (await app.redrives.page(1 << 62, limit))[0]

    found = run(look())
    if as_json:
        print_json([_facts(one) for one in found])
        return
    made = table("id", "begun", "by", "queue", "action", "state", "moved", "of", right=("moved", "of"))
    for one in found:
        add(made, one.id, ago(to_datetime(one.created_us)), one.actor, one.queue, one.action, one.state, one.moved,
            one.expected)  # fmt: skip
    screen().print(made)


@redrives.command()
@click.argument("id_", metavar="ID")
@as_json_option
def show(id_: str, as_json: bool) -> None:
    """Show one, as far as it has come."""

    async def look() -> Redrive:
        async with opened() as app:
            return await app.redrives.get(id_)

    facts = _facts(run(_known(id_, look())))
    if as_json:
        print_json(facts)
        return
    made = table("", "")
    made.show_header = False
    for key, value in facts.items():
        add(made, key, value)
    screen().print(made)


@redrives.command()
@click.option("--reason", metavar="TEXT", help="Those whose reason or code has this in it.")
@click.option("--fingerprint", metavar="HEX", help="Those whose job failed like that.")
@click.option("--queue", "origin", metavar="NAME", help="Those that failed on this queue.")
@click.option("--to", metavar="NAME", help="The queue they go to; by default each to the one it failed on.")
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True), metavar="N", help="At most N messages a second."
)
@click.option("--queue-name", metavar="NAME", help="Another dead letter queue than the configured one.")
def begin(
    reason: str | None, fingerprint: str | None, origin: str | None, to: str | None, rate: float | None,
    queue_name: str | None,
) -> None:  # fmt: skip
    """Begin one and return; without conditions it is of every dead letter."""

    async def act() -> Redrive:
        async with opened() as app:
            choice = Choice(matching=Filter(reason=reason, queue=origin), fingerprint=fingerprint)
            name = dead_letters_of(app, queue_name)
            return await app.redrives.begin(name, Action.REDRIVE, choice, who(), target=to, rate=rate)

    one = run(act())
    click.echo(f"{one.id}: {one.expected:,} match; `postroom dlq runs show {one.id}` follows it")


@redrives.command()
@click.argument("id_", metavar="ID")
def stop(id_: str) -> None:
    """Stop one after the page that it is at."""

    async def act() -> bool:
        async with opened() as app:
            return await app.redrives.stop(id_, who())

    if not run(_known(id_, act())):
        raise Failure(f"{id_} is over already")
    click.echo(f"stopped; `postroom dlq runs resume {id_}` lets it go on")


@redrives.command()
@click.argument("id_", metavar="ID")
def resume(id_: str) -> None:
    """Let one that was stopped or failed go on."""

    async def act() -> bool:
        async with opened() as app:
            return await app.redrives.resume(id_, who())

    if not run(_known(id_, act())):
        raise Failure(f"{id_} was not stopped")
    click.echo("it goes on")


async def _known(id_: str, work: Any) -> Any:
    try:
        return await work
    except LookupError:
        raise Failure(f"there is no redrive {id_}; `postroom dlq runs list` shows them") from None


def _facts(one: Redrive) -> dict[str, Any]:
    return {
        "id": one.id, "queue": one.queue, "action": one.action, "to": one.target, "state": one.state, "rate": one.rate,
        "expected": one.expected, "matched": one.matched, "moved": one.moved, "unroutable": one.unroutable,
        "by": one.actor, "begunAt": isoformat(one.created_us), "endedAt": isoformat(one.ended_us), "problem": one.problem,
    }  # fmt: skip
