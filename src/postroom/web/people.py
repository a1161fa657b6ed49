"""From a request to the person who acts, and from the workflow's refusals to answers."""

import re
from typing import Final

from postroom.messages import IllegalMove, MessageInvalid, NoSuchMessage, NotAllowed, Person, VersionMoved
from postroom.web.dependencies import Asked
from postroom.web.problems import (
    FORBIDDEN,
    NOT_FOUND,
    PARAMETER_INVALID,
    REQUEST_INVALID,
    FieldProblem,
    Kind,
    Refusal,
)

ILLEGAL_MOVE: Final = Kind("illegal-move", 409, "The message is not in a state for that")
VERSION_MOVED: Final = Kind("version-moved", 412, "The message has changed meanwhile")
VERSION_NEEDED: Final = Kind("version-needed", 428, "Say which version you have seen")

_ETAG: Final = re.compile(r'(?:W/)?"v([0-9]{1,18})"')


def person_of(request: Asked) -> Person:
    """Who acts, from where, and what they may do."""
    identity = request.user
    return Person(identity.actor, identity.permissions)


def etag(version: int) -> str:
    """A version as an entity tag (RFC 9110 8.8.3)."""
    return f'"v{version}"'


def seen_version(request: Asked, *, required: bool) -> int | None:
    """The version that the client has seen, from If-Match (RFC 9110 13.1.1); `*` stands for any.

    Raises Refusal: 428 when it is missing though required (RFC 6585 3), 400 when it is no version of ours.
    """
    given = request.headers.get("if-match")
    if given is None:
        if required:
            raise Refusal(
                VERSION_NEEDED, "Send `If-Match` with the ETag of the message as you saw it, or `*`."
            )
        return None
    if given.strip() == "*":
        return None
    found = _ETAG.fullmatch(given.strip())
    if found is None:
        raise Refusal(
            PARAMETER_INVALID, errors=[FieldProblem("If-Match", "must be an ETag of this kind of thing")]
        )
    return int(found[1])


def refusal_of(error: Exception) -> Refusal | None:
    """What a refusal of the workflow is to the client; None for any other error."""
    match error:
        case NoSuchMessage():
            return Refusal(NOT_FOUND, "There is no message with that id.")
        case NotAllowed():
            return Refusal(
                FORBIDDEN, f"{error.reason[0].upper()}{error.reason[1:]}.", permission=error.permission
            )
        case VersionMoved():
            return Refusal(
                VERSION_MOVED, "Look at it again, then decide.", headers={"etag": etag(error.version)}
            )
        case IllegalMove():
            possible = (
                f"possible now: {', '.join(error.possible)}" if error.possible else "nothing can be done now"
            )
            return Refusal(ILLEGAL_MOVE, f"It is {error.state}; {possible}.")
        case MessageInvalid():
            return Refusal(
                REQUEST_INVALID, errors=[FieldProblem(one.field, one.reason) for one in error.problems]
            )
        case _:
            return None
