"""What a path is called where it is written down (web/path_classes.py)."""

import pytest

from postroom.web.path_classes import PathClasses

CLASSES = PathClasses(
    ["/api/messages", "/api/messages/{message_id:str}", "/u/{token:str}", "/health", "/", "/schema"],
    ["twilio"],
)


@pytest.mark.parametrize(("path", "name"), [
    ("/api/messages", "/api/messages"), ("/api/messages/m-1/content", "/api/messages"), ("/health", "/health"),
    ("/health/", "/health"), ("/u/SECRET", "/u"), ("/webhooks/twilio", "/webhooks/twilio"), ("/", "/"),
    ("/webhooks/anna@example.com", "/other"), ("/api/anna@example.com", "/other"), ("/anna@example.com", "/other"),
    ("//anna@example.com", "/other"), ("", "/"),
])  # fmt: skip
def test_path_is_called_by_what_is_ours(path: str, name: str) -> None:
    """A token, a message's id or somebody's mistake is no part of it."""
    assert CLASSES.of(path) == name
