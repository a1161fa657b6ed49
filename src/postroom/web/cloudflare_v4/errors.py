"""Cloudflare's error codes, and what our exceptions are among them.

The codes are those of https://developers.cloudflare.com/queues/reference/error-codes/ and of the control plane; a status
for each is not published, so it is ours. Texts never repeat a message's body.
"""

from collections.abc import Mapping
from typing import Final

from postroom.queues import (
    BrokerError,
    ConfigurationError,
    ContentTypeError,
    MessageRejected,
    MessageTooLarge,
    QueueClosed,
    QueueNotFound,
    QueuePaused,
    StorageFull,
)
from postroom.queues.limits import BATCH_BYTES_MAX
from postroom.web.limits import RATE_LIMITED
from postroom.web.people import refusal_of
from postroom.web.problems import (
    FORBIDDEN,
    FULL_SECONDS,
    MALFORMED,
    TOO_LARGE,
    UNAUTHENTICATED,
    Kind,
    Refusal,
)

UNNUMBERED: Final = 0
THROTTLED: Final = 971
TOKEN_INVALID: Final = 1000
NO_METHOD: Final = 7001
NO_ROUTE: Final = 7003
NO_CREDENTIALS: Final = 9106
AUTHENTICATION: Final = 10000
NO_WORKER: Final = 10007
SCRIPT_REFUSED: Final = 10021
BODY_REFUSED: Final = 10026
QUEUE_NOT_FOUND: Final = 10104
QUEUE_ID_MALFORMED: Final = 10107
BATCH_DELAY: Final = 10202
MESSAGE_METADATA: Final = 10203
MESSAGE_SIZE: Final = 10204
BATCH_SIZE: Final = 10205
BATCH_COUNT: Final = 10206
JSON_INVALID: Final = 10207
JSON_MALFORMED: Final = 10208
OVERLOADED: Final = 10250
STORAGE_FULL: Final = 10251
QUEUE_DISABLED: Final = 10252
NO_QUEUE: Final = 11000
NO_HANDLER: Final = 11001
QUEUE_NAME: Final = 11003
CONSUMER_EXISTS: Final = 11004
QUEUE_BOUND: Final = 11005
NO_CONSUMER: Final = 11006
QUEUE_EXISTS: Final = 11009
QUEUE_NOTIFIED: Final = 11017
INTERNAL: Final = 15000
CONSUMER_SETTINGS: Final = 100127
QUEUE_SETTINGS: Final = 100128


class ApiError(Refusal):
    """An answer that is an error of Cloudflare's kind."""

    def __init__(
        self, status: int, code: int, message: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(Kind(f"cloudflare-{code}", status, message), message, headers=headers)
        self.code = code
        self.message = message


def error_of(error: Exception) -> ApiError:
    """What an exception is to a client of this API; what is not known here is our failure and tells nothing."""
    match error:
        case ApiError():
            return error
        case Refusal():
            return _of_refusal(error)
        case QueueNotFound():
            return ApiError(404, QUEUE_NOT_FOUND, "Queue does not exist")
        case QueuePaused():
            # The number for this is not published; the nearest one advises to resume delivery.
            return ApiError(409, QUEUE_DISABLED, "queue_delivery_paused")
        case MessageTooLarge():
            whole = error.limit == BATCH_BYTES_MAX
            return ApiError(413, BATCH_SIZE if whole else MESSAGE_SIZE, str(error))
        case ContentTypeError():
            return ApiError(400, MESSAGE_METADATA, str(error))
        case MessageRejected() | ConfigurationError():
            return ApiError(400, JSON_INVALID, str(error))
        case StorageFull():
            headers = {"retry-after": str(FULL_SECONDS)}
            return ApiError(429, STORAGE_FULL, "Storage Limit Exceeded", headers=headers)
        case BrokerError() | QueueClosed():
            return ApiError(
                503, OVERLOADED, "Queue is overloaded. Please back off.", headers={"retry-after": "5"}
            )
        case _:
            known = refusal_of(error)
            return (
                _of_refusal(known) if known is not None else ApiError(500, INTERNAL, "Unknown Internal Error")
            )


def _of_refusal(refusal: Refusal) -> ApiError:
    """What the door and the gate say to everybody, in this API's words."""
    status, detail, headers = refusal.kind.status, refusal.detail or refusal.kind.title, refusal.headers
    if refusal.kind in (UNAUTHENTICATED, FORBIDDEN):
        return ApiError(403, AUTHENTICATION, f"Authentication error: {detail}", headers=headers)
    if refusal.kind == RATE_LIMITED:
        return ApiError(429, THROTTLED, f"Please wait and consider throttling your request speed. {detail}",
                        headers=headers)  # fmt: skip
    if refusal.kind == TOO_LARGE:
        return ApiError(413, BATCH_SIZE, detail, headers=headers)
    if refusal.kind == MALFORMED:
        return ApiError(400, JSON_MALFORMED, "The request's body is not valid JSON", headers=headers)
    return ApiError(status, OVERLOADED if status == 503 else BODY_REFUSED, detail, headers=headers)
