"""What all tests share: profiles for walks and properties, and a PostgreSQL.

`--hypothesis-profile=long` is for walks that have the night before them. POSTROOM_TEST_POSTGRES_URL names a server
to use instead of a new one.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).resolve().parent))

settings.register_profile("long", max_examples=2000, stateful_step_count=60, deadline=None, print_blob=True)


WIDE = frozenset(
    {"test_web_auth", "test_web_openapi", "test_web_pages", "test_web_problems", "test_web_server"}
)
"""Modules with many cases of which few are about the database: on PostgreSQL with `--postgresql=all`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgresql", choices=("usual", "all", "none"), default="usual",
        help="which tests of both databases run on PostgreSQL too",
    )  # fmt: skip


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = config.getoption("--postgresql")
    if chosen == "all":
        return
    left_out = [
        item
        for item in items
        if item.get_closest_marker("postgresql")
        and (chosen == "none" or item.path.stem in WIDE)
        and "database_url" in getattr(item, "fixturenames", ())
    ]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


@pytest.fixture(scope="session")
def postgres_database() -> Iterator[str]:
    """The URL of a database of one's own: of a server that every process of tests starts when it needs one."""
    import psycopg

    from support import postgres

    given = os.environ.get("POSTROOM_TEST_POSTGRES_URL")
    if given is None:
        with postgres.running() as server:
            yield server.url()
        return
    name = f"postroom_test_{os.getpid()}"
    with psycopg.connect(given, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield given.rsplit("/", 1)[0] + f"/{name}"
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind in turn."""
    # A test of one kind names it: `@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)`.
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'app.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def postgres_url(postgres_database: str) -> str:
    """The same, empty."""
    from support import postgres

    postgres.reset(postgres_database)
    # Told, so that no connection is made to find out.
    return f"{postgres_database}?pooled=no"
