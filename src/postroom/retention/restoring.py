"""Putting the rows of an archive back into the tables they came from."""

import functools
from collections.abc import Sequence
from typing import Final

from postroom.audit import HEAD, Chain, record, write_anchor
from postroom.kit.actor import Actor
from postroom.kit.clock import Clock
from postroom.retention.archive import Archives, Manifest
from postroom.retention.pace import Pace
from postroom.retention.tables import TABLES, Row, Table
from postroom.store import Store, StoreTransaction

PAGE: Final = 500


class NotRestorable(Exception):
    """The archive cannot be put back; the text says why and what to do."""


async def restore(store: Store, archives: Archives, clock: Clock, name: str, actor: Actor) -> int:
    """Put an archive's rows back; returns how many. Rows that are there stay as they are.

    Raises NotRestorable, and what `Archives.verify` raises. The archive itself stays.
    """
    manifest = await archives.verify(name)
    row = await store.read(lambda transaction: transaction.one("find_archive", name=name))
    if row is not None and row["state"] in ("writing", "verified"):
        raise NotRestorable(f"{name} is being cleaned up; wait until that has ended")
    table, kept, count = TABLES[manifest.target], list[Row](), 0
    # The trail goes back in one piece: half of it would be a gap in the chain.
    whole = manifest.target == "audit_logs"
    gone = await store.read(lambda transaction: _gone(transaction, manifest)) if whole else 0
    pace = Pace(PAGE)
    async for rows in archives.rows(name):
        if whole:
            kept += [row for row in rows if row["seq"] <= gone]
            continue
        count += len(rows)
        while rows:
            part, rows = rows[: pace.size], rows[pace.size :]
            await pace.step(store, functools.partial(_put_back, table, part))
    count += len(kept)
    now_us = clock.now_us()

    def finish(transaction: StoreTransaction) -> None:
        if whole:
            transaction.lock(HEAD)
            table.restore(transaction, kept)
            _shorten_anchor(transaction, manifest, count, now_us)
        transaction.run("change_archive_state", name=name, state="restored", now_us=now_us)
        record(
            transaction, at_us=now_us, actor=actor, action="archive.restored", object_type="archive", object_id=name,
            details={"target": manifest.target, "rows": count},
        )  # fmt: skip

    await store.write(finish)
    return count


def _put_back(table: Table, rows: Sequence[Row], transaction: StoreTransaction) -> None:
    table.restore(transaction, rows)


def _gone(transaction: StoreTransaction, manifest: Manifest) -> int:
    """The last entry of the archive that is gone; raises NotRestorable where there would be a gap behind it."""
    anchor = transaction.one("last_archived_anchor")
    if anchor is None or not manifest.first_seq <= anchor["seq"] <= manifest.last_seq:
        raise NotRestorable(
            "the trail is put back from its newest archive to its oldest; begin with the newest"
        )
    return int(anchor["seq"])


def _shorten_anchor(transaction: StoreTransaction, manifest: Manifest, count: int, now_us: int) -> None:
    """Have the anchor stand only for what is still gone."""
    anchor = transaction.one("last_archived_anchor")
    assert anchor is not None
    assert isinstance(transaction.chain, Chain)
    transaction.run("delete_anchor", seq=anchor["seq"])
    if anchor["first_seq"] < manifest.first_seq:
        row = {
            "seq": manifest.first_seq - 1, "first_seq": anchor["first_seq"], "count": anchor["count"] - count,
            "hash": (manifest.chain or {}).get("before", ""), "kind": "archived",
        }  # fmt: skip
        write_anchor(transaction, transaction.chain, row, now_us)
