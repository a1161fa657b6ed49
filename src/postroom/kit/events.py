"""Events: the work announces, and logs, metrics and traces listen.

An event is a frozen value with a name and fields. A listener cannot break the work: what it raises is
reported through the standard logger `postroom.events` without the event's contents.
"""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

E = TypeVar("E")
Listener = Callable[[Any], None]

logger = logging.getLogger("postroom.events")


class Events:
    """A synchronous bus; listeners are called in the order in which they subscribed."""

    __slots__ = ("_listeners",)

    def __init__(self) -> None:
        self._listeners: list[tuple[type[Any], Listener]] = []

    def __bool__(self) -> bool:
        """Whether anyone listens; hot paths ask before they build an event."""
        return bool(self._listeners)

    def subscribe(self, kind: type[E], listener: Callable[[E], None]) -> Callable[[], None]:
        """Call `listener` for every event of that class (`object` for all); returns the act of unsubscribing."""
        entry = (kind, listener)
        self._listeners = [*self._listeners, entry]

        def unsubscribe() -> None:
            self._listeners = [known for known in self._listeners if known is not entry]

        return unsubscribe

    def emit(self, event: object) -> None:
        """Hand the event to its listeners; what a listener raises is logged and stops here."""
        for kind, listener in self._listeners:
            if isinstance(event, kind):
                try:
                    listener(event)
                except Exception:
                    logger.exception("a listener failed on %s", type(event).__name__)
