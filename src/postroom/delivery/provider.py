"""The port: what a provider of a channel promises, and the envelopes it is handed.

Owns the protocol and the value types. Which provider gets a message, in which order and how often, is decided
elsewhere; what became of it is an `Outcome`.
"""

from typing import ClassVar, Literal, Protocol, TypeAlias

from postroom.delivery.outcome import Outcome
from postroom.kit.redact import Discreet

Channel: TypeAlias = Literal["email", "sms"]
"""How a message travels."""


class Email(Discreet, frozen=True):
    """An email to one person. Its repr shows the message id and nothing else.

    `content` is plain text; `html`, where given, becomes the richer alternative to it. `sender` is `a@b` or
    `Name <a@b>`; without it the provider's own is used. `headers` are added as they are; those that the provider
    writes itself (From, To, Subject, Date, Message-ID, MIME and transport headers) are refused.
    """

    shown: ClassVar[tuple[str, ...]] = ("message_id",)

    message_id: str
    recipient: str
    subject: str
    content: str
    html: str | None = None
    sender: str | None = None
    headers: dict[str, str] = {}  # noqa: RUF012 - msgspec gives every value a dictionary of its own


class Text(Discreet, frozen=True):
    """A text message to one person. Its repr shows the message id and nothing else."""

    shown: ClassVar[tuple[str, ...]] = ("message_id",)

    message_id: str
    recipient: str
    content: str


Envelope: TypeAlias = Email | Text
"""What a provider may be handed; which of the two follows from its channel."""


class Provider(Protocol):
    """Something that hands a message to the outside world."""

    @property
    def name(self) -> str:
        """What operators call it; stands in outcomes, logs and metrics."""

    @property
    def channel(self) -> Channel:
        """What it can send."""

    async def open(self) -> None:
        """Get ready to send; a second call changes nothing. Does not have to reach the other side."""

    async def send(self, envelope: Envelope) -> Outcome:
        """Hand the envelope over and say what became of it.

        What servers and networks do comes back as an outcome, never as an exception. Raises TypeError for an
        envelope of the other channel and RuntimeError before `open` or after `close`. A cancellation passes
        through; what became of the message is then unknown to the provider.
        """

    async def close(self) -> None:
        """Take leave of the other side and free what is held; a second call changes nothing."""
