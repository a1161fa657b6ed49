"""What the writer performs: acts on the file that share a transaction with others."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

T = TypeVar("T")


class Operation(Generic[T]):
    """Something to do to the file in one transaction with others."""

    __slots__ = ("error", "future", "result")

    durable: ClassVar[bool] = True
    """Whether its commit must reach the disk before `submit` returns. A group is synced if any of it is."""
    single: ClassVar[bool] = False
    """Whether nothing that follows from the same event is about to join it, as a lease joins a settlement."""

    @property
    def quick(self) -> bool:
        """Whether it is small enough to be committed in place."""
        return False

    future: asyncio.Future[T]
    result: T

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def perform(self, connection: sqlite3.Connection) -> T:
        """Do it inside the open transaction; may be called again after a rollback."""
        raise NotImplementedError

    @classmethod
    def perform_many(cls, connection: sqlite3.Connection, operations: Sequence[Any]) -> None:
        """Do neighbours of one class together, setting the `result` of each."""
        for operation in operations:
            operation.result = operation.perform(connection)


class Call(Operation[T]):
    """An operation that is a plain function of the connection."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[sqlite3.Connection], T]) -> None:
        super().__init__()
        self._function = function

    def perform(self, connection: sqlite3.Connection) -> T:
        """Call the function."""
        function: Callable[[sqlite3.Connection], T] = self._function
        return function(connection)
