"""`export ...`: files of records, directly on the database file and its storage; a running service writes them."""

import asyncio
import os
from pathlib import Path
from typing import Any, Final

import click
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from postroom.cli.errors import CommandGroup, Failure
from postroom.cli.opening import opened, run, who
from postroom.cli.screen import add, ago, print_json, screen, state, table
from postroom.exports import DATASETS, ExportNotReady, RequestInvalid
from postroom.jobs.models import ExportJob
from postroom.kit.actor import Actor
from postroom.kit.clock import isoformat, to_datetime
from postroom.kit.ids import new_id
from postroom.kit.storage import StorageFailed

ENDED: Final = ("done", "failed", "cancelled", "expired", "uncertain")
LOOK_SECONDS: Final = 0.3
as_json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON.")


@click.group(cls=CommandGroup)
def export() -> None:
    """Files of records: the audit log, messages, attempts, suppressions."""


@export.command("create")
@click.argument("dataset", type=click.Choice(list(DATASETS)))
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "json", "ndjson", "parquet"]),
    default="csv",
    show_default=True,
)
@click.option("--gzip", "zipped", is_flag=True, help="Compress the file.")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="NAME=VALUE",
    help="May be repeated; `export datasets` lists them.",
)
@click.option("--columns", help="Comma-separated, in this order; all by default.")
@click.option("--id", "export_id", help="By default a new one.")
@click.option("--watch", is_flag=True, help="Stay until it is written.")
@as_json_option
def create(
    dataset: str, form: Any, zipped: bool, filters: tuple[str, ...], columns: str | None, export_id: str | None,
    watch: bool, as_json: bool,
) -> None:  # fmt: skip
    """Ask for an export of DATASET; a running service (`postroom up`) writes it."""
    given: dict[str, Any] = {"dataset": dataset}
    for one in filters:
        name, equals, value = one.partition("=")
        if not equals:
            raise Failure(f"--filter {one!r} must be NAME=VALUE")
        given[name] = value
    job = ExportJob(
        export_id=export_id or new_id(), user_id=who(), format=form, filters=given,
        columns=columns.split(",") if columns is not None else None, compression="gzip" if zipped else "none",
    )  # fmt: skip
    row = run(_create(job, watch=watch, quiet=as_json))
    if as_json:
        print_json(_facts(row))
    elif row["status"] == "done":
        click.echo(f"{row['id']}: {row['rows']:,} rows, {decimal(row['bytes'])}, SHA-256 {row['sha256']}")
        click.echo(f"fetch it: postroom export fetch {row['id']}")
    elif watch:
        raise Failure(f"{row['id']} is {row['status']}" + (f": {row['reason']}" if row["reason"] else ""))
    else:
        click.echo(f"{row['id']} is {row['status']}; follow it: postroom export show {row['id']}")


@export.command("datasets")
@as_json_option
def datasets(as_json: bool) -> None:
    """List what can be exported, with filters and columns."""
    facts = {
        name: {
            "filters": ["startDate", "endDate", *one.filters], "columns": [column.name for column in one.columns],
        }
        for name, one in DATASETS.items()
    }  # fmt: skip
    if as_json:
        print_json(facts)
        return
    made = table("dataset", "filters", "columns")
    for name, one in facts.items():
        add(made, name, ", ".join(one["filters"]), ", ".join(one["columns"]))
    screen().print(made)


@export.command("list")
@click.option("--limit", default=20, type=click.IntRange(1, 1000), show_default=True)
@as_json_option
def list_(limit: int, as_json: bool) -> None:
    """List exports, newest first."""
    rows = run(_list(limit))
    if as_json:
        print_json([_facts(row) for row in rows])
        return
    made = table(
        "id",
        "dataset",
        "format",
        "state",
        "written",
        "rows",
        "size",
        "for",
        "asked",
        right=("written", "rows", "size"),
    )
    for row in rows:
        part = f"{row['progress']:.0%}" if row["progress"] is not None else ""
        add(made, row["id"], row["dataset"] or "", row["format"], state(row["status"]), part, f"{row['rows'] or 0:,}",
            decimal(row["bytes"] or 0), row["user_id"], ago(to_datetime(row["created_us"])))  # fmt: skip
    screen().print(made if rows else "no exports; ask for one: postroom export create audit_log")


