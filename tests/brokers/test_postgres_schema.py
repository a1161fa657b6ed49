"""The broker's schema: made once by whoever comes first, with old workers alive, and never by an older Postroom."""

import asyncio
import uuid
from collections.abc import Iterator

import psycopg
import pytest

from postroom.kit.postgres import Migration, SchemaTooNew
from postroom.kit.postgres import migrations as kit
from postroom.queues import BrokerUnavailable, connect
from postroom.queues.brokers.postgres import schema

STEPS = [
    Migration(1, "0001_pre_first", "CREATE TABLE thing (a integer)"),
    Migration(2, "0002_pre_second", "ALTER TABLE thing ADD b integer; CREATE INDEX thing_b ON thing (b)"),
    Migration(3, "0003_post_third", "ALTER TABLE thing DROP a"),
    Migration(4, "0004_pre_fourth", "ALTER TABLE thing ADD c integer"),
]


@pytest.fixture
def empty(postgres_database: str) -> Iterator[str]:
    """A database with nothing in it."""
    name = f"empty_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} STRATEGY file_copy")
        yield postgres_database.rsplit("/", 1)[0] + f"/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def test_many_come_at_once(empty: str) -> None:
    """One makes the tables, the others wait and find them."""

    async def use(number: int) -> None:
        async with connect(empty) as queues:
            await queues["work"].send(number)

    await asyncio.gather(*(use(number) for number in range(8)))

    async with connect(empty) as queues:
        assert (await queues["work"].metrics()).backlog_count == 8


def test_everything_is_applied_once(empty: str) -> None:
    """An empty database gets all of it."""
    with psycopg.connect(empty) as connection:
        before = kit.state(connection, schema.COMPONENT, schema.known())
        applied = schema.migrate(connection)
        after = kit.state(connection, schema.COMPONENT, schema.known())

        assert (before.version, [step.name for step in before.pending]) == (0, applied)
        assert applied[0] == "0001_pre_initial"
        assert (after.version, after.pending, after.newer) == (len(applied), (), False)
        assert schema.migrate(connection) == []


def test_post_steps_wait_until_no_old_code_is_left(empty: str) -> None:
    """And so does everything behind them; an empty database gets all at once."""
    with psycopg.connect(empty) as connection:
        assert kit.migrate(connection, "old", STEPS[:1]) == ["0001_pre_first"]
        assert kit.migrate(connection, "old", STEPS) == ["0002_pre_second"]
        assert kit.migrate(connection, "old", STEPS) == []
        assert kit.migrate(connection, "old", STEPS, post=True) == ["0003_post_third", "0004_pre_fourth"]
        connection.execute("DROP TABLE thing")
        assert len(kit.migrate(connection, "new", STEPS)) == 4


def test_older_code_goes_on_until_a_post_step(empty: str) -> None:
    """It is refused when the schema lacks what it needs."""
    with psycopg.connect(empty) as connection:
        kit.migrate(connection, "it", STEPS[:2])
        assert kit.state(connection, "it", STEPS[:1]).newer
        assert kit.migrate(connection, "it", STEPS[:1]) == []

        kit.migrate(connection, "it", STEPS, post=True)

        with pytest.raises(SchemaTooNew, match="upgrade Postroom"):
            kit.migrate(connection, "it", STEPS[:2])


async def test_newer_schema_is_refused(empty: str) -> None:
    """With words, by whoever connects."""
    with psycopg.connect(empty) as connection:
        schema.migrate(connection)
        connection.execute("UPDATE postroom_schema SET version = 99, needs = 99")

    with pytest.raises(BrokerUnavailable, match="upgrade Postroom"):
        async with connect(empty):
            pass


async def test_failing_step_leaves_nothing(empty: str) -> None:
    """A step and its record are one transaction."""
    broken = [STEPS[0], Migration(2, "0002_pre_broken", "CREATE TABLE other (a integer); SELECT 1 / 0")]
    with psycopg.connect(empty) as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            kit.migrate(connection, "it", broken)
        connection.rollback()

        assert kit.state(connection, "it", broken).version == 0
        row = connection.execute("SELECT to_regclass('thing'), to_regclass('other')").fetchone()
        assert row == (None, None)
