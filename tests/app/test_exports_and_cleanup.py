"""Exports are whole files with a checksum; cleanups archive before they delete, and keep what must be kept."""

import csv
import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from postroom.exports import read_request
from postroom.jobs import PermanentError
from postroom.jobs.models import ExportJob
from postroom.queues.testing import VirtualClock
from postroom.store import StoreTransaction
from postroom.wiring import Application
from support.refusals import refused


async def send_some(app: Application, clock: VirtualClock, count: int) -> None:
    for index in range(count):
        await app.producer.enqueue_sms(
            message_id=f"m{index}", recipient="+14155552671", content="=HYPERLINK()"
        )
    await clock.advance(20)


async def export(app: Application, clock: VirtualClock, form: str, **filters: object) -> dict[str, object]:
    await app.producer.enqueue_export(export_id="e-1", user_id="user-789", format=form, filters=filters)
    await clock.advance(20)
    row = await app.store.read(lambda transaction: transaction.one("find_export", id="e-1"))
    assert row is not None
    return row


async def test_json_export_has_every_row(app: Application, clock: VirtualClock, tmp_path: Path) -> None:
    """One array, rows in order, recipients masked, the checksum on record."""
    await send_some(app, clock, 25)

    row = await export(app, clock, "json", dataset="messages")

    data = (tmp_path / "exports" / "e-1.json").read_bytes()
    rows = json.loads(data)
    assert [one["id"] for one in rows] == [f"m{index}" for index in range(25)]
    assert {one["recipient"] for one in rows} == {"+1******2671"}
    assert (row["status"], row["rows"], row["bytes"]) == ("done", 25, len(data))
    assert row["sha256"] == hashlib.sha256(data).hexdigest()


async def test_csv_export_of_the_audit_trail(app: Application, clock: VirtualClock, tmp_path: Path) -> None:
    """RFC 4180 with a header; filtered by action."""
    await send_some(app, clock, 3)

    await export(app, clock, "csv", action="job.done")

    with (tmp_path / "exports" / "e-1.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["action"] for row in rows] == ["job.done"] * 3
    assert rows[0]["at"].endswith("Z")


async def test_dates_select_a_range(app: Application, clock: VirtualClock) -> None:
    """The day of the end date belongs to the range."""
    await send_some(app, clock, 2)
    today = clock.now().date().isoformat()

    assert (await export(app, clock, "json", dataset="messages", startDate=today, endDate=today))["rows"] == 2


async def test_dates_outside_select_nothing(app: Application, clock: VirtualClock) -> None:
    """An empty export is a file too."""
    await send_some(app, clock, 2)

    assert (await export(app, clock, "json", dataset="messages", endDate="2024-12-31"))["rows"] == 0


@pytest.mark.parametrize(
    ("filters", "text"),
    [
        ({"dataset": "secrets"}, "known: audit_log, messages"),
        ({"statu": "sent", "dataset": "messages"}, 'did you mean "status"'),
        ({"startDate": "yesterday"}, "startDate must be an ISO 8601"),
        ({"startDate": 7}, "startDate must be an ISO 8601"),
        ({"endDate": "2026-01-01T00:00:00"}, "with time zone"),
        ({"actor": 5}, "actor must be a text"),
    ],
)
def test_unknown_filter_lists_the_known_ones(filters: dict[str, object], text: str) -> None:
    """A filter that is misspelt must not select everything."""
    with pytest.raises(PermanentError, match=text):
        read_request(ExportJob(export_id="e", user_id="u", format="csv", filters=filters), str)


async def test_export_with_a_bad_filter_fails_for_good(
    app: Application, clock: VirtualClock, tmp_path: Path
) -> None:
    """And leaves no file."""
    row = await export(app, clock, "csv", nonsense=1)

    assert row["status"] == "failed"
    assert list((tmp_path / "exports").glob("*")) == [] or not (tmp_path / "exports").exists()


async def test_expired_export_files_are_removed(
    app: Application, clock: VirtualClock, tmp_path: Path
) -> None:
    """After their time, by a temp_files cleanup; not before."""
    await export(app, clock, "json")
    file = tmp_path / "exports" / "e-1.json"
    await app.producer.enqueue_cleanup(target="temp_files", older_than=clock.now())
    await clock.advance(20)
    assert file.exists()

    await clock.advance(8 * 86_400)
    await app.producer.enqueue_cleanup(target="temp_files", older_than=clock.now())
    await clock.advance(20)

    assert not file.exists()
    row = await app.store.read(lambda transaction: transaction.one("find_export", id="e-1"))
    assert row is not None
    assert row["status"] == "expired"


async def test_audit_logs_are_kept_for_six_years(app: Application, clock: VirtualClock) -> None:
    """A cleanup that reaches further is refused for good."""
    made = await app.producer.enqueue_cleanup(
        target="audit_logs", older_than=clock.now() - timedelta(days=365)
    )
    await clock.advance(20)

    row = await app.store.read(lambda transaction: transaction.one("find_job", id=made.job_id))
    assert row is not None
    assert (row["status"], row["code"]) == ("failed", "retention")


@pytest.mark.parametrize("statement", ["UPDATE audit_log SET actor = 'x'", "DELETE FROM audit_log"])
async def test_database_refuses_to_change_the_audit_trail(
    app: Application, clock: VirtualClock, statement: str
) -> None:
    """Append-only is enforced below the code."""
    await send_some(app, clock, 1)

    def tamper(transaction: StoreTransaction) -> None:
        transaction.connection.execute(statement)

    with refused("append-only"):
        await app.store.write(tamper)


async def test_cleanup_of_the_future_is_refused(app: Application) -> None:
    """Everything is older than a moment to come."""
    with pytest.raises(ValueError, match="olderThan"):
        await app.producer.enqueue_cleanup(target="temp_files", older_than=datetime(2999, 1, 1, tzinfo=UTC))
