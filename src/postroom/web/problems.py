"""Errors as the client sees them: RFC 9457 problem details, the same from every handler.

`problem_of` is the one place where exceptions become answers. No text here repeats a value that was sent:
recipients, subjects and contents are health data. https://www.rfc-editor.org/rfc/rfc9457
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final, NamedTuple

import msgspec
from litestar.exceptions import HTTPException, ValidationException

from postroom.jobs import JobInvalid
from postroom.jobs.validation import JobTooLarge
from postroom.queues import (
    BrokerError,
    BrokerUnavailable,
    ConfigurationError,
    MessageRejected,
    MessageTooLarge,
    QueueClosed,
    QueueDraining,
    QueueNotFound,
    QueuePaused,
    StorageFull,
)

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:postroom:problem:"
INSTANCE_PREFIX: Final = "urn:postroom:request:"

BUSY_SECONDS: Final = 5
"""Retry-After while the store is busy or closing."""
DRAIN_SECONDS: Final = 60
"""Retry-After while a queue is being drained."""
FULL_SECONDS: Final = 60
"""Retry-After while the disk is full: a person has to make room."""


class Kind(NamedTuple):
    """One sort of problem: the last part of its `type`, its status, and its `title`."""

    name: str
    status: int
    title: str


MALFORMED = Kind("malformed-json", 400, "The body is not valid JSON")
PARAMETER_INVALID = Kind("parameter-invalid", 400, "A parameter cannot be used")
UNAUTHENTICATED = Kind("unauthenticated", 401, "A bearer token is needed")
FORBIDDEN = Kind("forbidden", 403, "Not allowed")
NOT_FOUND = Kind("not-found", 404, "There is no such thing")
METHOD_NOT_ALLOWED = Kind("method-not-allowed", 405, "This method is not for this path")
CONFLICT = Kind("conflict", 409, "That cannot be done now")
QUEUE_PAUSED = Kind("queue-paused", 409, "Delivery of the queue is paused")
QUEUE_DRAINING = Kind("queue-draining", 503, "The queue takes nothing new at the moment")
TOO_LARGE = Kind("too-large", 413, "Too large")
JOB_INVALID = Kind("job-invalid", 422, "The job cannot be accepted")
REQUEST_INVALID = Kind("request-invalid", 422, "The request cannot be carried out")
HEAD_TOO_LARGE = Kind("head-too-large", 431, "The request's head is too large")
INTERNAL = Kind("internal", 500, "Something failed on our side")
UNAVAILABLE = Kind("unavailable", 503, "Not available at the moment")
STORAGE_FULL = Kind("storage-full", 507, "The store has no room left")


class FieldProblem(msgspec.Struct, frozen=True):
    """One thing that is wrong: where, by wire name and path, and the reason as a predicate. `$` is the whole."""

    field: str
    reason: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str = ""
    instance: str
    """Names this answer: a URN with the request's id."""
    errors: Sequence[FieldProblem] = ()


class Refusal(Exception):
    """An answer that is a problem; raised by handlers, made into bytes by `encode`."""

    def __init__(
        self,
        kind: Kind,
        detail: str = "",
        *,
        errors: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
        permission: str | None = None,
    ) -> None:
        super().__init__(detail or kind.title)
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}
        self.permission = permission
        """The permission that is missing, if it is that."""


_encode = msgspec.json.Encoder().encode


def encode(refusal: Refusal, request_id: str) -> bytes:
    """The problem as JSON."""
    return _encode(
        Problem(
            type=TYPE_PREFIX + refusal.kind.name,
            title=refusal.kind.title,
            status=refusal.kind.status,
            detail=refusal.detail,
            instance=INSTANCE_PREFIX + request_id,
            errors=tuple(refusal.errors),
        )
    )


def problem_of(error: Exception) -> Refusal:
    """What an exception means to the client; what is not known here is our failure and tells nothing."""
    match error:
        case Refusal():
            return error
        case JobInvalid():
            return _job_invalid(error)
        case HTTPException():
            return _of_framework(error)
        case MessageTooLarge():
            return Refusal(TOO_LARGE, f"{error.size:,} bytes or messages; at most {error.limit:,}")
        case MessageRejected():
            return Refusal(REQUEST_INVALID, str(error))
        case QueueNotFound():
            return Refusal(
                NOT_FOUND, f"There is no queue of that name; known: {', '.join(error.known) or 'none'}."
            )
        case QueuePaused():
            return Refusal(QUEUE_PAUSED)
        case QueueDraining():
            return _later(
                QUEUE_DRAINING, "It is being drained; nothing of this request was stored.", DRAIN_SECONDS
            )
        case ConfigurationError(key=str(key), allowed=str(allowed)):
            return Refusal(REQUEST_INVALID, errors=[FieldProblem(key, f"must be {allowed}")])
        case StorageFull():
            return _later(STORAGE_FULL, "Nothing of this request was stored.", FULL_SECONDS)
        case BrokerUnavailable() | BrokerError() | QueueClosed():
            return _later(UNAVAILABLE, "The store does not answer; try again.", BUSY_SECONDS)
        case _:
            return Refusal(INTERNAL, "It has been recorded under the id in `instance`.")


def _later(kind: Kind, detail: str, seconds: int) -> Refusal:
    return Refusal(kind, detail, headers={"retry-after": str(seconds)})


def _job_invalid(error: JobInvalid) -> Refusal:
    errors = [FieldProblem(problem.field, problem.reason) for problem in error.problems]
    return Refusal(TOO_LARGE if isinstance(error, JobTooLarge) else JOB_INVALID, errors=errors)


def _of_framework(error: HTTPException) -> Refusal:
    """What Litestar raises: its texts may quote the URL, so only its status and headers are used."""
    status = error.status_code
    if isinstance(error, ValidationException):
        return Refusal(PARAMETER_INVALID, "See the description of this operation at /schema.")
    for kind in (NOT_FOUND, METHOD_NOT_ALLOWED, TOO_LARGE):
        if kind.status == status:
            headers = {name.lower(): value for name, value in (error.headers or {}).items()}
            detail = "`/schema` lists the paths that there are." if kind is NOT_FOUND else ""
            return Refusal(kind, detail, headers={"allow": headers["allow"]} if "allow" in headers else None)
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return Refusal(Kind("refused", status, HTTPStatus(status).phrase))
    return Refusal(INTERNAL)
