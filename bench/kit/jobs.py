"""The job that every benchmark sends: an email of JOB_BYTES as compact JSON."""

import json
from typing import Any, Final

JOB_BYTES: Final = 350
RECIPIENT: Final = "test@example.com"
SUBJECT: Final = "Test"
REFERENCE: Final = "m-{:016d}"


def _fields(number: int, content: str) -> dict[str, Any]:
    return {
        "type": "email_send",
        "messageId": REFERENCE.format(number),
        "recipient": RECIPIENT,
        "subject": SUBJECT,
        "content": content,
        "priority": "normal",
    }


def encode(job: dict[str, Any]) -> bytes:
    """The job as compact JSON."""
    return json.dumps(job, separators=(",", ":")).encode()


CONTENT: Final = "x" * (JOB_BYTES - len(encode(_fields(0, ""))))
"""Fills the job up to JOB_BYTES."""


def make(number: int) -> dict[str, Any]:
    """The job of that number; its messageId is unique."""
    return _fields(number, CONTENT)
