"""What drivers raise, in three words: the server is unreachable, it is full, or it refuses."""

from typing import Any

import asyncpg
import psycopg


class PostgresError(Exception):
    """The server refused; `sqlstate` is its code where it gave one."""

    sqlstate: str | None = None
    uncertain = False
    """Whether what was asked may have been done all the same: the connection broke before an answer came."""


class PostgresUnreachable(PostgresError):
    """No connection, or it broke; asking again may help."""


class PostgresFull(PostgresError):
    """The server has no room left."""


class WrongAddress(ValueError):
    """The URL says something that PostgreSQL or Postroom does not understand."""


CONFLICTS = frozenset({"40001", "40P01"})
"""Serialization failure and deadlock: the transaction had no effect and may be repeated."""
# https://www.postgresql.org/docs/18/errcodes-appendix.html
_GONE = frozenset({"57P01", "57P02", "57P03", "57P05", "25006", "53300", "55006"})
"""Shut down, starting up, idle for too long, read-only (a standby), too many connections."""
_FULL = frozenset({"53100", "53200", "53400"})


def sqlstate(error: BaseException) -> str | None:
    """The server's code for an error of either driver."""
    code: Any = getattr(error, "sqlstate", None)
    return code if isinstance(code, str) else None


def is_conflict(error: BaseException) -> bool:
    """Whether the transaction should be run again as a whole."""
    return sqlstate(error) in CONFLICTS


def translate(error: BaseException, where: str) -> PostgresError | None:
    """An error of asyncpg, psycopg or the network in our words; None when it is none of theirs.

    `where` names the server, without a password. Texts of the server are kept only where they hold no data.
    """
    code = sqlstate(error)
    found: PostgresError | None = None
    if isinstance(error, PostgresError):
        return error
    if code in _FULL:
        found = PostgresFull(f"{where} has no room left ({code}); make some and try again")
    elif code is not None and (code in _GONE or code.startswith(("08", "28"))):
        found = PostgresUnreachable(f"{where} cannot be used: {_word(error, code)}")
        # Made up by a driver whose connection broke; the server itself would have said that it refuses.
        found.uncertain = code.startswith("08")
    elif isinstance(error, OSError | asyncpg.InterfaceError | asyncpg.InternalClientError) or (
        isinstance(error, psycopg.OperationalError) and code is None
    ):
        found = PostgresUnreachable(f"{where} cannot be reached: {_word(error, code)}")
        found.uncertain = True
    elif isinstance(error, asyncpg.PostgresError | psycopg.Error):
        # The message may quote values of a row, so only its kind is told; the cause is kept.
        found = PostgresError(f"{where} refused: {type(error).__name__} ({code})")
    if found is not None:
        found.sqlstate = code
        found.__cause__ = error
    return found


def _word(error: BaseException, code: str | None) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    text = " ".join(str(error).split()) or type(error).__name__
    return f"{text[:200]} ({code})" if code else text[:200]
