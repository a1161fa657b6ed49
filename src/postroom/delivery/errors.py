"""Errors of delivery: one tree under `DeliveryError`.

    DeliveryError
    ├── ConfigurationError (ValueError)     an option is unknown, malformed or out of range
    │   └── MissingDependency (ImportError) an extra is not installed
    ├── Unconnected (ConnectionError)       no SMTP session came about; never leaves the provider
    └── Unsendable (ValueError)             the envelope cannot be sent as it is, by any provider of its channel

What a server or a network does is no error here but a value: see `postroom.delivery.outcome`.
Texts name the field and the rule; they never contain an address, a content, a password or a server's words.
"""


class DeliveryError(Exception):
    """Root of all errors that `postroom.delivery` raises."""


class ConfigurationError(DeliveryError, ValueError):
    """An option is unknown, malformed or out of range; `key` is its name."""

    def __init__(self, text: str, *, key: str | None = None) -> None:
        super().__init__(text)
        self.key = key


class MissingDependency(ConfigurationError, ImportError):
    """An optional part of Postroom is not installed; the text has the command that installs it."""

    @classmethod
    def of(cls, what: str, extra: str) -> "MissingDependency":
        """The usual text, with the exact command."""
        return cls(f'{what} is not installed; install it with: pip install "postroom[{extra}]"')


class Unsendable(DeliveryError, ValueError):
    """The envelope cannot be sent as it is: `field` breaks the rule in `reason`.

    Trying again without changing the message is pointless, so a provider turns this into a permanent rejection.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field = field
        self.reason = reason
