"""What stands in an export's file, whatever the records hold (exports/)."""

import asyncio
import csv
import gzip
import io
import json
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from app_support import Open
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from postroom.audit import record
from postroom.exports.log_watch import LogWatch
from postroom.exports.reading import SqliteSnapshot, snapshot_of
from postroom.exports.request import read_request
from postroom.exports.writing import Cancelled, Writing
from postroom.jobs.models import ExportJob
from postroom.kit.sqlite import connect_writer
from postroom.queues.testing import VirtualClock
from postroom.store import StoreTransaction
from postroom.store.vault import NoVault
from postroom.wiring import Application

NASTY = [
    "plain",
    "=1+1",
    " =1",
    "\u00a0@x",
    "+1",
    "-1",
    "\tx",
    "\r\nx",
    'say "no"',
    "a,b",
    "\x1e\x1f",
    "\u202egpj",
    "ünïcode",
    "\x00",
]


async def entries(app: Application, actors: list[str]) -> None:
    """One audit entry each."""

    def write(transaction: StoreTransaction) -> None:
        for number, actor in enumerate(actors):
            record(
                transaction, at_us=1_700_000_000_000_000 + number, actor=actor, action="test.made", object_type="test",
                object_id=str(number), details={"n": number},
            )  # fmt: skip

    await app.store.write(write)


async def written(app: Application, tmp_path: Path, form: str, **more: Any) -> bytes:
    """The file of an export of the audit log."""
    job = ExportJob(export_id="e", user_id="u", format=form, **more)  # type: ignore[arg-type]
    writing = Writing(partial(snapshot_of, app.store, NoVault()), read_request(job, str))
    path = tmp_path / "out"
    done = await writing.write(path)
    data = path.read_bytes()
    assert len(data) == done.size
    return data


async def test_csv_is_read_back_and_runs_nothing(app: Application, tmp_path: Path) -> None:
    """Every cell is quoted; what a spreadsheet would run is text; what cannot be seen is gone."""
    await entries(app, NASTY)

    data = await written(
        app, tmp_path, "csv", columns=["actor", "object_id"], filters={"action": "test.made"}
    )

    rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
    assert rows[0] == ["actor", "object_id"]
    assert [row[0] for row in rows[1:]] == [
        "plain", "'=1+1", "' =1", "'\u00a0@x", "'+1", "'-1", "'\tx", "'\r\nx", 'say "no"', "a,b", "", "gpj", "ünïcode", "\ufffd",
    ]  # fmt: skip
    assert all(line.endswith("\r\n") for line in data.decode().splitlines(keepends=True)[:3])


@pytest.mark.parametrize("form", ["json", "ndjson"])
async def test_json_keeps_everything(app: Application, tmp_path: Path, form: str) -> None:
    """It is valid whatever the content, and numbers, nulls and details keep their types."""
    await entries(app, NASTY)

    data = await written(app, tmp_path, form, filters={"action": "test.made"})

    rows = (
        json.loads(data)
        if form == "json"
        else [json.loads(line) for line in data.decode().split("\n") if line]
    )
    assert [row["actor"] for row in rows] == [text.replace("\0", "\ufffd") for text in NASTY]
    assert (rows[3]["details"], rows[3]["address"]) == ({"n": 3}, None)
    assert rows[0]["at"] == "2023-11-14T22:13:20.000000Z"


async def test_parquet_has_types(app: Application, tmp_path: Path) -> None:
    """Moments in UTC, whole numbers, texts."""
    await entries(app, ["anna", "ben"])

    data = await written(app, tmp_path, "parquet", filters={"action": "test.made"})

    read = pyarrow.parquet.read_table(io.BytesIO(data))
    assert str(read.schema.field("at").type) == "timestamp[us, tz=UTC]"
    assert read.column("actor").to_pylist() == ["anna", "ben"]


async def test_gzip_is_the_same_file_smaller(app: Application, tmp_path: Path) -> None:
    """And the same each time."""
    await entries(app, ["anna"] * 100)

    plain = await written(app, tmp_path, "csv")
    zipped = await written(app, tmp_path, "csv", compression="gzip")

    assert gzip.decompress(zipped) == plain
    assert len(zipped) < len(plain) / 3


@example(texts=["\x1f=1+1", "\x01=1+1", "\u200e=1+1", " \x7f@x"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), max_size=5)
)
def test_any_text_survives(tmp_path: Path, texts: list[str]) -> None:
    """As JSON whole; as CSV one row each, never beginning with what a spreadsheet runs."""
    path = tmp_path / "any.db"
    path.unlink(missing_ok=True)
    connection = connect_writer(path)
    connection.execute("CREATE TABLE suppressions (seq INTEGER PRIMARY KEY, id, channel, address, address_key, topic, "
                       "state, source, evidence, wording, actor, at_us)")  # fmt: skip
    connection.executemany(
        "INSERT INTO suppressions (topic, at_us) VALUES (?, 0)", [(text,) for text in texts]
    )
    connection.close()

    def file(form: str) -> str:
        job = ExportJob(
            export_id="e", user_id="u", format=form, columns=["topic"], filters={"dataset": "suppressions"}
        )  # type: ignore[arg-type]
        plan = read_request(job, str)
        writing = Writing(lambda plan, form: SqliteSnapshot(path, plan, form, NoVault(), None), plan)  # type: ignore[arg-type]
        asyncio.run(writing.write(tmp_path / form))
        return (tmp_path / form).read_bytes().decode()

    assert [row["topic"] for row in json.loads(file("json"))] == texts
    cells = [row[0] for row in csv.reader(io.StringIO(file("csv"), newline=""))][1:]
    assert len(cells) == len(texts)
    assert not any(cell.lstrip(" \u00a0").startswith(tuple("=+-@\t\r\n＝＋－＠")) for cell in cells)


