"""Where traces, errors and metrics go: what is configured and installed."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType
from typing import TYPE_CHECKING

from postroom import __version__
from postroom.delivery import MissingDependency
from postroom.kit.tracing import NoTracer, Tracer, Tracers
from postroom.queues import Queues
from postroom.settings import Settings

if TYPE_CHECKING:
    from postroom.telemetry.metrics import Metrics
    from postroom.telemetry.sentry import SentryTracer


class Telemetry:
    """What listens. `tracer` is given to whoever makes spans, `metrics` to whoever shows them."""

    def __init__(self, tracer: Tracer | None = None, sentry: "SentryTracer | None" = None) -> None:
        self.tracer: Tracer = tracer or NoTracer()
        self.metrics: Metrics | None = None
        self._sentry = sentry

    def listen(self, queues: Queues) -> None:
        """Hear what these queues and their application announce."""
        if self._sentry is not None:
            self._sentry.listen(queues.events)
        try:
            from postroom.telemetry.metrics import Metrics
        except ModuleNotFoundError:
            return
        self.metrics = Metrics(queues)
        self.metrics.listen(queues.events)

    @property
    def reports(self) -> bool:
        """Whether errors go anywhere."""
        return self._sentry is not None

    def report(self, error: BaseException) -> str | None:
        """Report an error by hand; returns its id, None where nobody takes it."""
        return self._sentry.report(error) if self._sentry is not None else None


@asynccontextmanager
async def start_telemetry(settings: Settings) -> AsyncIterator[Telemetry]:
    """What the settings ask for, for the length of a block. Raises MissingDependency, and ValueError for a DSN."""
    sentry = otel = None
    if settings.sentry_dsn:
        module = _need("sentry", "SENTRY_DSN", "sentry")
        sentry = module.SentryTracer(
            settings.sentry_dsn, environment=settings.environment, release=__version__,
            traces_sample_rate=settings.sentry_sample_rate,
        )  # fmt: skip
    if settings.otlp_endpoint:
        module = _need("otel", "POSTROOM_OTLP_ENDPOINT", "otel")
        otel = module.OtelTracer(endpoint=settings.otlp_endpoint, version=__version__)
    tracers = [one for one in (sentry, otel) if one is not None]
    try:
        yield Telemetry(Tracers(tracers) if tracers else None, sentry)
    finally:
        for one in tracers:
            # Both may wait for the network.
            await asyncio.to_thread(one.close)


def _need(name: str, setting: str, extra: str) -> ModuleType:
    try:
        return importlib.import_module(f"postroom.telemetry.{name}")
    except ModuleNotFoundError as error:
        raise MissingDependency.of(f"{error.name}, which {setting} needs,", extra) from error
