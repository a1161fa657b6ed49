"""Errors of the queue: one tree under `QueueError`.

    QueueError
    ├── ConfigurationError (ValueError)     a setting is unknown, malformed or out of range
    │   ├── UnsupportedCapability           the broker behind the URL cannot do what was asked
    │   └── MissingDependency (ImportError) an extra is not installed
    ├── QueueNotFound (LookupError)         no queue of that name
    ├── MessageRejected (ValueError)        the message or batch cannot be sent as it is
    │   ├── MessageTooLarge                 over the bytes or count limit
    │   └── ContentTypeError (TypeError)    the body does not fit its content type
    ├── QueuePaused                         delivery is paused, so nothing can be pulled
    ├── QueueDraining                       it takes nothing new, so that it becomes empty
    ├── QueueClosed                         the connection to the broker was closed
    └── BrokerError                         the store failed
        ├── StorageFull (OSError)           no room left; nothing of this call was stored
        └── BrokerUnavailable (ConnectionError)  the store cannot be reached or is locked for too long

Texts name what was wrong, where, and what to do; they never contain a message's body.
"""


class QueueError(Exception):
    """Root of all errors that `postroom.queues` raises."""


class ConfigurationError(QueueError, ValueError):
    """A setting is unknown, malformed or out of range.

    `key` is the setting's name, `value` what was given, `allowed` the range in words, `where` the file or call.
    """

    def __init__(
        self,
        text: str,
        *,
        key: str | None = None,
        value: object = None,
        allowed: str | None = None,
        where: str | None = None,
    ) -> None:
        super().__init__(text)
        self.key = key
        self.value = value
        self.allowed = allowed
        self.where = where

    @classmethod
    def out_of_range(
        cls, key: str, value: object, allowed: str, where: str | None = None
    ) -> "ConfigurationError":
        """The usual text: `where: key is value; allowed: range`."""
        place = f"{where}: " if where else ""
        return cls(
            f"{place}{key} is {value!r}; allowed: {allowed}",
            key=key,
            value=value,
            allowed=allowed,
            where=where,
        )


class UnsupportedCapability(ConfigurationError):
    """The broker behind the URL cannot do what was asked."""


class MissingDependency(ConfigurationError, ImportError):
    """An optional part of Postroom is not installed; the text has the command that installs it."""


class QueueNotFound(QueueError, LookupError):
    """There is no queue of that name; `known` lists those there are."""

    def __init__(self, name: str, known: tuple[str, ...] = ()) -> None:
        listed = ", ".join(sorted(known)) or "none yet"
        super().__init__(
            f'queue "{name}" does not exist (known: {listed}); '
            f"create it with `postroom queue create {name}` or `await queues.create({name!r})`"
        )
        self.name = name
        self.known = known


class MessageRejected(QueueError, ValueError):
    """The message or batch cannot be sent as it is; nothing of it was stored."""


class MessageTooLarge(MessageRejected):
    """Over a limit: `size` was given where at most `limit` is allowed."""

    def __init__(self, text: str, *, size: int, limit: int) -> None:
        super().__init__(text)
        self.size = size
        self.limit = limit


class ContentTypeError(MessageRejected, TypeError):
    """The body does not fit its content type, or the type is unknown."""


class QueuePaused(QueueError):
    """Delivery of the queue is paused; `await queue.resume()` or `postroom queue resume NAME` continues it."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f'delivery of queue "{name}" is paused; resume it with `postroom queue resume {name}`'
        )
        self.name = name


class QueueDraining(QueueError):
    """The queue takes nothing new; `postroom queue resume NAME` lets it take again.

    `until_us` is when it takes again by itself, None until somebody says so.
    """

    def __init__(self, name: str, until_us: int | None = None, reason: str | None = None) -> None:
        super().__init__(
            f'queue "{name}" is being drained and takes nothing new; `postroom queue resume {name}` ends that'
        )
        self.name = name
        self.until_us = until_us
        self.reason = reason


class QueueClosed(QueueError):
    """The connection to the broker was closed."""

    def __init__(
        self, text: str = "the queues are closed; use them inside `async with connect(...)`"
    ) -> None:
        super().__init__(text)


class BrokerError(QueueError):
    """The store behind the queue failed."""


class StorageFull(BrokerError, OSError):
    """The store has no room left; nothing of this call was stored."""


class BrokerUnavailable(BrokerError, ConnectionError):
    """The store cannot be reached, or another process holds its lock for too long."""
