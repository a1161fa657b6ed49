"""Random walks of the PostgreSQL broker beside the model."""

from pathlib import Path

import pytest

from postroom.queues.conformance.machine import MODEST, QueueMachine
from support import postgres

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class PostgresMachine(QueueMachine):
    database = ""

    def make_url(self, folder: Path) -> str:
        postgres.reset(self.database)
        return self.database


@pytest.fixture(autouse=True)
def database(postgres_database: str) -> None:
    PostgresMachine.database = postgres_database


TestPostgresMachine = PostgresMachine.TestCase
TestPostgresMachine.settings = MODEST
