"""The account that a Postroom is: its id, and what stands for a Worker in it."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from postroom.queues import ConsumerOptions

ACCOUNT_ID_DEFAULT: Final = "706f7374726f6f6d0000000000000000"
"""The letters of "postroom", filled up to the 32 hex digits that such an id has."""
_ID: Final = re.compile(r"[0-9a-f]{32}")


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What the API answers about itself."""

    id: str
    name: str
    any_id: bool
    """Whether every well-formed id is this account's: on a developer's machine, where code has a real one in it."""
    script: str
    """The name under which the Python consumers appear, as a Worker would: that of the wrangler file."""
    producers: Mapping[str, str]
    """Binding to queue: where the application itself sends to."""
    handlers: Mapping[str, ConsumerOptions]
    """Queue to its Python consumer, as declared in the code or the wrangler file."""

    def owns(self, account_id: str) -> bool:
        """Whether a request for that account is for this one."""
        return account_id == self.id or (self.any_id and is_account_id(account_id))

    def bound(self, queue: str) -> bool:
        """Whether the application needs the queue."""
        return queue in self.handlers or queue in self.producers.values()


def is_account_id(text: str) -> bool:
    """Whether it looks like an id of an account: 32 lower-case hex digits."""
    return _ID.fullmatch(text) is not None
