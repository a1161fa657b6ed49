"""Records leave only by way of a verified archive, what is held stays, and the chain verifies without its head."""

import gzip
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from postroom.audit import Chain, Verified, record, verify
from postroom.kit.actor import Actor
from postroom.kit.storage import LocalStorage, StorageFailed
from postroom.queues.testing import VirtualClock
from postroom.retention import ArchiveDamaged, NotRestorable, hold, lift, restore
from postroom.store import StoreTransaction
from postroom.wiring import Application

SEVEN_YEARS = 7 * 366 * 86_400
ANNA = Actor("anna")


async def send_some(app: Application, clock: VirtualClock, count: int) -> None:
    for index in range(count):
        await app.producer.enqueue_sms(message_id=f"m{index}", recipient="+14155552671", content="x")
    await clock.advance(20)


async def clean(
    app: Application, clock: VirtualClock, target: str, days: float, **more: Any
) -> dict[str, Any]:
    """Have a target cleaned up of what is so many days old; the job's record."""
    older = (clock.now() - timedelta(days=days)).isoformat()
    made = await app.producer.enqueue_job({"type": "cleanup", "target": target, "olderThan": older, **more})
    await clock.advance(20)
    row = await app.store.read(lambda transaction: transaction.one("find_job", id=made.job_id))
    assert row is not None
    return row


async def archives(app: Application) -> list[dict[str, Any]]:
    return await app.store.read(lambda transaction: transaction.all("list_archives", target=None))


async def chain(app: Application) -> Verified:
    trail = app.store.chain
    assert isinstance(trail, Chain)
    return await app.store.read(lambda transaction: verify(transaction, trail))


async def count(app: Application, table: str) -> int:
    def look(transaction: StoreTransaction) -> int:
        found: int = transaction.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return found

    return await app.store.read(look)


def on_hold(app: Application, kind: str, value: str) -> Any:
    now_us, index = app.clock.now_us(), app.records.vault.index
    return app.store.write(
        lambda transaction: hold(
            transaction, kind, value, "a lawsuit", actor=ANNA, now_us=now_us, index=index
        )
    )


async def test_records_leave_whole_and_come_back(
    app: Application, clock: VirtualClock, tmp_path: Path
) -> None:
    """With messages, attempts, calls and timelines: in the archive, gone from the tables, and back again."""
    await send_some(app, clock, 3)
    tables = ("messages", "attempts", "deliveries", "message_events")
    before = [await count(app, table) for table in tables]
    await clock.advance(86_400)

    assert (await clean(app, clock, "message_queue", 0.5))["status"] == "done"

    (path,) = (tmp_path / "archive").glob("*.ndjson.gz")
    rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    assert [row["parts"]["messages"][0]["id"] for row in rows] == ["m0", "m1", "m2"]
    assert [await count(app, table) for table in tables] == [0, 1, 0, 0]
    (archive,) = await archives(app)
    assert (archive["state"], archive["rows"], archive["deleted"]) == ("done", 3, 3)

    assert await restore(app.store, app.archives, clock, archive["name"], ANNA) == 3
    assert [await count(app, table) for table in tables] == [before[0], before[1] + 1, *before[2:]]
    assert (await archives(app))[0]["state"] == "restored"


async def test_dry_run_counts(app: Application, clock: VirtualClock, tmp_path: Path) -> None:
    """And touches nothing."""
    await send_some(app, clock, 3)
    await clock.advance(86_400)

    await clean(app, clock, "message_queue", 0.5, dryRun=True)

    assert await count(app, "messages") == 3
    assert not (tmp_path / "archive").exists()
    (entry,) = await app.store.read(
        lambda t: t.all("list_audit", actor=None, action="cleanup.counted", object_type=None, object_id=None, before=1 << 60,
                        from_us=0, until_us=1 << 62, limit=9)
    )  # fmt: skip
    assert json.loads(entry["details"])["count"] == 3


