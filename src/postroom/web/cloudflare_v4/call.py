"""What a handler is given, and what handlers share: the queue of a path, bodies as models, moments as texts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from postroom.audit import record
from postroom.cloudflare import Catalogue, Entry
from postroom.kit.clock import to_datetime
from postroom.store import StoreTransaction
from postroom.web.auth import Identity
from postroom.web.cloudflare_v4.envelope import Answer, ResultInfo
from postroom.web.cloudflare_v4.errors import (
    BODY_REFUSED,
    JSON_INVALID,
    JSON_MALFORMED,
    NO_QUEUE,
    QUEUE_ID_MALFORMED,
    QUEUE_NOT_FOUND,
    ApiError,
)
from postroom.web.services import WebServices

T = TypeVar("T")

PER_PAGE_DEFAULT: Final = 100
PER_PAGE_MAX: Final = 1000


class Call(NamedTuple):
    """One request."""

    services: WebServices
    catalogue: Catalogue
    path: Mapping[str, str]
    """What stood in the places of the path: `account`, `queue`, ..."""
    query: Mapping[str, Sequence[str]]
    body: bytes
    identity: Identity

    @property
    def now_us(self) -> int:
        """Now."""
        return self.services.clock.now_us()

    async def entry(self, *, data: bool = False) -> Entry:
        """The queue of the path; raises ApiError, with the code of the data plane or of the control plane."""
        given = self.path["queue"]
        if not given.isascii() or not given.isalnum():
            raise ApiError(400, QUEUE_ID_MALFORMED, "The queue id must be alphanumeric")
        found = await self.catalogue.entry(given)
        if found is None:
            raise ApiError(404, QUEUE_NOT_FOUND if data else NO_QUEUE, "Queue does not exist")
        return found

    async def write(
        self,
        action: str,
        object_id: str,
        function: Callable[[StoreTransaction], T],
        *,
        object_type: str = "queue",
        **details: Any,
    ) -> T:
        """Do it, and write into the trail who did, in one transaction."""
        now_us, actor = self.now_us, self.identity.actor

        def run(transaction: StoreTransaction) -> T:
            result = function(transaction)
            record(
                transaction, at_us=now_us, actor=actor, action=action, object_type=object_type, object_id=object_id,
                details=details,
            )  # fmt: skip
            return result

        return await self.services.store.write(run)


def decode(body: bytes, decoder: msgspec.json.Decoder[T], *, code: int = JSON_INVALID) -> T:
    """The body as its model; raises ApiError, with `code` for what is JSON and not the model."""
    try:
        # Anywhere in the JSON: the decoder looks only into the strings that it needs.
        if not body.isascii():
            body.decode()
        return decoder.decode(body or b"{}")
    except msgspec.ValidationError as error:
        # These texts name types, limits and places, and values of ours, never the client's.
        raise ApiError(400, code, f"The request's body is not valid: {error}") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise ApiError(400, JSON_MALFORMED, "The request's body is not valid JSON") from None


def page(
    call: Call, found: Sequence[T], *, per_page: int = PER_PAGE_DEFAULT
) -> tuple[Sequence[T], ResultInfo]:
    """The part of a list that was asked for by `page` and `per_page`; raises ApiError."""
    number = _number(call, "page", 1, 1 << 31)
    size = _number(call, "per_page", per_page, PER_PAGE_MAX)
    part = found[(number - 1) * size : number * size]
    return part, ResultInfo(number, size, len(part), len(found), -(-len(found) // size))


def moment(us: int) -> str:
    """As Cloudflare writes moments: RFC 3339 with microseconds."""
    return to_datetime(us).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _number(call: Call, name: str, default: int, most: int) -> int:
    given = call.query.get(name, [""])[-1]
    if not given:
        return default
    if given.isascii() and given.isdigit() and len(given) < 11 and 1 <= int(given) <= most:
        return int(given)
    raise ApiError(400, BODY_REFUSED, f"{name} must be a whole number from 1 to {most}")


__all__ = ["Answer", "Call", "decode", "moment", "page"]
