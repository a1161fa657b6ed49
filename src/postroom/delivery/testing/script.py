"""What a double does with its next request, and the double's common part."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, Self, TypeAlias

from postroom.delivery.testing.loopback import Answer, HangUp, Loopback, Request
from postroom.delivery.testing.reports import Callback, Postman, Reports


class Accept(NamedTuple):
    """Take the message and say so."""


class AcceptAndHangUp(NamedTuple):
    """Take the message; the answer is lost."""


class AcceptAndReply(NamedTuple):
    """Take the message, and answer something else, such as 500."""

    status: int
    body: Any = None


class Reply(NamedTuple):
    """Take nothing, and answer this."""

    status: int
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()


class Hold(NamedTuple):
    """Wait for an event before going on; for answers that come too late."""

    until: asyncio.Event


Do: TypeAlias = Accept | AcceptAndHangUp | AcceptAndReply | Reply | HangUp | Hold


class Double:
    """A vendor on loopback; subclasses check requests and make answers."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.messages: list[dict[str, Any]] = []
        self.reports: Reports | None = None
        """What is called back of every message; None: nothing, until a test posts it."""
        self.webhook_url = ""
        """Where callbacks go, as it is set at vendors whose calls do not name it."""
        self.now: Callable[[], float] = time.time
        """Seconds since 1970, for signed times."""
        self.postman = Postman()
        self._script: deque[Do] = deque()
        self._loopback = Loopback(self._handle)

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._loopback.url

    async def __aenter__(self) -> Self:
        await self._loopback.__aenter__()
        return self

    async def __aexit__(self, *exit_: object) -> None:
        await self.postman.close()
        await self._loopback.__aexit__(*exit_)

    def script(self, *steps: Do) -> None:
        """Do this with the next requests that send a message; afterwards accept again."""
        self._script.extend(steps)

    async def _handle(self, request: Request) -> Answer | HangUp:
        self.requests.append(request)
        other = self.other(request)
        if other is not None:
            return other
        wrong = self.check(request)
        step: Do = self._script.popleft() if self._script else Accept()
        while isinstance(step, Hold):
            await step.until.wait()
            step = self._script.popleft() if self._script else Accept()
        match step:
            case HangUp():
                return step
            case Reply(status, body, headers):
                return Answer.json(status, body, *headers)
        if wrong is not None:
            return wrong
        answer = self.take(request)
        await self._report(self.messages[-1])
        match step:
            case AcceptAndHangUp():
                return HangUp()
            case AcceptAndReply(status, body):
                return Answer.json(status, body)
        return answer

    def callback_of(self, message: dict[str, Any], status: str, **details: Any) -> Callback:
        """The signed callback that tells of a message's status, in the vendor's words."""
        raise NotImplementedError

    async def _report(self, message: dict[str, Any]) -> None:
        if self.reports is None:
            return
        told = [(one, {}) if isinstance(one, str) else one for one in self.reports.statuses]
        callbacks = [self.callback_of(message, status, **details) for status, details in told]
        if self.reports.early:
            await self.postman.deliver(callbacks, self.reports)
        else:
            self.postman.begin(callbacks, self.reports)

    def other(self, request: Request) -> Answer | None:
        """The answer to a request that sends nothing, such as a lookup; None when it sends."""
        return None

    def check(self, request: Request) -> Answer | None:
        """The answer to a request that the vendor would refuse; None when it is right."""
        raise NotImplementedError

    def take(self, request: Request) -> Answer:
        """Accept the message; the vendor's answer."""
        raise NotImplementedError
