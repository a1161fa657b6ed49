"""Killed, or without room, in the middle of an export, an archive or its deletion: nothing half, nothing lost."""

import asyncio
import gzip
import json
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from postroom.audit import Chain, record, verify
from postroom.kit.clock import to_us
from postroom.store import StoreTransaction
from postroom.wiring import Application, open_application
from support.children import Children
from support.database import assert_sound
from support.patience import until
from support.service import settings_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

ROWS = 12_000
OLD_US = to_us(datetime.now(UTC) - timedelta(days=3000))
KILLS = 6


async def filled(place: Path, *jobs: dict[str, Any], **settings: str) -> None:
    """A trail of old entries, and jobs that wait."""
    async with open_application(settings_in(place, **settings), consume=False) as app:
        for start in range(0, ROWS, 3000):

            def write(transaction: StoreTransaction, start: int = start) -> None:
                for number in range(start, start + 3000):
                    record(transaction, at_us=OLD_US + number, actor="anna", action="test.made", object_type="test",
                           object_id=str(number))  # fmt: skip

            await app.store.write(write)
        for job in jobs:
            await app.producer.enqueue_job(job)


async def finished(place: Path, kind: str, **settings: str) -> bool:
    async with open_application(settings_in(place, **settings), consume=False) as app:
        query = "SELECT status FROM jobs WHERE type = ? ORDER BY seq LIMIT 1"
        rows = await app.store.read(lambda t: t.connection.execute(query, (kind,)).fetchall())
    return bool(rows[0][0] == "done")


async def killed_until_done(place: Path, children: Children, chance: Random, kind: str, most: float) -> int:
    """Kill the service at random moments, then let it finish; how often it was killed."""
    for kills in range(KILLS):
        child = await children.start("service", place=place, port=1)
        await child.hear("ready")
        await asyncio.sleep(chance.uniform(0, most))
        await child.kill()
        if await finished(place, kind):
            return kills + 1
    child = await children.start("service", place=place, port=1)
    await until(lambda: (place / "postroom.db").exists(), "the file is there")
    while not await finished(place, kind):
        await asyncio.sleep(0.1)
    child.terminate()
    await child.ended()
    return KILLS


def archived(place: Path) -> Counter[int]:
    """Audit entries in the archives, by number."""
    return Counter(
        json.loads(line)["seq"]
        for path in (place / "archive").glob("audit_logs-*.ndjson.gz")
        for line in gzip.decompress(path.read_bytes()).splitlines()
    )


async def in_tables(app: Application) -> set[int]:
    rows = await app.store.read(lambda t: t.connection.execute("SELECT seq FROM audit_log").fetchall())
    return {seq for (seq,) in rows}


async def test_killed_cleanup_loses_no_entry(place: Path, children: Children, chance: Random) -> None:
    """Each old entry is in exactly one verified archive and out of the table; the chain is whole."""
    older = (datetime.now(UTC) - timedelta(days=2200)).isoformat()
    await filled(place, {"type": "cleanup", "target": "audit_logs", "olderThan": older})

    await killed_until_done(place, children, chance, "cleanup", 1.2)

    async with open_application(settings_in(place), consume=False) as app:
        left = await in_tables(app)
        trail = app.store.chain
        assert isinstance(trail, Chain)
        found = await app.store.read(lambda transaction: verify(transaction, trail))
        for row in await app.store.read(lambda t: t.all("list_archives", target="audit_logs")):
            assert row["state"] == "done"
            await app.archives.verify(row["name"])
    kept = archived(place)
    assert set(range(1, ROWS + 1)) == set(kept)
    assert set(kept.values()) == {1}
    assert not left & set(kept)
    assert found.whole, found.broken
    assert not list((place / "archive").glob(".*"))
    assert_sound(place / "postroom.db")


async def test_killed_export_leaves_no_half_file(place: Path, children: Children, chance: Random) -> None:
    """The file appears whole or not at all."""
    export = {"type": "export_generation", "exportId": "e-1", "userId": "anna", "format": "ndjson",
              "filters": {"action": "test.made"}}  # fmt: skip
    await filled(place, export)

    for _ in range(KILLS):
        child = await children.start("service", place=place, port=1)
        await child.hear("ready")
        await asyncio.sleep(chance.uniform(0, 0.25))
        await child.kill()
        file = place / "exports" / "e-1.ndjson"
        if file.exists():
            assert len(file.read_bytes().splitlines()) == ROWS
    await killed_until_done(place, children, chance, "export_generation", 5)

    lines = (place / "exports" / "e-1.ndjson").read_bytes().splitlines()
    assert [json.loads(line)["object_id"] for line in lines] == [str(number) for number in range(ROWS)]


