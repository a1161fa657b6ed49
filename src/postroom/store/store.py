"""The application's database: written and read by functions that get a transaction."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

from postroom.kit.clock import Clock
from postroom.kit.tracing import Tracer
from postroom.store.transaction import AuditChain, StoreTransaction

T = TypeVar("T")


class Store(ABC):
    """The application's database; made by `open_store`."""

    def __init__(self, clock: Clock, chain: AuditChain, tracer: Tracer, name: str) -> None:
        self.clock = clock
        self.chain = chain
        self.tracer = tracer
        self.name = name
        """What operators may be told: a file's name, or a database's; never a URL."""

    @abstractmethod
    async def write(self, function: Callable[[StoreTransaction], T]) -> T:
        """Run a function in one durable transaction; it may be called again, and must not wait for anything."""

    @abstractmethod
    async def read(self, function: Callable[[StoreTransaction], T]) -> T:
        """Run a function that only reads; several queries in it may see different states."""

    @abstractmethod
    async def storage(self) -> dict[str, Any]:
        """What can be told of the room it takes: `databaseBytes`, and what else its kind has."""

    @abstractmethod
    async def give_back(self, most: int) -> int:
        """Return pages that deleted rows left free to the disk, about so many; how many there were, 0 at the end."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of the connections."""
