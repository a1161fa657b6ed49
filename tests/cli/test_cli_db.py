"""`db` and `migrate-broker`: the schema told and brought up to date, and a file moved to a server."""

from pathlib import Path

import psycopg
import pytest
from cli_support import answer, inside, postroom

from postroom.jobs import EmailJob
from postroom.queues import BrokerUnavailable
from postroom.wiring import Application

pytestmark = pytest.mark.postgresql


@pytest.fixture
def server(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("POSTROOM_DATABASE_URL", postgres_url)
    return postgres_url


async def put(app: Application) -> str:
    job = EmailJob(message_id="m1", recipient="anna@example.com", subject="S", content="text")
    return (await app.producer.enqueue_job(job)).job_id


def set_version(url: str, version: int, needs: int = 0) -> None:
    with psycopg.connect(url.partition("?")[0]) as connection:
        connection.execute(
            "UPDATE postroom_schema SET version = %s, needs = %s WHERE component = 'application'",
            (version, needs),
        )


def test_schema_is_applied_once_and_told(server: str) -> None:
    postroom("db", "migrate")

    assert "up to date" in postroom("db", "migrate").stdout
    told = answer("db", "status")
    assert {one["component"] for one in told["components"]} == {"queues", "application"}
    assert all(
        one["version"] == one["known"] and not one["pre"] and not one["tooNew"] for one in told["components"]
    )


def test_schema_of_a_newer_postroom_is_refused(server: str) -> None:
    """By every command, with what to do; nothing is changed."""
    postroom("db", "migrate")
    known = next(
        one["known"] for one in answer("db", "status")["components"] if one["component"] == "application"
    )
    try:
        # A `pre` step: this Postroom works on beside newer ones.
        set_version(server, known + 1)
        assert "can work with" in postroom("db", "status").stdout
        postroom("user", "list")
        set_version(server, known + 1, known + 1)
        for command in (("db", "status"), ("db", "migrate"), ("user", "list")):
            assert "upgrade" in postroom(*command, code=1).output
    finally:
        set_version(server, known)


def test_file_is_told_and_opened(folder: Path) -> None:
    """An SQLite file is brought up to date by whoever opens it."""
    assert answer("db", "status")["components"][0]["version"] == 0
    assert "applied 0001_pre_initial" in postroom("db", "migrate").stdout
    assert "up to date" in postroom("db", "migrate").stdout


def test_server_that_does_not_answer_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTROOM_DATABASE_URL", "postgresql://ben:s3cret@127.0.0.1:1/post")

    result = postroom("db", "status", code=1)

    assert "cannot be reached" in result.output
    assert "s3cret" not in result.output


def test_file_is_moved_and_then_refuses(
    postgres_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rehearsed, moved, refused a second time, and thawed."""
    job_id = inside(put)
    source = "sqlite:///postroom.db"

    postroom("migrate-broker", source, postgres_url, "--copy-only")
    assert "--yes" in postroom("migrate-broker", source, postgres_url, code=1).output
    result = postroom("migrate-broker", source, postgres_url, "--yes")

    assert "compared one by one" in result.stdout
    assert "already" in postroom("migrate-broker", source, postgres_url, "--yes", code=1).output
    with pytest.raises(BrokerUnavailable, match="has moved"):
        inside(put)
    monkeypatch.setenv("POSTROOM_DATABASE_URL", postgres_url)
    assert inside(put) == job_id
    postroom("audit", "verify")
    monkeypatch.delenv("POSTROOM_DATABASE_URL")
    assert "can be written to" in postroom("migrate-broker", source, "--thaw").stdout
    assert inside(put) == job_id


def test_move_says_what_it_needs(folder: Path) -> None:
    assert (
        "there is no" in postroom("migrate-broker", "sqlite:///none.db", "postgresql://a@b/c", code=1).output
    )
    inside(put)
    assert "TARGET must be" in postroom("migrate-broker", "sqlite:///postroom.db", code=1).output
    assert "SOURCE must be" in postroom("migrate-broker", "postgresql://a@b/c", "x", code=1).output
