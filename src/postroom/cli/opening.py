"""Settings and application for a command that works beside a running service, on the same database file."""

import asyncio
import getpass
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import click

from postroom.audit import record
from postroom.cli.errors import Failure
from postroom.settings import Settings, load
from postroom.wiring import Application, open_application

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run in an event loop, uvloop's where it is installed."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(work)


def read_settings(**overrides: str | None) -> Settings:
    """The settings, with a command's flags over them; warnings go to standard error."""
    loaded = load(overrides=overrides)
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}", err=True)
    return loaded.settings


@asynccontextmanager
async def opened() -> AsyncIterator[Application]:
    """The application without its consumer."""
    settings = load().settings
    new = not settings.on_postgresql and not settings.database_path.exists()
    async with open_application(settings, consume=False) as app:
        if new:
            click.echo(f"note: {settings.database_path} did not exist and was created", err=True)
        yield app


async def audit(
    app: Application,
    action: str,
    object_id: str,
    details: Mapping[str, Any] | None = None,
    *,
    object_type: str = "queue",
) -> None:
    """Write into the audit trail who does what, before it is done."""
    now_us, actor = app.clock.now_us(), who()
    await app.store.write(
        lambda transaction: record(
            transaction,
            at_us=now_us,
            actor=actor,
            action=action,
            object_type=object_type,
            object_id=object_id,
            details=dict(details or {}),
        )
    )


def who() -> str:
    """The actor in the audit trail: the user of this machine."""
    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError):
        return "cli"


def dead_letters_of(app: Application, given: str | None) -> str:
    """The name of the dead letter queue: the given one, or the configured one."""
    name = given or app.dead_letter_queue
    if name is None:
        raise Failure(f'queue "{app.queue}" has no dead_letter_queue; name a queue with --queue-name')
    return name


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
