"""The email that tests send, and how they get a provider to send it through."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from postroom.delivery import Email
from postroom.delivery.providers.smtp import SmtpProvider

OpenProvider: TypeAlias = Callable[..., Awaitable[SmtpProvider]]
"""The fixture `open_provider`: `await open_provider(port, "tls=none", user="name:password@", clock=clock)`."""


def an_email(recipient: str = "anna@example.com", **fields: Any) -> Email:
    """An email to Anna, with whatever differs."""
    known = {"message_id": "m1", "subject": "Your appointment", "content": "Tomorrow at two.\n", **fields}
    return Email(recipient=recipient, **known)
