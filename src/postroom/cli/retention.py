"""`cleanup`, `archive ...` and `hold ...`: what leaves the database, where it went, and what must stay."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click
from rich.filesize import decimal

from postroom.cli.errors import CommandGroup, Failure
from postroom.cli.opening import opened, run, who
from postroom.cli.screen import add, ago, print_json, screen, state, table
from postroom.jobs import JobInvalid
from postroom.jobs.models import CleanupJob
from postroom.kit.actor import Actor
from postroom.kit.clock import isoformat, to_datetime
from postroom.kit.storage import StorageFailed
from postroom.retention import (
    KINDS,
    POLICIES,
    ArchiveDamaged,
    HoldInvalid,
    NotRestorable,
    holds,
    lift,
    restore,
    with_days,
)
from postroom.retention import hold as place
from postroom.store import StoreTransaction

as_json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON.")
FACTS: Final = ("name", "target", "state", "rows", "deleted", "bytes", "sha256")


@click.command()
@click.argument("target", type=click.Choice(list(POLICIES)))
@click.option(
    "--older-than", "days", type=click.FloatRange(0), metavar="DAYS", help="By default as the settings say."
)
@click.option("--dry-run", is_flag=True, help="Count, and delete nothing.")
@as_json_option
def cleanup(target: Any, days: float | None, dry_run: bool, as_json: bool) -> None:
    """Have a running service delete what is old of TARGET; records are archived first."""
    job_id = run(_cleanup(target, days, dry_run=dry_run))
    if as_json:
        print_json({"jobId": job_id})
    else:
        click.echo(f"asked for: job {job_id}; what it did: postroom audit list --object {job_id}")


@click.group(cls=CommandGroup)
def archive() -> None:
    """Records that were archived before they were deleted."""


@archive.command("list")
@click.option("--target", type=click.Choice(list(POLICIES)))
@as_json_option
def list_(target: str | None, as_json: bool) -> None:
    """List archives, oldest first."""
    rows = run(_list(target))
    if as_json:
        print_json([{**{name: row[name] for name in FACTS}, "from": isoformat(row["first_us"]),
                     "to": isoformat(row["last_us"]), "at": isoformat(row["created_us"])} for row in rows])  # fmt: skip
        return
    made = table("name", "target", "state", "rows", "size", "from", "to", "made", right=("rows", "size"))
    for row in rows:
        add(made, row["name"], row["target"], state(row["state"]), f"{row['rows']:,}", decimal(row["bytes"]),
            (isoformat(row["first_us"]) or "")[:10], (isoformat(row["last_us"]) or "")[:10],
            ago(to_datetime(row["created_us"])))  # fmt: skip
    screen().print(made if rows else "no archives")


@archive.command("verify")
@click.argument("names", nargs=-1)
def verify(names: tuple[str, ...]) -> None:
    """Read archives back and compare them with their manifests; all of them without NAMES."""
    count = run(_verify(names))
    click.echo(f"whole: {count} archive{'s' if count != 1 else ''}")


@archive.command("restore")
@click.argument("name")
def restore_(name: str) -> None:
    """Put an archive's rows back into the tables they came from; the archive stays."""
    click.echo(f"{run(_restore(name)):,} rows are back")


@click.group(cls=CommandGroup)
def hold() -> None:
    """Legal holds: what they name is exempt from every cleanup."""


@hold.command("place")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("value")
@click.option("--reason", required=True)
@as_json_option
def place_(kind: str, value: str, reason: str, as_json: bool) -> None:
    """Hold a message, a job, everything to a recipient, or everything of a user."""
    id_ = run(_place(kind, value, reason))
    if as_json:
        print_json({"holdId": id_})
    else:
        click.echo(f"hold {id_} stands until: postroom hold lift {id_}")


@hold.command("lift")
@click.argument("hold_id")
def lift_(hold_id: str) -> None:
    """Let cleanups have it again."""
    if not run(_lift(hold_id)):
        raise Failure(f"there is no hold {hold_id} that stands; `postroom hold list` shows them")
    click.echo(f"{hold_id} is lifted")


@hold.command("list")
@click.option("--history", is_flag=True, help="Also those that were lifted.")
@as_json_option
def list_holds(history: bool, as_json: bool) -> None:
    """List holds, oldest first."""
    rows = run(_holds(history))
    if as_json:
        print_json([{"holdId": row["id"], "kind": row["kind"], "value": row["value"], "reason": row["reason"],
                     "by": row["actor"], "at": isoformat(row["created_us"]), "liftedAt": isoformat(row["lifted_us"])}
                    for row in rows])  # fmt: skip
        return
    made = table("id", "kind", "on", "reason", "by", "since")
    for row in rows:
        add(made, row["id"], row["kind"], row["value"], row["reason"], row["actor"],
            ago(to_datetime(row["created_us"])))  # fmt: skip
    screen().print(made if rows else "no holds")


async def _cleanup(target: Any, days: float | None, *, dry_run: bool) -> str:
    async with opened() as app:
        policy = with_days(dict(app.settings.retention))[target]
        age = policy.days if days is None else days
        if age < policy.days_min:
            raise Failure(
                f"{target} must be kept for {policy.days_min:g} days; --older-than must be that or more"
            )
        now = to_datetime(app.clock.now_us()).astimezone(UTC)
        job = CleanupJob(target=target, older_than=_before(now, age), dry_run=dry_run)
        try:
            return (await app.producer.enqueue_job(job, actor=Actor(who()))).job_id
        except JobInvalid as error:
            raise Failure(str(error)) from None


def _before(now: datetime, days: float) -> datetime:
    try:
        return now - timedelta(days=days)
    except OverflowError:
        raise Failure(f"--older-than {days:g} days ago there was no calendar") from None


async def _list(target: str | None) -> list[dict[str, Any]]:
    async with opened() as app:
        return await app.store.read(lambda transaction: transaction.all("list_archives", target=target))


async def _verify(names: tuple[str, ...]) -> int:
    async with opened() as app:
        rows = await app.store.read(lambda transaction: transaction.all("list_archives", target=None))
        wanted = names or tuple(row["name"] for row in rows if row["state"] != "writing")
        for name in wanted:
            try:
                await app.archives.verify(name)
            except (ArchiveDamaged, StorageFailed) as error:
                raise Failure(str(error)) from None
        return len(wanted)


async def _restore(name: str) -> int:
    async with opened() as app:
        try:
            return await restore(app.store, app.archives, app.clock, name, Actor(who()))
        except (ArchiveDamaged, NotRestorable, StorageFailed) as error:
            raise Failure(str(error)) from None


async def _place(kind: str, value: str, reason: str) -> str:
    async with opened() as app:
        now_us, index = app.clock.now_us(), app.records.vault.index
        try:
            return await app.store.write(
                lambda transaction: place(
                    transaction, kind, value, reason, actor=Actor(who()), now_us=now_us, index=index
                )
            )
        except HoldInvalid as error:
            raise Failure(str(error)) from None


async def _lift(hold_id: str) -> bool:
    async with opened() as app:
        now_us = app.clock.now_us()
        return await app.store.write(
            lambda transaction: lift(transaction, hold_id, actor=Actor(who()), now_us=now_us)
        )


async def _holds(history: bool) -> list[dict[str, Any]]:
    async with opened() as app:

        def look(transaction: StoreTransaction) -> list[dict[str, Any]]:
            return holds(transaction, history=history)

        return await app.store.read(look)
