"""What the HTTP API announces. No path, query, header or body is in it: any of them may hold health data."""

import msgspec


class RequestDenied(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody was not let in, or not let do what they asked."""

    id: str
    """The request's id, as in the answer."""
    method: str
    status: int
    because: str


class RequestFailed(msgspec.Struct, frozen=True, kw_only=True):
    """A request could not be answered for a reason of ours."""

    id: str
    method: str
    status: int
    error: str
    """The class of the exception; its text may hold values."""
    because: str
    """The place that raised it: file and line."""
