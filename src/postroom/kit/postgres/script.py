"""Scripts: what to ask a database, told apart from the driver that asks.

A script is a generator that yields statements and is sent their answers. The same script runs through asyncpg,
through psycopg with and without `await`, and so through whatever transaction a caller has open. Parameters are
written `$1`, `$2`, ... as the server itself knows them.
"""

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, TypeVar

import asyncpg
import psycopg

T = TypeVar("T")


class Statement(NamedTuple):
    """A text and its parameters."""

    text: str
    values: tuple[Any, ...] = ()
    rows: bool = True
    """Whether it answers with rows; else with the number of rows that it changed."""


class Answer(NamedTuple):
    """What a statement answered."""

    rows: Sequence[Sequence[Any]]
    changed: int
    """Rows it answered with or changed."""


Script = Generator[Statement, Answer, T]


def run(connection: psycopg.Connection[Any], script: Script[T]) -> T:
    """Run a script through psycopg."""
    with psycopg.RawCursor(connection) as cursor:
        answer = None
        while True:
            try:
                statement = next(script) if answer is None else script.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            # Never under a name: a pooler may hand the next statement to another server process.
            cursor.execute(statement.text, statement.values, prepare=False)
            answer = Answer(cursor.fetchall() if statement.rows else (), cursor.rowcount)


async def run_psycopg(connection: psycopg.AsyncConnection[Any], script: Script[T]) -> T:
    """Run a script through psycopg with `await`."""
    async with psycopg.AsyncRawCursor(connection) as cursor:
        answer = None
        while True:
            try:
                statement = next(script) if answer is None else script.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            await cursor.execute(statement.text, statement.values, prepare=False)
            answer = Answer(await cursor.fetchall() if statement.rows else (), cursor.rowcount)


async def run_asyncpg(connection: asyncpg.Connection, script: Script[T], timeout: float | None = None) -> T:
    """Run a script through asyncpg; `timeout` in seconds is for each statement."""
    answer = None
    while True:
        try:
            statement = next(script) if answer is None else script.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        if statement.rows:
            rows = await connection.fetch(statement.text, *statement.values, timeout=timeout)
            answer = Answer(rows, len(rows))
        else:
            tag = await connection.execute(statement.text, *statement.values, timeout=timeout)
            answer = Answer((), int(tag.rpartition(" ")[2]) if tag[-1:].isdigit() else 0)
