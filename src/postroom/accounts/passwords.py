"""Local passwords: argon2id, checked in a thread, in the same time whether or not there is such a user.

https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
"""

import asyncio
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from postroom.accounts.errors import AccountInvalid

CHARS_MIN: Final = 12
CHARS_MAX: Final = 256


class Passwords:
    """Makes and checks hashes; `hasher` has the costs."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._nobodys: str | None = None

    async def make(self, password: str) -> str:
        """The hash of a new password; raises AccountInvalid for one that is too short or too long."""
        if not CHARS_MIN <= len(password) <= CHARS_MAX:
            raise AccountInvalid("password", f"must have {CHARS_MIN} to {CHARS_MAX} characters")
        return await asyncio.to_thread(self._hasher.hash, password)

    async def check(self, known: str | None, password: str) -> bool:
        """Whether it is the password; takes as long for a user who has none."""
        return await asyncio.to_thread(self._check, known, password[: CHARS_MAX + 1])

    def stale(self, known: str) -> bool:
        """Whether the hash was made at other costs than today's."""
        return self._hasher.check_needs_rehash(known)

    def _check(self, known: str | None, password: str) -> bool:
        if self._nobodys is None:
            self._nobodys = self._hasher.hash("nobody has this password")
        try:
            self._hasher.verify(known or self._nobodys, password)
        except (Argon2Error, InvalidHashError):
            return False
        return known is not None
