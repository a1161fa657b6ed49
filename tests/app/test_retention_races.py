"""What happens between an archive and its deletion: holds, late reports, deaths, a new key."""

import json
from pathlib import Path
from typing import Any

import pytest
from test_retention import ANNA, SEVEN_YEARS, archives, chain, clean, count, on_hold, send_some

from postroom.audit import record
from postroom.queues.testing import VirtualClock
from postroom.retention import restore
from postroom.retention.archive import Archives
from postroom.retention.sweep import Sweep
from postroom.store import StoreTransaction
from postroom.wiring import Application


def after_the_archive(monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    """Have something happen once an archive was verified, before its rows are deleted."""
    whole = Sweep._delete

    async def delete(self: Sweep, name: str, *more: Any) -> int:
        await act()
        return await whole(self, name, *more)

    monkeypatch.setattr(Sweep, "_delete", delete)


async def entries(app: Application, number: int) -> None:
    """Some of the trail, a message each."""

    def write(transaction: StoreTransaction) -> None:
        for one in range(number):
            record(transaction, at_us=app.clock.now_us(), actor="anna", action="x", object_type="message",
                   object_id=f"m{one}")  # fmt: skip

    await app.store.write(write)


async def test_hold_that_comes_after_the_archive_still_holds(
    app: Application, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows are in an archive and stay all the same."""
    await send_some(app, clock, 3)
    await clock.advance(86_400)
    after_the_archive(monkeypatch, lambda: on_hold(app, "message", "m1"))

    await clean(app, clock, "message_queue", 0.5)

    assert await count(app, "messages") == 1
    assert [(one["state"], one["rows"], one["deleted"]) for one in await archives(app)] == [("done", 3, 2)]


async def test_trail_is_cut_before_an_entry_that_was_held_meanwhile(
    app: Application, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chain is whole, and what went can be put back."""
    await entries(app, 5)
    await clock.advance(SEVEN_YEARS)
    after_the_archive(monkeypatch, lambda: on_hold(app, "message", "m3"))

    await clean(app, clock, "audit_logs", 2192)

    found = await chain(app)
    assert (found.whole, found.archived, found.first_seq) == (True, 3, 4)
    (archive,) = await archives(app)
    assert (archive["rows"], archive["deleted"]) == (5, 3)
    assert await restore(app.store, app.archives, clock, archive["name"], ANNA) == 3
    found = await chain(app)
    assert (found.whole, found.archived, found.first_seq) == (True, 0, 1)


async def test_report_that_comes_after_the_archive_is_not_lost(
    app: Application, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its message stays for the next cleanup, which archives both."""
    await send_some(app, clock, 2)
    await clock.advance(86_400)

    def report(transaction: StoreTransaction) -> None:
        transaction.connection.execute(
            "INSERT INTO provider_events (receiver, event_id, kind, received_us, delivery_id) "
            "SELECT 'twilio', 'e1', 'delivered', 1, id FROM deliveries WHERE message_id = 'm0'"
        )

    after_the_archive(monkeypatch, lambda: app.store.write(report))
    await clean(app, clock, "message_queue", 0.5)
    assert [await count(app, table) for table in ("messages", "provider_events")] == [1, 1]

    monkeypatch.undo()
    await clean(app, clock, "message_queue", 0.5)
    assert [await count(app, table) for table in ("messages", "provider_events")] == [0, 0]
    newest = (await archives(app))[-1]["name"]
    rows = [row async for some in app.archives.rows(newest) for row in some]
    assert [event["event_id"] for row in rows for event in row["parts"].get("provider_events", ())] == ["e1"]


async def test_cleanup_that_died_between_two_steps_goes_on(
    app: Application, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever its steps were; one anchor stands for everything that went, also what earlier cleanups took."""
    await entries(app, 30)
    await clock.advance(SEVEN_YEARS)
    await clean(app, clock, "audit_logs", 2192)
    await entries(app, 100)
    await clock.advance(SEVEN_YEARS)
    table = "postroom.retention.sweep.TABLES"
    from postroom.retention.tables import TABLES

    steps = 0

    def dies(*given: Any) -> int:
        nonlocal steps
        steps += 1
        if steps == 3:
            raise OSError(5, "the power")
        return TABLES["audit_logs"].delete(*given)

    monkeypatch.setattr(table, {**TABLES, "audit_logs": TABLES["audit_logs"]._replace(delete=dies)})
    job = await clean(app, clock, "audit_logs", 2192)
    assert job["status"] == "retry_scheduled"
    half = await chain(app)
    assert half.whole, half.broken
    monkeypatch.undo()

    await clock.advance(600)

    found = await chain(app)
    assert found.whole, found.broken
    assert await count(app, "audit_anchors") == 1
    assert found.archived == sum(one["rows"] for one in await archives(app))
    assert {one["state"] for one in await archives(app)} == {"done"}


async def test_archives_outlive_a_change_of_keys(
    app: Application, clock: VirtualClock, tmp_path: Path
) -> None:
    """What an earlier key has sealed still verifies."""
    await send_some(app, clock, 1)
    await clock.advance(86_400)
    await clean(app, clock, "message_queue", 0.5)
    (archive,) = await archives(app)

    later = Archives(app.archives._storage, [b"new" * 16, *app.archives._secrets])

    assert (await later.verify(archive["name"])).rows == 1


async def test_archive_is_read_in_small_pieces(
    app: Application, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines that go over the ends of pieces are whole."""
    await send_some(app, clock, 20)
    await clock.advance(86_400)
    monkeypatch.setattr("postroom.retention.archive.PIECE_BYTES", 100)

    await clean(app, clock, "message_queue", 0.5)

    (archive,) = await archives(app)
    rows = [row async for some in app.archives.rows(archive["name"]) for row in some]
    assert [row["reference"] for row in rows] == [f"m{number}" for number in range(20)]
    assert await count(app, "messages") == 0
    assert json.dumps(rows)
