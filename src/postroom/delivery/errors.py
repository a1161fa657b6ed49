"""Errors of delivery: one tree under `DeliveryError`.

    DeliveryError
    ├── ConfigurationError (ValueError)     an option is unknown, malformed or out of range
    │   └── MissingDependency (ImportError) an extra is not installed
    ├── LookupFailed                        a provider could not be asked what became of a call
    ├── SignatureInvalid (ValueError)       a webhook's signature, time or sender is not to be trusted
    ├── WebhookMalformed (ValueError)       a verified webhook's body is not what its sender documents
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


class LookupFailed(DeliveryError):
    """A provider could not be asked, or does not say; what became of the call stays unknown."""


class SignatureInvalid(DeliveryError, ValueError):
    """A webhook is not to be trusted: no signature, a wrong one, an old one, or one of somebody else.

    The text says which, and nothing of the request.
    """


class WebhookMalformed(DeliveryError, ValueError):
    """A webhook's body is not what its sender documents; the text names the field and the rule, never a value."""
