"""Identifiers: 32 lower-case hex digits, unique across processes, cheap to make in bulk.

The first half is random for each process, the second counts, so that a process spends its randomness once.
Ids are not secrets: whoever knows one can guess its neighbours. Tokens come from `secrets`.
"""

import itertools
import os

_prefix = ""
_count = itertools.count()


def new_id() -> str:
    """A new id of 32 lower-case hex digits."""
    return f"{_prefix}{next(_count):016x}"


def _begin() -> None:
    """Start a sequence of this process's own; a fork must not go on with its parent's."""
    global _prefix, _count
    _prefix = os.urandom(8).hex()
    _count = itertools.count(int.from_bytes(os.urandom(4), "big"))


_begin()
os.register_at_fork(after_in_child=_begin)
