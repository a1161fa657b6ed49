"""`up`, `serve` and `consume`: the service in the foreground, until SIGTERM or SIGINT.

A stop refuses new connections and takes no more messages at once; running requests and jobs have the grace
period; what was not begun goes back to the queue. A second signal ends the process as signals usually do.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any, Final, NamedTuple

import click
import structlog

from postroom import __version__
from postroom.cli.opening import read_settings, run
from postroom.settings import Settings
from postroom.telemetry.logs import configure_logging, log_events
from postroom.wiring import Application, open_application, web_services

HTTP_GRACE_SECONDS_MAX: Final = 10.0
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Parts(NamedTuple):
    """Which halves of the service run in this process."""

    api: bool
    consumer: bool


def _listening(command: Callable[..., None]) -> Callable[..., None]:
    """The options of commands that listen."""
    command = click.option("--port", metavar="PORT", help="Port to listen on; 0 for any free one.")(command)
    return click.option("--host", metavar="ADDRESS", help="Address to listen on.")(command)


@click.command()
@_listening
def up(host: str | None, port: str | None) -> None:
    """Run everything in one process: the HTTP API and the consumer of jobs.

    In the local environment without POSTROOM_SMTP_URL, emails go to a mailbox on this machine.
    """
    _run(read_settings(host=host, port=port), Parts(api=True, consumer=True))


@click.command()
@_listening
def serve(host: str | None, port: str | None) -> None:
    """Run the HTTP API alone; `postroom consume` does its jobs."""
    _run(read_settings(host=host, port=port), Parts(api=True, consumer=False))


@click.command()
def consume() -> None:
    """Run the consumer of jobs alone; as many processes as you like."""
    _run(read_settings(), Parts(api=False, consumer=True))


def _run(settings: Settings, parts: Parts) -> None:
    configure_logging(format=settings.log_format, level=settings.log_level)
    run(_serve(settings, parts))


async def _serve(settings: Settings, parts: Parts) -> None:
    logger = structlog.get_logger("postroom")
    asked = asyncio.Event()
    with _signals(asked.set):
        async with AsyncExitStack() as stack:
            smtp_url = await _mailbox(stack, settings) if parts.consumer else None
            app = await stack.enter_async_context(
                open_application(settings, consume=parts.consumer, smtp_url=smtp_url)
            )
            log_events(app.queues.events)
            url = None
            watched: list[Any] = [asked.wait()]
            if parts.api:
                server = await _listen(stack, app)
                url = server.url
                watched.append(server.wait())
            if parts.consumer:
                await app.queues.start()
                # On the way out this comes first: the queue stops while the last requests are answered.
                watched += [consumer.wait() for consumer in app.queues.consumers]
            logger.info(
                "ready", pid=os.getpid(), version=__version__, environment=settings.environment,
                **({"url": url, "host": settings.host, "port": server.port} if parts.api else {}),
            )  # fmt: skip
            if sys.stdout.isatty():
                _greet(app, parts, url, smtp_url)
            await _first(watched, lambda: _stop(app, server if parts.api else None))
    logger.info("stopped", pid=os.getpid())


async def _listen(stack: AsyncExitStack, app: Application) -> Any:
    # Imported here: a consumer alone has no use for the web framework.
    from postroom.web.app import create_app
    from postroom.web.server import serving

    settings = app.settings
    grace = min(settings.shutdown_grace_seconds, HTTP_GRACE_SECONDS_MAX)
    application = create_app(web_services(app))
    return await stack.enter_async_context(
        serving(application, settings.host, settings.port, grace_seconds=grace)
    )
