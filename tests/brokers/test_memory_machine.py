"""Random walks of the memory broker beside the model."""

import secrets
from pathlib import Path

from postroom.queues.conformance.machine import MODEST, QueueMachine


class MemoryMachine(QueueMachine):
    def make_url(self, folder: Path) -> str:
        # A named store survives being closed.
        return f"memory://{secrets.token_hex(8)}"


TestMemoryMachine = MemoryMachine.TestCase
TestMemoryMachine.settings = MODEST
