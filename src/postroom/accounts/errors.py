"""Errors of accounts. No text holds a password, a token or an address."""


class AccountInvalid(ValueError):
    """A user or token cannot be made or changed like that: `field` and why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field = field
        self.reason = reason


class NotSignedIn(PermissionError):
    """What was shown does not let anybody in; the text does not say whether the name or the secret was wrong."""