@pytest.mark.parametrize(("kind", "value"), [("message", "m1"), ("recipient", "+14155552671")])
async def test_what_is_held_stays(app: Application, clock: VirtualClock, kind: str, value: str) -> None:
    """Until somebody lifts it; a recipient is not named."""
    await send_some(app, clock, 3)
    await clock.advance(86_400)
    id_ = await on_hold(app, kind, value)

    await clean(app, clock, "message_queue", 0.5)
    held = await count(app, "messages")
    await app.store.write(lambda transaction: lift(transaction, id_, actor=ANNA, now_us=clock.now_us()))
    await clean(app, clock, "message_queue", 0.5)

    assert (held, await count(app, "messages")) == ((1 if kind == "message" else 3), 0)
    kept = await app.store.read(lambda transaction: transaction.all("list_legal_holds", history=True))
    assert value == "m1" or value not in str(kept)


async def test_chain_verifies_after_its_head_was_archived(app: Application, clock: VirtualClock) -> None:
    """One anchor stands for all that went, also after a second cleanup; put back, it is whole without."""
    for _ in range(2):
        await send_some(app, clock, 2)
        await clock.advance(SEVEN_YEARS)
        await clean(app, clock, "audit_logs", 2192)
    found = await chain(app)
    assert found.whole, found.broken
    assert await count(app, "audit_anchors") == 1
    first, second = await archives(app)
    assert found.archived == first["rows"] + second["rows"] > 4

    with pytest.raises(NotRestorable, match="begin with the newest"):
        await restore(app.store, app.archives, clock, first["name"], ANNA)
    for one in (second, first):
        await restore(app.store, app.archives, clock, one["name"], ANNA)
        assert (await chain(app)).whole
    assert ((await chain(app)).archived, await count(app, "audit_anchors")) == (0, 0)


async def test_held_entry_keeps_what_follows(app: Application, clock: VirtualClock) -> None:
    """The chain is only cut at its beginning."""
    for number in range(3):
        await app.store.write(
            lambda t, number=number: record(t, at_us=clock.now_us(), actor="anna", action="x", object_type="message",
                                            object_id=f"m{number}")  # type: ignore[misc]
        )  # fmt: skip
    await on_hold(app, "message", "m1")
    await clock.advance(SEVEN_YEARS)

    await clean(app, clock, "audit_logs", 2192)

    (archive,) = await archives(app)
    assert (archive["rows"], (await chain(app)).first_seq) == (1, 2)


class Faulty(LocalStorage):
    """Fails at the nth call."""

    def __init__(self, folder: Path, calls: int) -> None:
        super().__init__(folder)
        self.left = calls

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise StorageFailed("the disk: no space left on device")

    async def put(self, name: str, path: Path, *, replace: bool = True) -> None:
        self._count()
        await super().put(name, path, replace=replace)

    async def read(self, name: str, start: int = 0, end: int | None = None) -> Any:
        self._count()
        async for chunk in super().read(name, start, end):
            yield chunk


@pytest.mark.parametrize("call", range(1, 6))
async def test_nothing_is_deleted_that_is_not_in_a_verified_archive(
    app: Application, clock: VirtualClock, tmp_path: Path, call: int
) -> None:
    """Whichever call to the storage fails: the job is tried again, and the end is the same."""
    await send_some(app, clock, 5)
    await clock.advance(86_400)
    app.archives._storage = Faulty(tmp_path / "archive", call)  # type: ignore[attr-defined]

    job = await clean(app, clock, "message_queue", 0.5)
    if job["status"] != "done":
        assert "nothing more was deleted" in job["reason"]
        assert await count(app, "messages") == 5
    await clock.advance(600)

    assert await count(app, "messages") == 0
    (archive,) = await archives(app)
    assert (archive["state"], archive["rows"]) == ("done", 5)
    assert (await app.archives.verify(archive["name"])).rows == 5
    files = sorted(path.name for path in (tmp_path / "archive").iterdir())
    assert files == [f"{archive['name']}.manifest.json", f"{archive['name']}.ndjson.gz"]


@pytest.mark.parametrize("suffix", [".ndjson.gz", ".manifest.json"])
async def test_changed_archive_is_noticed(
    app: Application, clock: VirtualClock, tmp_path: Path, suffix: str
) -> None:
    """The rows by their digest, the manifest by its seal; nothing of either is put back."""
    await send_some(app, clock, 3)
    await clock.advance(86_400)
    await clean(app, clock, "message_queue", 0.5)
    (archive,) = await archives(app)
    path = tmp_path / "archive" / f"{archive['name']}{suffix}"
    data = path.read_bytes()
    changed = gzip.compress(gzip.decompress(data).replace(b"m1", b"m9")) if suffix.endswith("gz") else data.replace(b'"rows":3', b'"rows":2')  # fmt: skip
    path.write_bytes(changed)

    with pytest.raises(ArchiveDamaged):
        await app.archives.verify(archive["name"])
    with pytest.raises(ArchiveDamaged):
        await restore(app.store, app.archives, clock, archive["name"], ANNA)


