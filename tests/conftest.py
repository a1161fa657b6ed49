"""What all tests share: real PostgreSQL servers, and `--hypothesis-profile=long` for walks that have the night before them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).resolve().parent))

from support.postgres import a_database, a_server, emptied

settings.register_profile("long", max_examples=2000, stateful_step_count=60, deadline=None, print_blob=True)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server of this process's own; it takes half a second to make."""
    with a_server(tmp_path_factory.getbasetemp() / "postgres") as url:
        yield url


@pytest.fixture(scope="session")
def postgres_database(postgres_server: str) -> Iterator[str]:
    """This process's database."""
    with a_database(postgres_server) as url:
        yield url


@pytest.fixture
def postgres_url(postgres_database: str) -> str:
    """An empty database: tables that are there have no rows."""
    emptied(postgres_database)
    return postgres_database
