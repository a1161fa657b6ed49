"""`vault ...`: the keys that recipients and contents are sealed with."""

from typing import Any

import click
from rich.progress import Progress

from postroom.audit import record
from postroom.cli.errors import CommandGroup, Failure
from postroom.cli.opening import opened, run, who
from postroom.cli.screen import add, print_json, screen, table
from postroom.store import StoreTransaction
from postroom.store.vault import Vault

BATCH = 500


@click.group(cls=CommandGroup)
def vault() -> None:
    """Encryption at rest."""


@vault.command("status")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def status(as_json: bool) -> None:
    """How many messages each master key protects."""
    rows, configured = run(_status())
    if as_json:
        print_json({"configured": configured, "messages": {row["key_id"]: row["count"] for row in rows}})
        return
    made = table("key", "messages", "configured", right=("messages",))
    for row in rows:
        add(made, row["key_id"], row["count"], "yes" if row["key_id"] in configured else "NO")
    screen().print(
        made if rows else "nothing is sealed" + ("" if configured else "; set POSTROOM_ENCRYPTION_KEYS")
    )


@vault.command("rotate")
def rotate() -> None:
    """Wrap every message's key with the newest master key; services may go on meanwhile."""
    count = run(_rotate())
    click.echo(f"{count} keys were wrapped anew")


async def _status() -> tuple[list[dict[str, Any]], list[str]]:
    async with opened() as app:
        rows = await app.store.read(lambda transaction: transaction.all("count_message_keys"))
        return rows, [name for name, _ in app.settings.encryption_keys]


async def _rotate() -> int:
    async with opened() as app:
        found = app.records.vault
        if not isinstance(found, Vault):
            raise Failure("no master key is configured; set POSTROOM_ENCRYPTION_KEYS")
        done = 0
        with Progress(console=screen(err=True), transient=True) as progress:
            task = progress.add_task("wrapping", total=None)
            while count := await app.store.write(lambda transaction: found.rotate(transaction, BATCH)):
                done += count
                progress.update(task, completed=done)
        now_us = app.clock.now_us()

        def note(transaction: StoreTransaction) -> None:
            record(
                transaction, at_us=now_us, actor=who(), action="vault.rotated", object_type="vault", object_id="keys",
                details={"count": done},
            )  # fmt: skip

        await app.store.write(note)
        return done
