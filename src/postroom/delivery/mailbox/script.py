"""What the mailbox answers to whom: scripts first, then conventions, then acceptance.

Some recipients behave by convention, whatever the domain, so that a demo can show every ending:

    bounce@            550 5.1.1  no such mailbox
    temporary@         451 4.3.0  try again later
    greylist@          451 4.7.1  the first time, then taken
    lost@              taken, and hung up on without saying so
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

CONVENTIONS: Final = {
    "bounce": "550 5.1.1 no such mailbox",
    "temporary": "451 4.3.0 try again later",
    "greylist": "451 4.7.1 greylisted, try again later",
}
"""What a recipient's local part asks for."""
LOST: Final = "lost"
"""The local part whose message is kept while its sender cannot know."""
GREYLIST: Final = "greylist"
"""The local part whose convention holds for the first time only, as with a real greylist."""

ACCEPT: Final = "accept"
DROP_AT_RCPT: Final = "drop-at-rcpt"
"""Hang up instead of answering RCPT: the message is certainly not taken."""
DROP_AFTER_DOT: Final = "drop-after-dot"
"""Keep the message and hang up instead of saying so: the sender cannot know."""
HANG_AFTER_DOT: Final = "hang-after-dot"
"""Keep the message and never answer."""
AFTER_DOT: Final = "after-dot "
"""Begins a reply that is given to the content instead of to RCPT: `after-dot 554 5.7.1 spam`."""


class Script:
    """Answers waiting to be given, in order, for one recipient or for anyone."""

    def __init__(self) -> None:
        self._answers: dict[str | None, deque[str]] = {}
        self._known: set[str] = set()

    def add(self, recipient: str | None, replies: Iterable[str]) -> None:
        """Append answers for a recipient, or for anyone with None; see `Mailbox.script`."""
        checked = list(replies)
        for reply in checked:
            line = reply.removeprefix(AFTER_DOT)
            if (
                line not in (ACCEPT, DROP_AT_RCPT, DROP_AFTER_DOT, HANG_AFTER_DOT)
                and not line[:3].isdecimal()
            ):
                raise ValueError(f"not a reply of the mailbox: {reply!r}")
        self._answers.setdefault(recipient, deque()).extend(checked)

    def next(self, recipient: str) -> str:
        """The answer to give to this recipient now."""
        for key in (recipient, None):
            if self._answers.get(key):
                return self._answers[key].popleft()
        local = recipient.rpartition("@")[0].lower()
        if local == GREYLIST and recipient in self._known:
            return ACCEPT
        self._known.add(recipient)
        if local == LOST:
            return DROP_AFTER_DOT
        return CONVENTIONS.get(local, ACCEPT)
