"""The port of receivers, and what most of them share."""

import hmac
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Protocol

import msgspec

from postroom.delivery.errors import ConfigurationError, SignatureInvalid, WebhookMalformed
from postroom.delivery.events import DeliveryEvent
from postroom.delivery.webhooks.received import Received
from postroom.kit.clock import MICROSECOND, Clock, to_us
from postroom.kit.redact import Discreet

WINDOW_SECONDS: Final = 300
"""How old, or how far ahead, a signed time may be."""
_ENHANCED: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


class ReceiverOptions(Discreet, frozen=True, kw_only=True):
    """What a receiver is given; its repr shows nothing."""

    shown: ClassVar[tuple[str, ...]] = ()

    secrets: Sequence[str] = ()
    """Keys; several while they are being changed."""
    topics: Sequence[str] = ()
    """SNS: the ARNs of the topics that are ours."""
    fetch: Callable[[str], Awaitable[bytes]] | None = None
    """SNS: gets a certificate over https."""


class Receiver(Protocol):
    """Takes one provider's webhooks."""

    @property
    def name(self) -> str:
        """The last part of its path."""

    async def verify(self, received: Received) -> None:
        """Make sure who sent it; raises SignatureInvalid."""

    def parse(self, received: Received) -> Sequence[DeliveryEvent]:
        """The events in it; raises WebhookMalformed."""


def need_secrets(options: ReceiverOptions, name: str) -> tuple[str, ...]:
    """The secrets; raises ConfigurationError when there are none."""
    if not options.secrets:
        raise ConfigurationError(f"the webhook {name} needs a secret", key=f"webhook {name}")
    return tuple(options.secrets)


def same(one: str | bytes, other: str | bytes) -> bool:
    """Whether they are equal; in constant time."""
    a, b = (text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text for text in (one, other))
    return hmac.compare_digest(a, b)


def check_time(stamp: str, clock: Clock) -> None:
    """Raise SignatureInvalid for seconds since 1970 that are no number, too old, or too far ahead."""
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
        raise SignatureInvalid("the signed time is missing or is not a number")
    if abs(clock.now_us() / MICROSECOND - int(stamp)) > WINDOW_SECONDS:
        raise SignatureInvalid("the signed time is too old, or too far ahead")


def read_json(body: bytes) -> Any:
    """The body as JSON; raises WebhookMalformed."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise WebhookMalformed("the body is not JSON") from None


def object_in(value: Any, name: str = "the body") -> dict[str, Any]:
    """The value as a JSON object; raises WebhookMalformed."""
    if not isinstance(value, dict):
        raise WebhookMalformed(f"{name} must be an object")
    return value


def text_in(value: dict[str, Any], name: str) -> str | None:
    """A text of an object, None when it is missing; numbers become text. Raises WebhookMalformed for others."""
    found = value.get(name)
    if isinstance(found, bool | dict | list):
        raise WebhookMalformed(f"{name} must be a text")
    return None if found is None or found == "" else str(found)


def need_text(value: dict[str, Any], name: str) -> str:
    """The same of one that must be there."""
    found = text_in(value, name)
    if found is None:
        raise WebhookMalformed(f"{name} is missing")
    return found


def seconds_in(value: dict[str, Any], name: str) -> int | None:
    """Seconds since 1970 as microseconds; None when it is missing or no number."""
    found = value.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found < 1e11:
        return None
    return round(found * MICROSECOND)


def moment_in(value: object, name: str) -> int | None:
    """A date and time (RFC 3339) of an object as microseconds; None when it is missing or none."""
    found = value.get(name) if isinstance(value, dict) else None
    if not isinstance(found, str):
        return None
    try:
        moment = msgspec.convert(found, datetime)
    except msgspec.ValidationError:
        return None
    return to_us(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))


def enhanced_in(value: object, name: str) -> str | None:
    """An enhanced status code (RFC 3463), if it is one: such fields may hold a far server's words."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, str) and _ENHANCED.fullmatch(found) else None
