"""Browser sessions: a random cookie, stored as a digest, that ends when it is idle, old, or its user is sent away."""

import hmac
import secrets
from typing import Final, NamedTuple

from postroom.accounts.tokens import digest
from postroom.accounts.users import User, Users
from postroom.kit.clock import MICROSECOND
from postroom.store import StoreTransaction

IDLE_SECONDS: Final = 30 * 60
LONGEST_SECONDS: Final = 12 * 3600
SEEN_NOTED_SECONDS: Final = 60
"""That a session was used is written at most this often."""


class Session(NamedTuple):
    """A session that somebody is in."""

    user: User
    csrf: str
    """Must come with every request that changes something."""
    ends_us: int
    stale: bool
    """Whether its use has to be noted."""

    def __repr__(self) -> str:
        return f"Session({self.user.name!r})"

    def is_csrf(self, given: str) -> bool:
        """Whether that is its token; in constant time."""
        return hmac.compare_digest(self.csrf.encode(), given.encode("utf-8", "surrogatepass"))


class Sessions:
    """The table of sessions; every method runs inside a transaction of the caller's."""

    def __init__(self, users: Users) -> None:
        self._users = users

    def begin(self, transaction: StoreTransaction, user: User, now_us: int) -> tuple[str, Session]:
        """A new session; returns its cookie too."""
        cookie, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
        ends_us = now_us + LONGEST_SECONDS * MICROSECOND
        transaction.run(
            "insert_session",
            digest=digest(cookie),
            user_id=user.id,
            csrf=csrf,
            now_us=now_us,
            ends_us=ends_us,
        )
        return cookie, Session(user, csrf, ends_us, False)

    def find(self, transaction: StoreTransaction, cookie: str, now_us: int) -> Session | None:
        """The session of a cookie; None when it has ended."""
        row = transaction.one("find_session", digest=digest(cookie))
        if row is None or now_us >= row["ends_us"] or now_us - row["seen_us"] > IDLE_SECONDS * MICROSECOND:
            return None
        user = self._users.by_id(transaction, row["user_id"])
        if user is None or user.disabled:
            return None
        stale = now_us - row["seen_us"] > SEEN_NOTED_SECONDS * MICROSECOND
        return Session(user, row["csrf"], row["ends_us"], stale)

    def note(self, transaction: StoreTransaction, cookie: str, now_us: int) -> None:
        """It was used."""
        transaction.run("see_session", digest=digest(cookie), now_us=now_us)

    def end(self, transaction: StoreTransaction, cookie: str) -> None:
        """Sign out."""
        transaction.run("end_session", digest=digest(cookie))

    def sweep(self, transaction: StoreTransaction, now_us: int) -> int:
        """Forget those that have ended."""
        return transaction.run("forget_sessions", now_us=now_us, idle_us=now_us - IDLE_SECONDS * MICROSECOND)
