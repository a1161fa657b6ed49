"""A batch as a handler sees it.

https://developers.cloudflare.com/queues/configuration/javascript-apis/#messagebatch
"""

from collections.abc import Awaitable, Callable, Sequence

from postroom.queues import limits
from postroom.queues.broker import Leased
from postroom.queues.events import CallIgnored
from postroom.queues.message import Message
from postroom.queues.options import check_range


class MessageBatch:
    """Messages of one queue, delivered together.

    `acks_all` and `retries_all` tell which batch-level call was made first, if any.
    """

    __slots__ = (
        "_delay_max",
        "_extend",
        "_report",
        "acks_all",
        "messages",
        "queue",
        "retries_all",
        "retry_all_delay",
    )

    def __init__(
        self,
        queue: str,
        leased: Sequence[Leased],
        *,
        delay_max: int | None = None,
        extend: Callable[[Leased, float], Awaitable[bool]] | None = None,
        report: Callable[[CallIgnored], None] | None = None,
    ) -> None:
        self.queue = queue
        self.messages: Sequence[Message] = [Message(one, self) for one in leased]
        self.acks_all = False
        self.retries_all = False
        self.retry_all_delay: float | None = None
        self._delay_max = delay_max
        self._extend = extend
        self._report = report

    def __repr__(self) -> str:
        return f"<MessageBatch of {len(self.messages)} from {self.queue}>"

    def __len__(self) -> int:
        return len(self.messages)

    @property
    def decided_all(self) -> bool:
        """Whether a batch-level call was made."""
        return self.acks_all or self.retries_all

    def ack_all(self) -> None:
        """Handled: every message that no call of its own decided is deleted, even if the handler raises later.

        Without effect after `retry_all`.
        """
        if self.retries_all:
            self.ignored(None, "ack_all", "retry_all")
            return
        self.acks_all = True

    def retry_all(self, *, delay_seconds: float | None = None) -> None:
        """Deliver again every message that no call of its own decided.

        Without effect after `ack_all`. Raises ConfigurationError for a delay out of range.
        """
        self.check_delay(delay_seconds)
        if self.acks_all:
            self.ignored(None, "retry_all", "ack_all")
            return
        self.retries_all = True
        if delay_seconds is not None:
            self.retry_all_delay = delay_seconds

    def check_delay(self, delay_seconds: float | None) -> None:
        """Raise ConfigurationError unless the broker can wait for so long."""
        if delay_seconds is not None:
            high = limits.DELAY_SECONDS_CEILING if self._delay_max is None else self._delay_max
            check_range("delay_seconds", delay_seconds, 0, high, "seconds", whole=False)

    async def extend(self, leased: Leased, seconds: float) -> bool:
        """Carry `Message.extend` to the broker; raises ConfigurationError for a time out of range."""
        check_range("seconds", seconds, 0, limits.VISIBILITY_MS_MAX / 1000, "seconds", whole=False)
        return self._extend is not None and await self._extend(leased, seconds)

    def ignored(self, message_id: str | None, call: str, because: str) -> None:
        """Announce that a call came too late to matter."""
        if self._report is not None:
            self._report(CallIgnored(queue=self.queue, id=message_id, call=call, because=because))
