"""One open transaction of the application's database: named queries, rows as dictionaries.

What is written against it runs on SQLite and on PostgreSQL. On SQLite one transaction writes at a time; on PostgreSQL
many do (READ COMMITTED), so what is read to be decided on must be locked: by the query (`-- locks`, see `queries`) where
there are rows, by `lock` where there may be none yet, or by the condition of the statement that writes. A function may
be called again, when its group has to be repeated or when it ran into another's.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

Row = dict[str, Any]
T = TypeVar("T")


class AuditChain(Protocol):
    """What the audit trail is chained with; `postroom.audit` has it."""

    @property
    def key_id(self) -> str:
        """The key of new entries."""

    def hash(self, before: str, row: Mapping[str, Any]) -> str:
        """The hash of an entry."""

    def address(self, address: str | None) -> str | None:
        """A network address as the trail has it."""


class Conflict(Exception):
    """Another transaction was quicker: the function is called again and sees what that one did."""


Ending = Callable[["StoreTransaction", list[Any]], None]


class StoreTransaction(ABC):
    """One open transaction."""

    def __init__(self, connection: Any, chain: AuditChain) -> None:
        self.connection = connection
        """What `Queue.enlist` takes."""
        self.chain = chain
        self.notes: dict[str, Any] = {}
        """What parts of the application remember for the length of the transaction, by their name."""
        self.afterwards: list[Callable[[], None]] = []
        """What to do once it has committed, in the event loop: announcements."""
        self.trace: Mapping[str, str] = {}
        """What continues the trace of who asked for it; goes with the messages that it sends."""
        self.endings: dict[str, tuple[Ending, list[Any]]] = {}

    @abstractmethod
    def run(self, query: str, **values: Any) -> int:
        """Execute a named query; returns the number of rows it changed."""

    @abstractmethod
    def run_many(self, query: str, rows: Sequence[Row]) -> None:
        """Execute a named query for each row of values."""

    @abstractmethod
    def one(self, query: str, **values: Any) -> Row | None:
        """The first row of a named query, or None."""

    @abstractmethod
    def all(self, query: str, **values: Any) -> list[Row]:
        """Every row of a named query."""

    @abstractmethod
    def lock(self, *names: str) -> None:
        """Have these names to oneself until the transaction ends, for what has no row to lock."""

    @abstractmethod
    def put_back(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows that were deleted: one that is there stays as it is, columns that are gone are left out."""

    def at_end(self, name: str, act: Ending, value: Any) -> None:
        """Have `act` called once just before the commit, with the values that were given under this name.

        What many transactions contend for (the head of the audit trail) is so held for the commit alone.
        """
        self.endings.setdefault(name, (act, []))[1].append(value)

    def finish(self) -> None:
        """Do what was left for the end."""
        while self.endings:
            _, (act, values) = self.endings.popitem()
            act(self, values)
