"""People, what they may do, and what they get in with: passwords, API tokens, sessions, tokens of an issuer.

Owns who somebody is and which permissions follow. How a request carries these is the web's business.
"""

from postroom.accounts.errors import AccountInvalid, NotSignedIn
from postroom.accounts.issuer import Issuer, IssuerOptions
from postroom.accounts.passwords import Passwords
from postroom.accounts.roles import MATRIX, Permission, Role, permissions_of
from postroom.accounts.sessions import Session, Sessions
from postroom.accounts.tokens import IssuedToken, TokenRecord, Tokens
from postroom.accounts.users import User, Users

__all__ = [
    "MATRIX",
    "AccountInvalid",
    "IssuedToken",
    "Issuer",
    "IssuerOptions",
    "NotSignedIn",
    "Passwords",
    "Permission",
    "Role",
    "Session",
    "Sessions",
    "TokenRecord",
    "Tokens",
    "User",
    "Users",
    "permissions_of",
]
