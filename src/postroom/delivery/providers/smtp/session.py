"""One SMTP session and its transactions: MAIL, RCPT, DATA, content and final dot, one recipient each.

Owns the stages. The rule that everything here serves: before the final dot has been given to the transport the
message is certainly unsent; from then on only a reply can say what became of it.
"""

from collections.abc import Collection
from typing import Final, TypeAlias

from postroom.delivery.mime import Composed
from postroom.delivery.outcome import Outcome, Stage, classify_loss, classify_smtp
from postroom.delivery.providers.smtp.options import SmtpOptions
from postroom.delivery.providers.smtp.wire import Reply, Wire
from postroom.kit.clock import MICROSECOND, Clock

ONE_WRITE_BYTES_MAX: Final = 65_536
"""Content up to this many bytes goes out together with its final dot. Longer content goes first, so that a line
lost on the way is known to be lost before the dot."""

EXPECTED: Final[dict[Stage, int]] = {"mail": 2, "rcpt": 2, "data": 3}
"""First digit of the reply that lets a transaction go on (RFC 5321 4.2.1 and 4.3.2)."""

Command: TypeAlias = tuple[Stage, bytes]


class Session:
    """A connection after EHLO, TLS and AUTH, used for one transaction at a time."""

    def __init__(self, wire: Wire, extensions: Collection[str], options: SmtpOptions, clock: Clock) -> None:
        self.wire = wire
        self.transactions = 0
        self._pipelining = "pipelining" in extensions
        self._size = "size" in extensions
        self._options = options
        self._clock = clock
        self._opened_us = clock.now_us()
        self._dirty = False

    @property
    def usable(self) -> bool:
        """Whether another transaction may be begun: the line is up, at rest, and within its age and count."""
        age_seconds = (self._clock.now_us() - self._opened_us) / MICROSECOND
        return (
            self.wire.lost is None
            and not self.wire.busy
            and self.transactions < self._options.max_messages_per_connection
            and age_seconds < self._options.max_age_seconds
        )

    async def transact(self, mail: Composed) -> Outcome | None:
        """Hand the message over and say what became of it.

        None means that the line had gone stale since its last use: nothing was handed over, and a new session may
        try at once. A first transaction never returns None. When cancelled, the line stays busy and unusable.
        """
        used = self.transactions > 0
        self.transactions += 1
        self.wire.busy = True
        outcome = await self._envelope(mail)
        if outcome is None:
            return await self._content(mail.content)
        # The race: the server hung up, or said 421, while the line was idle or as we began to use it. No content has
        # been sent, so trying again cannot send anything twice.
        return None if used and self.wire.lost == "closed" else outcome

    async def _envelope(self, mail: Composed) -> Outcome | None:
        """None once the server waits for the content; else why it does not."""
        size = f" SIZE={len(mail.content)}" if self._size else ""
        commands: list[Command] = [
            ("mail", f"MAIL FROM:<{mail.sender}>{size}\r\n".encode("ascii")),
            ("rcpt", f"RCPT TO:<{mail.recipient}>\r\n".encode("ascii")),
            ("data", b"DATA\r\n"),
        ]
        if self._dirty:
            commands.insert(0, ("mail", b"RSET\r\n"))
            self._dirty = False
        step = len(commands) if self._pipelining else 1
        for start in range(0, len(commands), step):
            group = commands[start : start + step]
            self.wire.write(b"".join([line for _, line in group]))
            replies = await self.wire.replies(len(group), self._options.command_timeout_seconds)
            for place, (stage, _) in enumerate(group):
                if place == len(replies):
                    return self._lost(stage)
                if replies[place].code // 100 != EXPECTED[stage]:
                    return self._refused(stage, replies[place], replies[-1])
        return None

    def _refused(self, stage: Stage, reply: Reply, last: Reply) -> Outcome:
        self._dirty = True
        if reply.code == 421:
            self.wire.close()
        # A server that pipelines may say 354 although it refused the recipient (RFC 2920 3.1): it now waits for
        # content, so the line stays busy and is thrown away.
        elif last.code // 100 != EXPECTED["data"]:
            self.wire.busy = False
        return classify_smtp(reply.code, reply.text, stage)

    async def _content(self, content: bytes) -> Outcome:
        wire, timeout = self.wire, self._options.final_timeout_seconds
        body = content.replace(b"\r\n.", b"\r\n..")
        if len(body) > ONE_WRITE_BYTES_MAX:
            wire.write(body)
            await wire.drained(timeout)
            body = b""
        if wire.lost or wire.answered:
            return await self._cut_short()
        # From here on the server may own the message.
        wire.write(body + b".\r\n")
        replies = await wire.replies(1, timeout)
        if not replies:
            return self._lost("dot")
        if replies[0].code == 421:
            wire.close()
        wire.busy = False
        return classify_smtp(replies[0].code, replies[0].text, "dot")

    async def _cut_short(self) -> Outcome:
        """The server hung up or answered before the final dot; the line is of no more use."""
        replies = await self.wire.replies(1, self._options.command_timeout_seconds)
        outcome = classify_smtp(replies[0].code, replies[0].text, "data") if replies else self._lost("data")
        self.wire.abort()
        return outcome

    def _lost(self, stage: Stage) -> Outcome:
        return classify_loss(stage, self.wire.lost or "closed")

    def quit(self) -> None:
        """Say QUIT and hang up without waiting for the answer, which could change nothing."""
        if self.wire.lost is None and not self.wire.busy:
            self.wire.write(b"QUIT\r\n")
            self.wire.close()
        else:
            self.wire.abort()
