"""`up`, `serve` and `consume`: the service in the foreground, until SIGTERM or SIGINT.

A stop refuses new connections and takes no more messages at once; running requests and jobs have the grace
period; what was not begun goes back to the queue. A second signal ends the process at once; its leases run out.
"""

import asyncio
import contextlib
import functools
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click
import structlog

from postroom import __version__
from postroom.cli.opening import read_settings, run
from postroom.kit.service import Service
from postroom.settings import Settings
from postroom.telemetry.logs import configure_logging, log_events
from postroom.wiring import Application, open_application, web_services

if TYPE_CHECKING:
    from postroom.web.server import WebServer

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
    run(_work(settings, parts))


async def _work(settings: Settings, parts: Parts) -> None:
    logger = structlog.get_logger("postroom")
    asked = asyncio.Event()
    with _signals(asked.set):
        async with AsyncExitStack() as stack:
            smtp_url = await _mailbox(stack, settings) if parts.consumer else None
            app = await stack.enter_async_context(
                open_application(settings, consume=parts.consumer, smtp_url=smtp_url)
            )
            log_events(app.queues.events)
            server = await _listen(stack, app) if parts.api else None
            try:
                app.meter.when_asked_to_stop = functools.partial(_stop_gently, logger, asked.set)
                services: list[Service] = [app.keeper, app.meter]
                if parts.consumer:
                    await app.attaching.apply()
                    await app.queues.start()
                    services += [app.attaching, app.reconciler, app.given_up, app.scheduler, app.alerts]
                for service in services:
                    await service.start()
                    stack.push_async_callback(service.stop)
                facts = {"pid": os.getpid(), "version": __version__, "environment": settings.environment}
                if server is not None:
                    facts |= {"url": server.url, "host": server.host, "port": server.port}
                if sys.stdout.isatty():
                    _greet(app, server, parts, smtp_url)
                if smtp_url is not None:
                    logger.info(
                        "emails are kept in a folder and sent to nobody", file=str(settings.mailbox_dir)
                    )
                logger.info("ready", **facts)
                await _until_first(
                    asked.wait(),
                    *([server.wait()] if server is not None else ()),
                    *(consumer.wait() for consumer in app.queues.consumers),
                )
            finally:
                logger.info("stopping", grace_seconds=settings.shutdown_grace_seconds)
                stops = [app.queues.stop(), *([server.stop()] if server is not None else [])]
                await asyncio.gather(*stops)
    logger.info("stopped", pid=os.getpid())


def _stop_gently(logger: Any, stop: Callable[[], object], who: str) -> None:
    logger.info("asked to stop", by=who)
    stop()


async def _mailbox(stack: AsyncExitStack, settings: Settings) -> str | None:
    """A mailbox of this process's own where one stands in for a server; its URL."""
    if not settings.local or settings.smtp_url or settings.email_providers:
        return None
    try:
        from postroom.delivery.mailbox import Mailbox
    except ImportError:
        click.echo(
            "warning: there is no mailbox, so emails are marked as sent and go nowhere: "
            'pip install "postroom[demo]", or set POSTROOM_SMTP_URL',
            err=True,
        )
        return None
    mailbox = Mailbox(host="127.0.0.1", port=0, folder=settings.mailbox_dir)
    await stack.enter_async_context(mailbox)
    return f"smtp://127.0.0.1:{mailbox.port}?tls=none"


async def _listen(stack: AsyncExitStack, app: Application) -> "WebServer":
    # Imported here: a consumer alone has no use for a web framework.
    from postroom.web.app import create_app
    from postroom.web.server import WebServer

    settings = app.settings
    grace = min(settings.shutdown_grace_seconds, HTTP_GRACE_SECONDS_MAX)
    services = web_services(app)
    await services.door.start()
    stack.push_async_callback(services.door.stop)
    server = WebServer(create_app(services), settings.host, settings.port, grace_seconds=grace)
    await server.start()
    return server


def _greet(app: Application, server: "WebServer | None", parts: Parts, smtp_url: str | None) -> None:
    """On a terminal: what runs, where emails go, what to try next."""
    settings = app.settings
    lines = [f"Postroom {__version__} ({settings.environment}), database {settings.database_name}"]
    if server is not None:
        lines.append(f"  API        {server.url}   (documented at {server.url}/schema)")
    if parts.consumer:
        lines.append(f"  consuming  {app.queue}")
        if smtp_url:
            lines.append(f"  emails     kept in {settings.mailbox_dir.absolute()}, sent to nobody")
        else:
            lines.append("  emails     " + ("POSTROOM_SMTP_URL" if settings.smtp_url else "go nowhere"))
    else:
        lines.append("  jobs wait for `postroom consume`")
    lines += ["", "To try next, from another terminal:", "  postroom queue status --watch"]
    if server is not None and settings.local:
        lines.append(f"  curl -sS {server.url}/debug/enqueue-test")
    else:
        lines.append("  postroom queue test")
    click.echo("\n".join([*lines, "", "Ctrl-C ends it.", ""]))


async def _until_first(*waits: Coroutine[Any, Any, Any]) -> None:
    """Return when one of them does; raise what it raised."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        await task


@contextmanager
def _signals(stop: Callable[[], object]) -> Iterator[None]:
    """Call `stop` at the first SIGTERM or SIGINT; the next one ends the process at once, as if nobody handled it."""
    loop = asyncio.get_running_loop()

    def forget() -> None:
        for number in SIGNALS:
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.remove_signal_handler(number)

    def first() -> None:
        forget()
        # Not Python's own way with SIGINT: an exception would be one more stop to wait for.
        for number in SIGNALS:
            with contextlib.suppress(ValueError):
                signal.signal(number, signal.SIG_DFL)
        stop()

    for number in SIGNALS:
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, first)
    try:
        yield
    finally:
        forget()
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGINT, signal.default_int_handler)
