"""What the application's tests share."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from postroom.wiring import Application


class Open(Protocol):
    """Opens an application with settings of the test's own."""

    def __call__(self, **settings: str) -> AbstractAsyncContextManager[Application]: ...
