"""The port: what a provider of a channel promises, and the envelopes it is handed.

Owns the protocol and the value types. Which provider gets a message, in which order and how often, is decided
elsewhere; what became of it is an `Outcome`.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

from postroom.delivery.events import DeliveryEvent
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

    shown: ClassVar[tuple[str, ...]] = ("message_id", "attempt_id")

    message_id: str
    recipient: str
    subject: str
    content: str
    html: str | None = None
    sender: str | None = None
    headers: dict[str, str] = {}  # noqa: RUF012 - msgspec gives every value a dictionary of its own
    attempt_id: str = ""
    """The correlation token of this one call: opaque, handed to the provider so that its callbacks repeat it."""
    idempotency_key: str = ""
    """The same on every try that must not become a second message; for providers that take such a key."""


class Text(Discreet, frozen=True):
    """A text message to one person. Its repr shows the message id and nothing else."""

    shown: ClassVar[tuple[str, ...]] = ("message_id", "attempt_id")

    message_id: str
    recipient: str
    content: str
    sender: str | None = None
    """The number or sender id it comes from; without it the provider's own."""
    attempt_id: str = ""
    """As in `Email`."""
    idempotency_key: str = ""
    """As in `Email`."""


Envelope: TypeAlias = Email | Text
"""What a provider may be handed; which of the two follows from its channel."""


class ProviderContext(Discreet, frozen=True):
    """What a provider's URL may leave out. Its repr shows nothing.

    `credentials` are secrets under the vendor's usual names (`SENDGRID_API_KEY`); what the URL says wins.
    `public_url` is where the outside world reaches our own API (`https://postroom.example.com`), for callbacks.
    """

    shown: ClassVar[tuple[str, ...]] = ()

    credentials: Mapping[str, str] = {}
    public_url: str | None = None


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


class Sought(Discreet, frozen=True):
    """A call whose outcome is not known, as a provider may be asked for it."""

    shown: ClassVar[tuple[str, ...]] = ("message_id", "attempt_id", "provider_message_id")

    message_id: str
    attempt_id: str
    since_us: int
    """When the call was made, microseconds since 1970 UTC."""
    envelope: Envelope | None = None
    """What was handed over, where it is still known."""
    provider_message_id: str | None = None
    """The provider's own id, where it was ever told."""


@runtime_checkable
class Searchable(Protocol):
    """A provider that can be asked what became of a call; `isinstance` tells whether one can."""

    async def find(self, sought: Sought) -> DeliveryEvent | None:
        """The latest it knows of the call, or None when it never got it.

        Raises LookupFailed when it could not be asked or does not say: then nothing is known.
        """


@runtime_checkable
class Idempotent(Protocol):
    """A provider that takes `idempotency_key`: the same call again within the time sends nothing twice."""

    @property
    def idempotency_seconds(self) -> float:
        """How long a key is remembered."""
