"""The suite: every theme, and the fixtures from which a case gets its queues."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from postroom import queues as door
from postroom.queues.conformance.administration import Administration
from postroom.queues.conformance.batching import Batching
from postroom.queues.conformance.concurrency import Concurrency
from postroom.queues.conformance.content import Content
from postroom.queues.conformance.dead_letters import DeadLetters
from postroom.queues.conformance.deduplication import Deduplication
from postroom.queues.conformance.delays import Delays
from postroom.queues.conformance.leases import Leases
from postroom.queues.conformance.needs import NEEDS
from postroom.queues.conformance.priorities import Priorities
from postroom.queues.conformance.pulling import Pulling
from postroom.queues.conformance.reasons import Reasons
from postroom.queues.conformance.recorder import Connect
from postroom.queues.conformance.redriving import Redriving
from postroom.queues.conformance.retention import Retention
from postroom.queues.conformance.retries import Retries
from postroom.queues.conformance.sending import Sending
from postroom.queues.conformance.settling import Settling
from postroom.queues.conformance.sharing import Restarting, Sharing
from postroom.queues.conformance.shutdown import Shutdown
from postroom.queues.conformance.suspects import Suspects
from postroom.queues.conformance.transactions import Transactions
from postroom.queues.conformance.virtual_time import VirtualTime
from postroom.queues.testing import VirtualClock


class Conformance:
    """What a broker promises. Subclass it, name the class `Test...` and write `make_url`.

    A theme or case that a broker cannot pass is a missing capability; declare it instead of leaving the case out.
    """

    def make_url(self, folder: Path) -> str:
        """The URL of a store that is empty and that no other case uses, in a fresh folder if it needs one.

        Connecting to it again must find what was stored, unless the broker's capabilities say otherwise.
        """
        raise NotImplementedError

    @pytest.fixture
    def folder(self) -> Iterator[Path]:
        """A fresh folder with a short name, because some stores put sockets there."""
        with tempfile.TemporaryDirectory(prefix="pr-") as name:
            yield Path(name)

    @pytest.fixture
    def url(self, folder: Path) -> str:
        """The case's store."""
        return self.make_url(folder)

    @pytest.fixture(autouse=True)
    def needed(self, request: pytest.FixtureRequest, url: str, clock: VirtualClock) -> None:
        """Skips a case that needs a capability which the broker lacks."""
        need = NEEDS.get(request.node.originalname)
        if need is not None and not getattr(door.connect(url, clock=clock).capabilities, need):
            pytest.skip(f"the broker lacks: {need}")

    @pytest.fixture
    def clock(self) -> VirtualClock:
        """The case's clock."""
        return VirtualClock()

    @pytest.fixture
    async def connect(self, url: str, clock: VirtualClock) -> AsyncIterator[Connect]:
        """Opens the store as often as the case wants; everything is closed when it ends."""
        opened: list[door.Queues] = []

        async def open_queues(**options: Any) -> door.Queues:
            queues = door.connect(url, **{"clock": clock, **options})
            opened.append(queues)
            await queues.open()
            return queues

        yield open_queues
        for queues in reversed(opened):
            await queues.close()

    @pytest.fixture
    async def queues(self, connect: Connect) -> door.Queues:
        """The case's store, opened."""
        return await connect()

    TestSending = Sending
    TestContent = Content
    TestBatching = Batching
    TestSettling = Settling
    TestRetries = Retries
    TestDelays = Delays
    TestDeadLetters = DeadLetters
    TestLeases = Leases
    TestSuspects = Suspects
    TestPulling = Pulling
    TestRetention = Retention
    TestConcurrency = Concurrency
    TestAdministration = Administration
    TestSharing = Sharing
    TestRestarting = Restarting
    TestShutdown = Shutdown
    TestVirtualTime = VirtualTime

    # Extensions, where the broker's capabilities have them.
    TestPriorities = Priorities
    TestDeduplication = Deduplication
    TestReasons = Reasons
    TestTransactions = Transactions
    TestRedriving = Redriving
