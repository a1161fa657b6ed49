"""A file that is not ours, is damaged, or is newer than this Postroom: a clear error, and the file is left alone."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from postroom.queues import BrokerError, BrokerUnavailable, Queues, connect
from postroom.settings import load
from postroom.store.migrations import SchemaTooNew
from postroom.wiring import open_application


def queues_at(file: Path) -> Queues:
    return connect(f"sqlite:///{file}")


async def a_database(file: Path) -> None:
    """A queue with a few hundred messages, closed."""
    async with queues_at(file) as queues:
        for _ in range(3):
            await queues["orders"].send_batch([{"body": "x" * 2000} for _ in range(100)])


async def assert_unavailable(file: Path, *words: str) -> None:
    with pytest.raises(BrokerUnavailable) as caught:
        async with queues_at(file):
            pass
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "contents", [b"Dear diary,\n" * 1000, bytes(8192), b"%PDF-1.7"], ids=["text", "zeros", "short"]
)
async def test_foreign_file_is_refused_and_left_alone(contents: bytes, place: Path) -> None:
    """What is not an SQLite database is named in the error and stays as it is."""
    file = place / "q.db"
    file.write_bytes(contents)

    await assert_unavailable(file, "q.db", "not a database")

    assert file.read_bytes() == contents


async def test_folder_is_refused(place: Path) -> None:
    """A folder in the file's place is named in the error."""
    file = place / "q.db"
    file.mkdir()

    await assert_unavailable(file, "q.db")


async def test_missing_folder_is_refused(place: Path) -> None:
    """A folder that does not exist is not made in silence."""
    await assert_unavailable(place / "missing" / "q.db", "q.db", "folder must exist")


async def test_damaged_header_is_refused(place: Path) -> None:
    """A database whose first page is overwritten cannot be opened, and says so."""
    file = place / "q.db"
    await a_database(file)
    with file.open("r+b") as damaged:
        damaged.seek(16)
        damaged.write(b"\xff" * 2000)

    await assert_unavailable(file, "q.db")


async def test_truncated_file_is_told(place: Path) -> None:
    """A database that lost its second half is reported as damaged, not as empty."""
    file = place / "q.db"
    await a_database(file)
    with file.open("r+b") as damaged:
        damaged.truncate(file.stat().st_size // 2)

    with pytest.raises(BrokerError, match="malformed"):
        async with queues_at(file) as queues:
            await queues["orders"].pull(batch_size=100)
            await queues["orders"].send_batch([{"body": "x" * 2000} for _ in range(100)])


async def test_damaged_pages_are_told_and_the_process_lives(place: Path) -> None:
    """Damage further in is an error of each call that meets it; other calls go on."""
    file = place / "q.db"
    await a_database(file)
    with file.open("r+b") as damaged:
        for page in range(12, file.stat().st_size // 4096):
            damaged.seek(page * 4096)
            damaged.write(b"\xff" * 4096)

    async with queues_at(file) as queues:
        for _ in range(2):
            with pytest.raises(BrokerError, match=r"q\.db: .*malformed"):
                await queues["orders"].pull(batch_size=100)
        assert "orders" in await queues.names()


async def test_queue_schema_from_the_future_is_refused(place: Path) -> None:
    """A database whose queue tables are newer says that Postroom has to be upgraded, and is left alone."""
    file = place / "q.db"
    await a_database(file)
    _set_schema(file, "queues", 7)

    await assert_unavailable(file, "q.db", "schema 7", "upgrade Postroom")


async def test_application_schema_from_the_future_is_refused(place: Path) -> None:
    """The same for the application's tables."""
    file = place / "q.db"
    settings = load({"POSTROOM_DATABASE_URL": f"sqlite:///{file}"}, folder=place).settings
    async with open_application(settings, consume=False):
        pass
    _set_schema(file, "application", 9999)

    with pytest.raises(SchemaTooNew, match=r"schema 9999.*upgrade Postroom"):
        async with open_application(settings, consume=False):
            pass


def _set_schema(file: Path, component: str, version: int) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE postroom_schema SET version = ? WHERE component = ?", (version, component))


async def test_tables_of_another_application_are_told_and_left_alone(place: Path) -> None:
    """A database in which `jobs` is somebody else's is an error that names the table; theirs stays as it is."""
    file = place / "q.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE jobs (title TEXT)")
        connection.execute("INSERT INTO jobs VALUES ('nurse')")
    settings = load({"POSTROOM_DATABASE_URL": f"sqlite:///{file}"}, folder=place).settings

    with pytest.raises(BrokerError, match=r"q\.db: table jobs already exists"):
        async with open_application(settings, consume=False):
            pass

    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT * FROM jobs").fetchall() == [("nurse",)]
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert "messages" not in tables
