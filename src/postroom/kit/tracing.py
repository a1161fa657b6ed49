"""Traces as a collaborator: what asks for a span does not know who keeps it.

A trace begins with a request, goes on in the queue's message as headers, and is continued by whoever processes it.
Attributes are ids, names, counts and codes; never a recipient, a content or an exception's text.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, Protocol

Attributes = Mapping[str, str | int | float | bool]


class Span(Protocol):
    """A stretch of work that is being traced."""

    def fail(self, error: str, exception: BaseException | None = None) -> None:
        """Say that it failed: with the class of the error, or a code."""

    def note(self, attributes: Attributes) -> None:
        """Add what is known only now."""


class Tracer(Protocol):
    """Keeps spans."""

    def request(self, name: str, headers: Mapping[str, str]) -> AbstractContextManager[Span]:
        """A request that is being answered; `headers` may continue its client's trace."""

    def publish(self, queue: str, attributes: Attributes) -> AbstractContextManager[Span]:
        """Messages that are being sent to a queue."""

    def process(
        self, queue: str, trace: Mapping[str, str], attributes: Attributes
    ) -> AbstractContextManager[Span]:
        """A message that is being processed; `trace` is what its sender's trace goes on by."""

    def call(self, name: str, attributes: Attributes) -> AbstractContextManager[Span]:
        """A call to a provider."""

    def headers(self) -> dict[str, str]:
        """What continues the present trace elsewhere; empty when there is none."""


class _Nothing:
    """A span that nobody keeps."""

    def fail(self, error: str, exception: BaseException | None = None) -> None:
        """Nobody hears it."""

    def note(self, attributes: Attributes) -> None:
        """Nobody reads it."""


NOTHING: Span = _Nothing()
_NOTHING: AbstractContextManager[Span] = nullcontext(NOTHING)


class NoTracer:
    """Keeps nothing, and costs nothing."""

    def request(self, name: str, headers: Mapping[str, str]) -> AbstractContextManager[Span]:
        """Nothing."""
        return _NOTHING

    def publish(self, queue: str, attributes: Attributes) -> AbstractContextManager[Span]:
        """Nothing."""
        return _NOTHING

    def process(
        self, queue: str, trace: Mapping[str, str], attributes: Attributes
    ) -> AbstractContextManager[Span]:
        """Nothing."""
        return _NOTHING

    def call(self, name: str, attributes: Attributes) -> AbstractContextManager[Span]:
        """Nothing."""
        return _NOTHING

    def headers(self) -> dict[str, str]:
        """None."""
        return {}


class _Several:
    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = spans

    def fail(self, error: str, exception: BaseException | None = None) -> None:
        for span in self._spans:
            span.fail(error, exception)

    def note(self, attributes: Attributes) -> None:
        for span in self._spans:
            span.note(attributes)


class Tracers:
    """Several tracers as one."""

    def __init__(self, tracers: Sequence[Tracer]) -> None:
        self._tracers = tuple(tracers)

    def request(self, name: str, headers: Mapping[str, str]) -> AbstractContextManager[Span]:
        """A request, in each."""
        return _Together([one.request(name, headers) for one in self._tracers])

    def publish(self, queue: str, attributes: Attributes) -> AbstractContextManager[Span]:
        """Messages being sent, in each."""
        return _Together([one.publish(queue, attributes) for one in self._tracers])

    def process(
        self, queue: str, trace: Mapping[str, str], attributes: Attributes
    ) -> AbstractContextManager[Span]:
        """A message being processed, in each."""
        return _Together([one.process(queue, trace, attributes) for one in self._tracers])

    def call(self, name: str, attributes: Attributes) -> AbstractContextManager[Span]:
        """A call, in each."""
        return _Together([one.call(name, attributes) for one in self._tracers])

    def headers(self) -> dict[str, str]:
        """Those of all of them."""
        return {name: value for one in self._tracers for name, value in one.headers().items()}


class _Together(AbstractContextManager[Span]):
    def __init__(self, parts: Sequence[AbstractContextManager[Span]]) -> None:
        self._parts = parts
        self._stack = ExitStack()

    def __enter__(self) -> Span:
        return _Several([self._stack.enter_context(part) for part in self._parts])

    def __exit__(self, *exit_: Any) -> bool | None:
        return self._stack.__exit__(*exit_)


def trace_id_of(headers: Mapping[str, str] | None) -> str | None:
    """The id of a trace from its `traceparent` (https://www.w3.org/TR/trace-context/#traceparent-header)."""
    parts = (headers or {}).get("traceparent", "").split("-")
    return parts[1] if len(parts) == 4 else None
