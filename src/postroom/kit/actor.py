"""Who does something, from where, and in the course of which request: what an audit entry tells."""

from typing import NamedTuple


class Actor(NamedTuple):
    """Somebody or something that acts."""

    name: str
    """A user's name, a token's, or a part of Postroom (`worker`, `webhook`, `scheduler`)."""
    role: str | None = None
    """The role it acted in, if it has one."""
    address: str | None = None
    """The network address that the request came from; None where there was no request."""
    request_id: str | None = None
    """The request it was part of."""


WORKER = Actor("worker")
"""What consumers do by themselves."""
WEBHOOK = Actor("webhook")
"""What a provider's callback causes."""
SYSTEM = Actor("system")
"""What the clock causes."""