@pytest.fixture
def small_disk(place: Path) -> Iterator[Path]:
    """A disk of its own that has no room."""
    disk = place / "small"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True)
    if done.returncode:
        pytest.skip(f"mounting a tmpfs is not permitted here: {done.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.mark.parametrize("kind", ["export", "cleanup"])
async def test_full_disk_is_told_and_loses_nothing(place: Path, small_disk: Path, kind: str) -> None:
    """The job says why, no half file stays, and with room it is done."""
    older = (datetime.now(UTC) - timedelta(days=2200)).isoformat()
    job = (
        {"type": "export_generation", "exportId": "e-1", "userId": "anna", "format": "csv"}
        if kind == "export"
        else {"type": "cleanup", "target": "audit_logs", "olderThan": older}
    )
    settings = {"exports_dir": str(small_disk), "archive_dir": str(small_disk), "retry_base_seconds": "0.5",
                "max_attempts": "50"}  # fmt: skip
    await filled(place, job, **settings)
    async with open_application(settings_in(place, **settings), consume=True) as app, app.queues.running():

        async def the_job() -> dict[str, Any]:
            rows = await app.store.read(lambda t: t.all("recent_jobs", limit=10))
            return next(row for row in rows if row["type"] == job["type"])

        while (found := await the_job())["status"] != "retry_scheduled":
            await asyncio.sleep(0.02)
        assert "no space left on device" in found["reason"]
        assert [path for path in small_disk.iterdir() if path.name[0] != "."] == []
        assert len(await in_tables(app)) >= ROWS

        subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
        while (found := await the_job())["status"] != "done":
            await asyncio.sleep(0.02)
    assert len([path for path in small_disk.iterdir() if path.name[0] != "."]) == (
        1 if kind == "export" else 2
    )


@pytest.mark.parametrize("phase", ["writing", "deleting"])
async def test_killed_in_each_phase_of_a_cleanup(place: Path, children: Children, phase: str) -> None:
    """While an archive grows, and while its rows are being deleted: never by chance, always in the middle."""
    older = (datetime.now(UTC) - timedelta(days=2200)).isoformat()
    await filled(place, {"type": "cleanup", "target": "audit_logs", "olderThan": older})
    child = await children.start("service", place=place, port=1)
    await child.hear("ready")
    looking = sqlite3.connect(place / "postroom.db", isolation_level=None)
    wanted = (
        "state = 'writing'" if phase == "writing" else "state = 'verified' AND deleted BETWEEN 1 AND rows - 1"
    )
    try:
        while not looking.execute(f"SELECT 1 FROM archives WHERE {wanted}").fetchone():
            await asyncio.sleep(0)
    finally:
        await child.kill()
    (state, rows, deleted) = looking.execute("SELECT state, rows, deleted FROM archives").fetchone()
    looking.close()
    # It may have come a step further before the signal did.
    assert state in (("writing", "verified") if phase == "writing" else ("verified",)), (rows, deleted)

    child = await children.start("service", place=place, port=1)
    while not await finished(place, "cleanup"):
        await asyncio.sleep(0.1)
    child.terminate()
    await child.ended()

    await assert_swept(place)


async def assert_swept(place: Path, **settings: str) -> None:
    """Every old entry is in exactly one archive, whole, and the chain verifies without them."""
    async with open_application(settings_in(place, **settings), consume=False) as app:
        trail = app.store.chain
        assert isinstance(trail, Chain)
        found = await app.store.read(lambda transaction: verify(transaction, trail))
        rows = await app.store.read(lambda t: t.all("list_archives", target="audit_logs"))
        for row in rows:
            await app.archives.verify(row["name"])
        left = await in_tables(app)
    assert found.whole, found.broken
    assert {row["state"] for row in rows} == {"done"}
    kept = archived(place)
    assert set(range(1, ROWS + 1)) == set(kept)
    assert set(kept.values()) == {1}
    assert not left & set(kept)
