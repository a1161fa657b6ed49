"""`migrate-broker`: from an SQLite file to PostgreSQL, while the service works."""

import sqlite3
from contextlib import closing
from pathlib import Path

import click
from msgspec.structs import replace
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from postroom.cli.errors import Failure, failures, only_sure
from postroom.cli.screen import add, screen, table
from postroom.kit.sqlite import connect_writer
from postroom.settings import POSTGRESQL, load, sqlite_path, without_password
from postroom.wiring.keys import kept_beside
from postroom.wiring.moving import Move, Moved, MoveRefused, frozen, thaw
from postroom.wiring.opening_server import server_connection
from postroom.wiring.schema import apply_schema


@click.command("migrate-broker")
@click.argument("source")
@click.argument("target", required=False)
@click.option("--copy-only", is_flag=True, help="Copy without freezing the source; may be repeated.")
@click.option("--thaw", "thawing", is_flag=True, help="Let a source that was frozen be written to again.")
@click.option("--yes", is_flag=True, help="Do not ask before the source is frozen.")
def migrate_broker(source: str, target: str | None, copy_only: bool, thawing: bool, yes: bool) -> None:
    """Move queues and application from SOURCE (sqlite:///...) to TARGET (postgresql://...).

    Everything goes: messages with ids, attempts, delays and leases, dead letters, records, the audit trail. The
    service may work on while most of it is copied. Then the source is frozen (it refuses every write), the rest is
    copied and everything is compared. Begun again after an interruption, it goes on.
    """
    with failures():
        path = _file(source)
        if thawing:
            _thaw(path)
            return
        if target is None or not target.startswith(POSTGRESQL):
            raise Failure(f"TARGET must be {POSTGRESQL}USER:PASSWORD@HOST:5432/DATABASE")
        settings = replace(load().settings, database_url=target, queue_url=target)
        apply_schema(settings, post=False)
        key = None if settings.audit_keys else kept_beside(path)
        with server_connection(target) as connection:
            move = Move(path, connection, key)
            try:
                moved = _moved(move, copy_only=copy_only, yes=yes)
            except MoveRefused as error:
                raise Failure(str(error)) from None
        if moved is None:
            click.echo(
                "copied; without --copy-only what has changed by then is copied and the source is frozen"
            )
            return
        _show(moved)
        click.echo(
            f"\n{sum(one.rows for one in moved)} rows are in {without_password(target)}, compared one by one.\n"
            f"Now start the services with POSTROOM_DATABASE_URL={without_password(target)}\n"
            f"{path} refuses every write from now on; keep it until you are sure. `--thaw` would let it be used again."
        )


def _moved(move: Move, *, copy_only: bool, yes: bool) -> list[Moved] | None:
    move.begin()
    totals = move.totals()
    with _bar() as bar:
        tasks = {name: bar.add_task(name, total=total) for name, total in totals.items()}

        def start_again() -> None:
            for task in tasks.values():
                bar.reset(task)

        move.copy(lambda name, rows: bar.advance(tasks[name], rows), start_again)
    if copy_only:
        return None
    if not move.frozen():
        only_sure("The source will refuse every write from now on. Go on?", yes)
    with _bar() as bar:
        tasks = {name: bar.add_task(name, total=total) for name, total in move.totals().items()}
        return move.finish(lambda name, rows: bar.advance(tasks[name], rows))


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=screen(err=True)
    )


def _show(moved: list[Moved]) -> None:
    made = table("table", "rows", "sha256 of both", right=("rows",))
    for one in moved:
        if one.rows:
            add(made, one.table, one.rows, one.sha256[:16])
    screen().print(made)


def _file(url: str) -> Path:
    try:
        path = sqlite_path(url)
    except ValueError:
        raise Failure("SOURCE must be sqlite:///relative.db or sqlite:////absolute/path.db") from None
    if not path.exists():
        raise Failure(f"there is no {path}")
    return path


def _thaw(path: Path) -> None:
    with closing(connect_writer(path)) as connection:
        if not frozen(connection):
            click.echo(f"{path} is not frozen")
            return
        try:
            thaw(connection)
        except sqlite3.OperationalError as error:
            raise Failure(f"{path}: {error}") from None
    click.echo(f"{path} can be written to again; what is in PostgreSQL since is not in it")
