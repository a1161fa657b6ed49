"""A server's address: the URL that libpq and asyncpg understand, and what Postroom adds to it."""

from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from postroom.kit.postgres.errors import WrongAddress

CONNECTIONS = 8
"""Connections of a process for transactions of plain functions, unless the URL says otherwise."""


class Address(NamedTuple):
    """Where a database is."""

    dsn: str
    """For either driver; has the password."""
    name: str
    """For texts: no user, no password."""
    listen: str | None
    """The address of the server itself for LISTEN, where `dsn` is a pooler's; None: there is none."""
    pooled: bool | None
    """Whether a pooler in transaction mode stands in between; None: find out."""
    transactions: int
    """Transactions of plain functions at the same time, at most."""


def read_address(url: str) -> Address:
    """Read `postgresql://USER:PASSWORD@HOST:PORT/DATABASE?...`; raises WrongAddress.

    Parameters of our own: `listen` (a URL past the pooler), `pooled` (yes or no), `transactions` (1..64). All
    others are the driver's, such as `sslmode` or `host` for a socket's folder.
    """
    try:
        parts = urlsplit(url)
        parameters = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise WrongAddress(f"the URL cannot be read: {error}") from None
    own = {"listen": "", "pooled": "", "transactions": ""}
    rest = []
    for key, value in parameters:
        if key in own:
            own[key] = value
        else:
            rest.append((key, value))
    if parts.path in ("", "/") and "dbname" not in dict(rest):
        raise WrongAddress("the URL names no database; write postgresql://USER:PASSWORD@HOST:5432/DATABASE")
    if own["pooled"] not in ("", "yes", "no"):
        raise WrongAddress(f"pooled is {own['pooled']!r}; allowed: yes, no, or left out to find out")
    if own["transactions"] and not (own["transactions"].isdigit() and 1 <= int(own["transactions"]) <= 64):
        raise WrongAddress(f"transactions is {own['transactions']!r}; allowed: 1..64")
    dsn = urlunsplit(("postgresql", parts.netloc, parts.path, urlencode(rest, quote_via=quote), ""))
    host = parts.netloc.rpartition("@")[2] or dict(rest).get("host", "localhost")
    return Address(
        dsn,
        f"PostgreSQL at {host}{parts.path}",
        own["listen"] or None,
        {"yes": True, "no": False}.get(own["pooled"]),
        int(own["transactions"] or CONNECTIONS),
    )
