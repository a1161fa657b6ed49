"""`db ...`: the schema of the database."""

import click

from postroom.cli.errors import CommandGroup, Failure
from postroom.cli.opening import opened, run
from postroom.cli.screen import add, print_json, screen, table
from postroom.settings import load
from postroom.wiring.schema import ComponentStatus, apply_schema, schema_status


@click.group(cls=CommandGroup)
def db() -> None:
    """The database's schema: how far it is, and bringing it up to date."""


@db.command("status")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def status(as_json: bool) -> None:
    """Which steps have been applied and which are missing. Exit code 1 when the schema is a newer Postroom's."""
    settings = load().settings
    found = schema_status(settings)
    if as_json:
        print_json({
            "database": settings.database_name,
            "components": [_as_json(one) for one in found],
        })  # fmt: skip
    else:
        click.echo(f"database {settings.database_name}")
        made = table(
            "schema", "applied up to", "known up to", "missing", right=("applied up to", "known up to")
        )
        for one in found:
            add(made, one.component, one.version, one.known, _missing(one))
        screen().print(made)
    newer = [one.component for one in found if one.too_new]
    if newer:
        raise Failure(f"a newer Postroom has changed the schema of {', '.join(newer)}; upgrade this one")


@db.command("migrate")
@click.option("--post", is_flag=True, help="Apply `post` steps too: only once no older process runs.")
def migrate(post: bool) -> None:
    """Apply what is missing, under a lock; others that do the same wait and find it done.

    `pre` steps let older processes work on: apply them, then replace the processes, then `--post`.
    """
    settings = load().settings
    applied = apply_schema(settings, post=post) if settings.on_postgresql else run(_open_file())
    for name in applied:
        click.echo(f"applied {name}")
    waiting = [name for one in schema_status(settings) for name in one.post]
    if waiting:
        click.echo(f"waiting for --post, once no older process runs: {', '.join(waiting)}")
    if not applied:
        click.echo("the schema is up to date" if not waiting else "nothing else is missing")


async def _open_file() -> list[str]:
    """An SQLite file is one machine's, and whoever opens it brings it up to date."""
    settings = load().settings
    before = {name for one in schema_status(settings) for name in (*one.pre, *one.post)}
    async with opened():
        pass
    after = {name for one in schema_status(settings) for name in (*one.pre, *one.post)}
    return sorted(before - after)


def _as_json(one: ComponentStatus) -> dict[str, object]:
    known = one._asdict()
    too_new = known.pop("too_new")
    return {**known, "tooNew": too_new}


def _missing(one: ComponentStatus) -> str:
    if one.too_new:
        return "cannot be used: made by a newer Postroom"
    if one.version > one.known:
        return "nothing; a newer Postroom has applied more, which this one can work with"
    return ", ".join((*one.pre, *one.post)) or "nothing"
