"""The audit trail's chain: what was changed, removed or cut off is found (audit/chain.py, audit/verifying.py)."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from postroom.audit import Chain, Key, Verified, anchor, record, verify
from postroom.kit.actor import Actor
from postroom.queues import Queues, connect
from postroom.queues.testing import VirtualClock
from postroom.store import Store, StoreTransaction, open_store

OLD, NEW = Key.of(b"o" * 32), Key.of(b"n" * 32)


@pytest.fixture
async def queues(tmp_path: Path) -> AsyncIterator[Queues]:
    async with connect(f"sqlite:///{tmp_path / 'a.db'}", clock=VirtualClock()) as found:
        yield found


@pytest.fixture
async def store(queues: Queues, tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(queues, tmp_path / "a.db", queues.clock, chain=Chain([OLD])) as found:
        yield found


def entry(transaction: StoreTransaction, number: int) -> None:
    record(
        transaction, at_us=number, actor=Actor("anna", "staff", "192.0.2.7", "r-1"), action="message.read",
        object_type="message", object_id=f"m-{number}", details={"n": number}, after_sha256="a" * 64,
    )  # fmt: skip


async def entries(store: Store, count: int = 5) -> None:
    await store.write(lambda t: [entry(t, number) for number in range(2)])
    for number in range(2, count):
        await store.write(lambda t, number=number: entry(t, number))


async def checked(store: Store, keys: list[Key] | None = None) -> Verified:
    return await store.read(lambda transaction: verify(transaction, Chain(keys or [OLD])))


async def tamper(store: Store, *statements: str) -> None:
    """Somebody with the file and without the key."""

    def act(transaction: StoreTransaction) -> None:
        connection: sqlite3.Connection = transaction.connection
        connection.execute("DROP TRIGGER IF EXISTS audit_log_no_update")
        connection.execute("DROP TRIGGER IF EXISTS audit_log_no_delete")
        for statement in statements:
            connection.execute(statement)

    await store.write(act)


async def test_untouched_trail_is_whole(store: Store) -> None:
    """Within a transaction and between them."""
    await entries(store)

    found = await checked(store)

    assert found.whole
    assert (found.entries, found.first_seq, found.last_seq) == (5, 1, 5)


@pytest.mark.parametrize(
    ("statement", "seq", "why"),
    [
        ("UPDATE audit_log SET actor = 'eve' WHERE seq = 3", 3, "changed"),
        ("UPDATE audit_log SET details = '{\"n\":9}' WHERE seq = 2", 2, "changed"),
        ("UPDATE audit_log SET at_us = at_us + 1 WHERE seq = 5", 5, "changed"),
        ("UPDATE audit_log SET hash = NULL WHERE seq = 4", 4, "no hash"),
        ("DELETE FROM audit_log WHERE seq = 3", 4, "1 entry is missing"),
        ("UPDATE audit_log SET key_id = 'other' WHERE seq = 1", 1, "not configured"),
    ],
)
async def test_change_is_found(store: Store, statement: str, seq: int, why: str) -> None:
    """The first entry that is not what it was is named."""
    await entries(store)
    await tamper(store, statement)

    found = await checked(store)

    assert found.broken is not None
    assert found.broken.seq == seq
    assert why in found.broken.why


async def test_swapped_entries_are_found(store: Store) -> None:
    """Their places are part of what is hashed."""
    await entries(store)
    await tamper(
        store,
        "UPDATE audit_log SET seq = 99 WHERE seq = 2", "UPDATE audit_log SET seq = 2 WHERE seq = 3",
        "UPDATE audit_log SET seq = 3 WHERE seq = 99",
    )  # fmt: skip

    found = await checked(store)

    assert found.broken is not None
    assert found.broken.seq == 2


async def test_tail_that_is_cut_off_is_noticed_by_a_witness(store: Store) -> None:
    """Without one nothing shows that there was more."""
    await entries(store)
    await store.write(lambda transaction: anchor(transaction, Chain([OLD]), 9))
    await tamper(store, "DELETE FROM audit_log WHERE seq > 3")

    found = await checked(store)

    assert found.broken is not None
    assert "ends before" in found.broken.why


async def test_forged_anchor_is_found(store: Store) -> None:
    """Anchors are sealed with the key."""
    await entries(store)
    await store.write(lambda transaction: anchor(transaction, Chain([OLD]), 9))
    await tamper(store, "UPDATE audit_anchors SET hash = 'x'")

    assert not (await checked(store)).whole


async def test_trail_rewritten_with_another_key_is_found(store: Store) -> None:
    """Whoever does not have the key cannot make hashes."""
    await entries(store)

    assert not (await checked(store, [Key(OLD.id, b"x" * 32)])).whole


async def test_keys_can_be_rotated(store: Store, queues: Queues, tmp_path: Path) -> None:
    """Old entries verify with the old key, new ones with the new."""
    await entries(store, 3)
    async with open_store(queues, tmp_path / "a.db", queues.clock, chain=Chain([NEW, OLD])) as other:
        await other.write(lambda transaction: entry(transaction, 3))

    assert (await checked(store, [NEW, OLD])).whole
    assert not (await checked(store, [NEW])).whole


async def test_database_refuses_changes(store: Store) -> None:
    """By triggers, before any verification."""
    await entries(store)

    for statement in ("UPDATE audit_log SET actor = 'eve'", "DELETE FROM audit_log"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            await store.write(lambda transaction, s=statement: transaction.connection.execute(s))


async def test_address_is_kept_as_a_keyed_hash(store: Store) -> None:
    """The same for the same one, and not the address."""
    await entries(store)
    rows = await store.read(lambda transaction: transaction.all("scan_audit", after=0, limit=9))

    assert len({row["address"] for row in rows}) == 1
    assert "192.0.2.7" not in str(rows)


async def test_entries_from_before_the_chain_are_counted(store: Store) -> None:
    """They cannot be checked; the chain begins after them."""
    await entries(store, 3)
    await tamper(
        store, "UPDATE audit_log SET hash = NULL WHERE seq <= 2", "DELETE FROM audit_log WHERE seq > 2"
    )
    await store.write(lambda transaction: entry(transaction, 3))

    found = await checked(store)

    assert found.whole
    assert found.unchained == 2
