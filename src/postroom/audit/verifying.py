"""Verifying the trail: entry by entry, with flat memory, up to the first that is not what it was."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from postroom.audit.chain import GENESIS, Chain
from postroom.store import StoreTransaction

PAGE: Final = 1000


class Broken(msgspec.Struct, frozen=True, rename="camel"):
    """The first entry that is not what it was."""

    seq: int
    why: str


class Verified(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was found."""

    entries: int
    """Entries that were checked."""
    unchained: int
    """Entries from before there was a chain."""
    archived: int
    """Entries that anchors stand for."""
    first_seq: int | None
    last_seq: int | None
    last_hash: str | None
    broken: Broken | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return self.broken is None


class _State(NamedTuple):
    seq: int
    hash: str


def verify(
    transaction: StoreTransaction, chain: Chain, *, report: Callable[[int], None] = lambda count: None
) -> Verified:
    """Check every entry and anchor; `report` is told how many entries have been checked."""
    anchors = transaction.all("list_anchors")
    archived = [one for one in anchors if one["kind"] == "archived"]
    for anchor in anchors:
        if not _sealed(chain, anchor):
            broken = Broken(anchor["seq"], "the anchor's seal is not right")
            return _result(0, 0, archived, None, None, broken)
    checked = unchained = 0
    first: int | None = None
    last = _State(archived[-1]["seq"], archived[-1]["hash"]) if archived else None
    chained = bool(archived)
    for row in _entries(transaction):
        first = row["seq"] if first is None else first
        why = _wrong(chain, row, last, chained)
        if why is not None:
            return _result(checked, unchained, archived, first, last, Broken(row["seq"], why))
        chained = chained or row["hash"] is not None
        unchained += row["hash"] is None
        last = _State(row["seq"], row["hash"] or GENESIS)
        checked += 1
        if checked % PAGE == 0:
            report(checked)
    report(checked)
    return _result(checked, unchained, archived, first, last, _tail(transaction, anchors, last))


def anchor(transaction: StoreTransaction, chain: Chain, now_us: int) -> Mapping[str, Any] | None:
    """Witness how far the trail has come; None while it is empty. A tail that is cut off later is noticed by it."""
    last = transaction.one("last_audit_hash")
    if last is None or last["hash"] is None:
        return None
    row = {"seq": last["seq"], "first_seq": last["seq"], "count": 1, "hash": last["hash"], "kind": "witness"}
    return write_anchor(transaction, chain, row, now_us)


def write_anchor(
    transaction: StoreTransaction, chain: Chain, row: Mapping[str, Any], now_us: int
) -> Mapping[str, Any]:
    """Store an anchor with its seal."""
    made = {**row, "at_us": now_us, "key_id": chain.key_id}
    transaction.run("insert_anchor", **made, seal=chain.seal(made))
    return made


def _entries(transaction: StoreTransaction) -> Iterator[dict[str, Any]]:
    after = 0
    while rows := transaction.all("scan_audit", after=after, limit=PAGE):
        yield from rows
        after = rows[-1]["seq"]


def _wrong(chain: Chain, row: Mapping[str, Any], last: _State | None, chained: bool) -> str | None:
    if last is not None and row["seq"] != last.seq + 1:
        missing = row["seq"] - last.seq - 1
        return f"{missing} {'entry is' if missing == 1 else 'entries are'} missing before it"
    if row["hash"] is None:
        return "it has no hash, though entries before it have" if chained else None
    try:
        right = chain.hash(last.hash if last is not None else GENESIS, row)
    except KeyError:
        return "the key that it was made with is not configured"
    return None if right == row["hash"] else "its hash is not right: it, or the entry before it, was changed"


def _tail(transaction: StoreTransaction, anchors: list[dict[str, Any]], last: _State | None) -> Broken | None:
    """Whether the trail ends before a witness says that it had come."""
    for witness in anchors:
        if witness["kind"] != "witness":
            continue
        if last is None or witness["seq"] > last.seq:
            return Broken(witness["seq"], "the trail ends before this entry, which a witness has seen")
        row = transaction.one("find_audit", seq=witness["seq"])
        if row is not None and row["hash"] != witness["hash"]:
            return Broken(witness["seq"], "it is not the entry that a witness has seen")
    return None


def _sealed(chain: Chain, row: Mapping[str, Any]) -> bool:
    try:
        return bool(chain.seal(row) == row["seal"])
    except KeyError:
        return False


def _result(
    checked: int,
    unchained: int,
    archived: list[dict[str, Any]],
    first: int | None,
    last: _State | None,
    broken: Broken | None,
) -> Verified:
    return Verified(
        entries=checked, unchained=unchained, archived=sum(one["count"] for one in archived), first_seq=first,
        last_seq=last.seq if last is not None else None, last_hash=last.hash if last is not None else None,
        broken=broken,
    )  # fmt: skip
