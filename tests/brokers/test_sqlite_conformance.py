"""The SQLite broker keeps the contract."""

from pathlib import Path

from postroom.queues.conformance import Conformance


class TestSqlite(Conformance):
    def make_url(self, folder: Path) -> str:
        return f"sqlite:///{folder}/queues.db"
