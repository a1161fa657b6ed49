"""The memory broker keeps the contract; it passes first."""

import secrets
from pathlib import Path

from postroom.queues.conformance import Conformance


class TestMemory(Conformance):
    def make_url(self, folder: Path) -> str:
        return f"memory://{secrets.token_hex(8)}"
