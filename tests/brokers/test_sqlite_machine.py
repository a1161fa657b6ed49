"""Random walks of the SQLite broker beside the model."""

from pathlib import Path

import pytest

from postroom.queues.conformance.machine import MODEST, QueueMachine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class SqliteMachine(QueueMachine):
    def make_url(self, folder: Path) -> str:
        return f"sqlite:///{folder}/queues.db"


TestSqliteMachine = SqliteMachine.TestCase
TestSqliteMachine.settings = MODEST
