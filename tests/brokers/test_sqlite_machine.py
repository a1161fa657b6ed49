"""Random walks of the SQLite broker beside the model."""

from pathlib import Path

from postroom.queues.conformance.machine import MODEST, QueueMachine


class SqliteMachine(QueueMachine):
    def make_url(self, folder: Path) -> str:
        return f"sqlite:///{folder}/queues.db"


TestSqliteMachine = SqliteMachine.TestCase
TestSqliteMachine.settings = MODEST