async def test_snapshot_does_not_move(app: Application, tmp_path: Path) -> None:
    """What is written after it began is not in it."""
    await entries(app, ["anna"] * 3000)
    job = ExportJob(export_id="e", user_id="u", format="ndjson", filters={"action": "test.made"})
    writing = Writing(partial(snapshot_of, app.store, NoVault()), read_request(job, str))
    running = asyncio.create_task(writing.write(tmp_path / "out"))
    while not writing.rows and not running.done():
        await asyncio.sleep(0)
    await entries(app, ["late"] * 1000)

    assert (await running).rows == 3000


async def test_called_off_in_the_middle(app: Application, tmp_path: Path) -> None:
    """It ends at once, with no file that looks whole."""
    await entries(app, ["anna"] * 20_000)
    job = ExportJob(export_id="e", user_id="u", format="csv")
    writing = Writing(partial(snapshot_of, app.store, NoVault()), read_request(job, str))
    running = asyncio.create_task(writing.write(tmp_path / "out"))
    while not writing.rows:
        await asyncio.sleep(0)
    writing.cancel()

    with pytest.raises(Cancelled):
        await running


async def test_export_is_cleaned_up_when_its_time_is_over(
    app: Application, clock: VirtualClock, tmp_path: Path
) -> None:
    """By a job that its end has put into the queue."""
    await app.producer.enqueue_export(export_id="e:1", user_id="anna", format="csv")
    await clock.advance(10)
    assert (tmp_path / "exports" / "e=1.csv").exists()

    await clock.advance(8 * 86_400)

    assert not (tmp_path / "exports" / "e=1.csv").exists()
    row = await app.exports.find("e:1")
    assert row is not None
    assert row["status"] == "expired"


@pytest.mark.parametrize(("form", "recipient"), [("csv", "'+1******2671"), ("ndjson", "+1******2671")])
async def test_sealed_recipients_are_masked_and_harmless(
    open_app: Open, clock: VirtualClock, tmp_path: Path, form: str, recipient: str
) -> None:
    """What is sealed begins with a letter; what its mask begins with decides."""
    async with open_app(encryption_keys=f"a:{'ab' * 32}") as app, app.queues.running():
        await app.producer.enqueue_sms(message_id="m1", recipient="+14155552671", content="x")
        await app.producer.enqueue_email(
            message_id="m2", recipient="=anna@example.com", subject="x", content="x"
        )
        await clock.advance(20)
        await app.producer.enqueue_export(
            export_id="e", user_id="u", format=form, filters={"dataset": "messages"}
        )
        await clock.advance(20)

    data = (tmp_path / "exports" / f"e.{form}").read_text()
    assert recipient in data
    if form == "csv":
        assert '"\'=***@example.com"' in data


async def test_long_log_has_the_snapshot_renewed_or_the_export_ended(
    open_app: Open, clock: VirtualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trail is read on, whole, in a new snapshot; messages, which change, are not: it says what to do."""
    monkeypatch.setattr("postroom.exports.generate.TELL_SECONDS", 0.0)
    monkeypatch.setattr("postroom.exports.generate.LogWatch.too_long", lambda self, storage: True)
    renewed = []
    inner = Writing.renew
    monkeypatch.setattr(Writing, "renew", lambda self: (renewed.append(1), inner(self)))
    async with open_app() as app, app.queues.running():
        await entries(app, ["anna"] * 30_000)
        await app.producer.enqueue_export(
            export_id="e1", user_id="u", format="csv", filters={"action": "test.made"}
        )
        await app.producer.enqueue_export(
            export_id="e2", user_id="u", format="csv", filters={"dataset": "messages"}
        )
        await clock.advance(20)
        trail, messages = await app.exports.find("e1"), await app.exports.find("e2")

    assert trail is not None
    assert messages is not None
    assert (trail["status"], trail["rows"], bool(renewed)) == ("done", 30_000, True)
    assert messages["status"] in ("done", "retry_scheduled")


def test_log_watch_counts_what_has_grown() -> None:
    """From the lowest on; a disk that is nearly full bears nothing."""
    watch, room = LogWatch(100), {"diskFreeBytes": 1 << 40}
    assert not watch.too_long({"walBytes": 5000, **room})
    assert not watch.too_long({"walBytes": 5100, **room})
    assert watch.too_long({"walBytes": 5101, **room})
    watch.begin()
    assert not watch.too_long({"walBytes": 5101, **room})
    assert not watch.too_long({"walBytes": 10, **room})
    assert watch.too_long({"walBytes": 11, "diskFreeBytes": 1})
    assert not LogWatch(0).too_long({"databaseBytes": 1})