async def test_message_that_changed_after_it_was_archived_stays(
    app: Application, clock: VirtualClock
) -> None:
    """Somebody resent it meanwhile: what is deleted is what was archived, and nothing else."""
    await send_some(app, clock, 1)
    await clock.advance(86_400)
    storage = app.archives._storage
    inner = storage.put

    async def put(name: str, path: Path, *, replace: bool = True) -> None:
        await inner(name, path, replace=replace)
        await app.store.write(
            lambda t: t.connection.execute("UPDATE messages SET updated_us = updated_us + 1 WHERE id = 'm0'")
        )

    storage.put = put  # type: ignore[method-assign]
    await clean(app, clock, "message_queue", 0.5)

    assert await count(app, "messages") == 1


async def test_webhooks_and_idempotency_keys_leave(app: Application, clock: VirtualClock) -> None:
    """Webhooks archived, keys just gone."""

    def write(transaction: StoreTransaction) -> None:
        now_us, bodies = clock.now_us(), b"\x00\xff" * 3
        rows = [
            {"id": f"w{number}", "receiver": "twilio", "received_us": now_us, "method": "POST", "url": "",
             "headers": "{}", "start": 2 * number, "length": 2}
            for number in range(3)
        ]  # fmt: skip
        transaction.run("insert_webhooks", rows=json.dumps(rows), bodies=bodies)
        for number in range(3):
            transaction.run("finish_webhook", id=f"w{number}", now_us=now_us, problem=None)
        transaction.run("claim_idempotency_key", key="k", request_sha256="", now_us=now_us)

    await app.store.write(write)
    await clock.advance(3 * 86_400)

    await clean(app, clock, "webhook_events", 2)
    await clean(app, clock, "idempotency_keys", 2)

    assert (await count(app, "webhook_inbox"), await count(app, "idempotency_keys")) == (0, 0)
    (archive,) = await archives(app)
    await restore(app.store, app.archives, clock, archive["name"], ANNA)
    rows = await app.store.read(lambda t: t.all("find_webhook", id="w1"))
    assert bytes(rows[0]["body"]) == b"\x00\xff"


@pytest.mark.parametrize(
    ("target", "days"), [("audit_logs", 365), ("message_queue", 0.01), ("webhook_events", 0.5), ("idempotency_keys", 0.5)]
)  # fmt: skip
async def test_what_must_be_kept_is_refused(
    app: Application, clock: VirtualClock, target: str, days: float
) -> None:
    """For good, with the least age."""
    job = await clean(app, clock, target, days)
    assert (job["status"], job["code"]) == ("failed", "retention")
    assert "must be kept for" in job["reason"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_space_is_given_back(app: Application, clock: VirtualClock) -> None:
    """Free pages beyond a reserve leave the file."""

    def fill(transaction: StoreTransaction) -> None:
        transaction.connection.execute("CREATE TABLE filler (x)")
        transaction.connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) "
            "INSERT INTO filler SELECT randomblob(4000) FROM n"
        )
        transaction.connection.execute("DROP TABLE filler")
        transaction.connection.execute(
            "INSERT INTO idempotency_keys (key, request_sha256, claimed_us) VALUES ('k', '', 1)"
        )

    await app.store.write(fill)
    await clean(app, clock, "idempotency_keys", 2)

    free = await app.store.read(lambda t: t.connection.execute("PRAGMA freelist_count").fetchone()[0])
    assert free <= 2000


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
async def test_space_is_given_back_by_the_server(app: Application, clock: VirtualClock) -> None:
    """Tables whose last pages are empty become shorter."""

    def fill(transaction: StoreTransaction) -> None:
        for number in range(3000):
            transaction.run("claim_idempotency_key", key=f"k{number:064}", request_sha256="", now_us=1)

    await app.store.write(fill)
    await app.store.write(lambda t: t.run("forget_idempotency_keys", oldest_us=2, limit=3000))

    assert await app.store.give_back(100) > 10
    assert await app.store.give_back(100) == 0