@export.command("show")
@click.argument("export_id")
@as_json_option
def show(export_id: str, as_json: bool) -> None:
    """Where an export is."""
    row = run(_find(export_id))
    if as_json:
        print_json(_facts(row))
        return
    for name, value in _facts(row).items():
        if value is not None:
            click.echo(f"  {name:<12} {value}")


@export.command("cancel")
@click.argument("export_id")
def cancel(export_id: str) -> None:
    """Call an export off, whether it waits or is being written."""
    click.echo(f"{export_id} is {run(_cancel(export_id))}")


@export.command("fetch")
@click.argument("export_id")
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="By default its own name, here."
)
def fetch(export_id: str, output: Path | None) -> None:
    """Copy an export's file to here; on record, as every download."""
    click.echo(f"written to {run(_fetch(export_id, output))}")


async def _create(job: ExportJob, *, watch: bool, quiet: bool) -> dict[str, Any]:
    async with opened() as app:
        try:
            await app.exports.ask(job, Actor(who()))
        except RequestInvalid as error:
            raise Failure(str(error)) from None
        row = await app.exports.find(job.export_id)
        assert row is not None
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        with Progress(
            *columns, console=screen(err=True), disable=quiet or not watch, transient=True
        ) as progress:
            task = progress.add_task("waiting for a consumer", total=1.0)
            while watch and row["status"] not in ENDED:
                await asyncio.sleep(LOOK_SECONDS)
                row = await app.exports.find(job.export_id) or row
                if row["progress"] is not None:
                    said = f"{row['rows'] or 0:,} rows, {decimal(row['bytes'] or 0)}"
                    progress.update(task, completed=row["progress"], description=said)
        return row


async def _list(limit: int) -> list[dict[str, Any]]:
    async with opened() as app:
        return await app.exports.page((1 << 62, ""), limit)


async def _find(export_id: str) -> dict[str, Any]:
    async with opened() as app:
        row = await app.exports.find(export_id)
        if row is None:
            raise Failure(f"there is no export {export_id}; `postroom export list` shows them")
        return row


async def _cancel(export_id: str) -> str:
    async with opened() as app:
        done = await app.exports.cancel(export_id, Actor(who()))
        row = await app.exports.find(export_id)
        if row is None:
            raise Failure(f"there is no export {export_id}; `postroom export list` shows them")
        if not done:
            raise Failure(f"{export_id} is {row['status']} already")
        return "cancelled" if row["status"] == "cancelled" else "being stopped"


async def _fetch(export_id: str, output: Path | None) -> Path:
    async with opened() as app:
        row = await app.exports.find(export_id)
        if row is None:
            raise Failure(f"there is no export {export_id}; `postroom export list` shows them")
        try:
            file = await app.exports.file(row)
            target = output or Path(file.name.replace("=", "-"))
            part = target.with_name(f".{target.name}.part")
            with part.open("wb") as out:
                async for chunk in app.exports.read(file, 0, file.size):
                    out.write(chunk)
            os.replace(part, target)
        except (ExportNotReady, StorageFailed) as error:
            raise Failure(str(error)) from None
        except OSError as error:
            raise Failure(f"it cannot be written here: {os.strerror(error.errno or 0).lower()}") from None
        await app.exports.note_download(export_id, file, Actor(who()), 0, file.size)
        return target


def _facts(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "exportId": row["id"], "userId": row["user_id"], "dataset": row["dataset"], "format": row["format"],
        "status": row["status"], "progress": row["progress"], "rows": row["rows"], "bytes": row["bytes"],
        "sha256": row["sha256"], "reason": row["reason"], "createdAt": isoformat(row["created_us"]),
        "finishedAt": isoformat(row["finished_us"]), "expiresAt": isoformat(row["expires_us"]),
    }  # fmt: skip
