"""The email that tests send."""

from typing import Any

from postroom.delivery import Email


def an_email(recipient: str = "anna@example.com", **fields: Any) -> Email:
    """An email to Anna, with whatever differs."""
    known = {"message_id": "m1", "subject": "Your appointment", "content": "Tomorrow at two.\n", **fields}
    return Email(recipient=recipient, **known)
