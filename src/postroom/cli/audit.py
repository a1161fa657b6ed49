"""`audit ...`: look through the trail, and verify that nobody has changed it."""

from typing import Any

import click
import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from postroom.audit import Chain, Verified, verify
from postroom.cli.errors import CommandGroup, Failure
from postroom.cli.opening import audit as note
from postroom.cli.opening import opened, run
from postroom.cli.screen import add, print_json, screen, table
from postroom.kit.clock import isoformat, to_us

ROWS_MAX = 10_000
as_json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON.")
moment_type = click.DateTime(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%z"])


@click.group(cls=CommandGroup)
def audit() -> None:
    """The trail of who did what."""


@audit.command("list")
@click.option("--actor", help="Only what this person or program did.")
@click.option("--action", help="Only this action, for example message.approved.")
@click.option("--object", "object_id", help="Only what was done to the thing with this id.")
@click.option("--since", type=moment_type, help="2026-01-31, or with a time and an offset.")
@click.option("--until", type=moment_type, help="Before this moment.")
@click.option("--limit", default=50, type=click.IntRange(1, ROWS_MAX), show_default=True)
@as_json_option
def list_(as_json: bool, limit: int, since: Any, until: Any, **filters: str | None) -> None:
    """List entries, newest first."""
    values = {
        **filters, "object_type": None, "before": 1 << 62, "limit": limit,
        "from_us": _us(since, 0), "until_us": _us(until, 1 << 62),
    }  # fmt: skip
    rows = run(_list(values))
    if as_json:
        print_json([_facts(row) for row in rows])
        return
    made = table("no", "when", "actor", "action", "what", "details", right=("no",))
    for row in rows:
        add(made, row["seq"], isoformat(row["at_us"]), row["actor"], row["action"],
            f"{row['object_type']} {row['object_id']}", row["details"])  # fmt: skip
    screen().print(made if rows else "no entries")


@audit.command("verify")
@as_json_option
def verify_(as_json: bool) -> None:
    """Check every entry; ends with 1 and the first broken one when the trail is not whole."""
    found = run(_verify(as_json))
    if as_json:
        print_json(msgspec.to_builtins(found))
    if found.broken is not None:
        raise Failure(f"the trail is broken at entry {found.broken.seq}: {found.broken.why}")
    if not as_json:
        older = f", {found.unchained} from before there was a chain" if found.unchained else ""
        gone = f", {found.archived} archived" if found.archived else ""
        click.echo(
            f"whole: {found.entries} entries{older}{gone}; the last is {found.last_seq} with {found.last_hash}"
        )


async def _list(values: dict[str, Any]) -> list[dict[str, Any]]:
    async with opened() as app:
        await note(app, "audit.read", "trail", {"rows": values["limit"]}, object_type="audit")
        return await app.store.read(lambda transaction: transaction.all("list_audit", **values))


async def _verify(quiet: bool) -> Verified:
    async with opened() as app:
        chain = app.store.chain
        assert isinstance(chain, Chain)
        last = await app.store.read(lambda transaction: transaction.one("last_audit"))
        columns = (TextColumn("verifying"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=screen(err=True), disable=quiet, transient=True) as progress:
            task = progress.add_task("", total=last["last"] if last else 0)
            return await app.store.read(
                lambda transaction: verify(
                    transaction, chain, report=lambda count: progress.update(task, completed=count)
                )
            )


def _us(moment: Any, default: int) -> int:
    if moment is None:
        return default
    return to_us(moment if moment.tzinfo is not None else moment.astimezone())


def _facts(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "seq": row["seq"], "at": isoformat(row["at_us"]), "actor": row["actor"], "role": row["actor_role"],
        "address": row["address"], "action": row["action"], "objectType": row["object_type"],
        "objectId": row["object_id"], "requestId": row["request_id"], "beforeSha256": row["before_sha256"],
        "afterSha256": row["after_sha256"], "details": msgspec.json.decode(row["details"]), "hash": row["hash"],
    }  # fmt: skip
