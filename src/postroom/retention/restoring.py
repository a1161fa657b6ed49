"""Putting the rows of an archive back into the tables they came from."""

from postroom.audit import Chain, record, write_anchor
from postroom.kit.actor import Actor
from postroom.kit.clock import Clock
from postroom.retention.archive import Archives
from postroom.retention.pace import Pace
from postroom.retention.tables import TABLES
from postroom.store import Store, StoreTransaction

PAGE = 500


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
    if manifest.target == "audit_logs":
        anchor = await store.read(lambda transaction: transaction.one("last_archived_anchor"))
        if anchor is None or anchor["seq"] != manifest.last_seq:
            raise NotRestorable(
                "the trail is put back from its newest archive to its oldest; begin with the newest"
            )
    table, pace, count = TABLES[manifest.target], Pace(PAGE), 0
    # The trail goes back in one piece: half of it would be a gap in the chain.
    whole = manifest.target == "audit_logs"
    kept = []
    async for rows in archives.rows(name, PAGE):
        count += len(rows)
        if whole:
            kept += rows
            continue
        with pace:
            await store.write(lambda transaction, rows=rows: table.restore(transaction, rows))  # type: ignore[misc]
        await pace.rest()
    now_us = clock.now_us()

    def finish(transaction: StoreTransaction) -> None:
        if whole:
            table.restore(transaction, kept)
            _shorten_anchor(transaction, manifest.first_seq, count, manifest.chain or {}, now_us)
        transaction.run("change_archive_state", name=name, state="restored", now_us=now_us)
        record(
            transaction, at_us=now_us, actor=actor, action="archive.restored", object_type="archive", object_id=name,
            details={"target": manifest.target, "rows": count},
        )  # fmt: skip

    await store.write(finish)
    return count


def _shorten_anchor(
    transaction: StoreTransaction, first_seq: int, count: int, chain: object, now_us: int
) -> None:
    """Have the anchor stand only for what is still gone."""
    anchor = transaction.one("last_archived_anchor")
    assert anchor is not None
    assert isinstance(transaction.chain, Chain)
    assert isinstance(chain, dict)
    transaction.run("delete_anchor", seq=anchor["seq"])
    if anchor["first_seq"] < first_seq:
        row = {
            "seq": first_seq - 1, "first_seq": anchor["first_seq"], "count": anchor["count"] - count,
            "hash": chain["before"], "kind": "archived",
        }  # fmt: skip
        write_anchor(transaction, transaction.chain, row, now_us)
