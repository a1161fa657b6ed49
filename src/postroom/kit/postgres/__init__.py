"""PostgreSQL tools: scripts that run on any driver, transactions of plain functions, and what errors mean."""

from postroom.kit.postgres.address import Address, read_address
from postroom.kit.postgres.errors import (
    PostgresError,
    PostgresFull,
    PostgresUnreachable,
    WrongAddress,
    is_conflict,
    translate,
)
from postroom.kit.postgres.migrations import Migration, SchemaState, SchemaTooNew
from postroom.kit.postgres.script import Answer, Script, Statement, run, run_asyncpg, run_psycopg
from postroom.kit.postgres.transactions import Transactions

__all__ = [
    "Address",
    "Answer",
    "Migration",
    "PostgresError",
    "PostgresFull",
    "PostgresUnreachable",
    "SchemaState",
    "SchemaTooNew",
    "Script",
    "Statement",
    "Transactions",
    "WrongAddress",
    "is_conflict",
    "read_address",
    "run",
    "run_asyncpg",
    "run_psycopg",
    "translate",
]
