"""A redrive from the command line: on record however it ends, with a bar on a terminal.

What is moved and how is the queue's (`postroom.queues.redrive`); which messages is the command's (`dlq`).
"""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from postroom.cli.opening import audit
from postroom.cli.screen import screen
from postroom.queues import Redriven
from postroom.wiring import Application


async def redrive_on_record(
    app: Application, name: str, expected: int, redrive: Callable[..., Coroutine[Any, Any, Redriven]]
) -> Redriven:
    """Redrive, and have what came of it on record: also of a redrive that Ctrl-C, SIGTERM or an error cut short."""
    moved = 0
    try:
        with _bar(expected) as show, _until_terminated():

            def count(so_far: int) -> None:
                nonlocal moved
                moved = so_far
                show(so_far)

            done = await redrive(progress=count)
    except BaseException:
        with contextlib.suppress(Exception):
            await audit(app, "queue.redriven", name, {"moved": moved, "interrupted": True})
        click.echo(f"interrupted: moved {moved:,} of {expected:,}; the others are still in {name}", err=True)
        raise
    await audit(app, "queue.redriven", name, {"matched": done.matched, "moved": done.moved})
    return done


@contextmanager
def _bar(expected: int) -> Iterator[Callable[[int], object]]:
    """A bar on a terminal; the act of moving it on."""
    console = screen(err=True)
    if not console.is_terminal:
        yield lambda so_far: None
        return
    columns = ("redriving", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        shown = bar.add_task("", total=expected)
        yield lambda so_far: bar.update(shown, completed=so_far)


@contextmanager
def _until_terminated() -> Iterator[None]:
    """SIGTERM cancels what runs in here, and ends the process as Ctrl-C does."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    terminated = False

    def terminate() -> None:
        nonlocal terminated
        terminated = True
        if task is not None:
            task.cancel()

    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
        loop.add_signal_handler(signal.SIGTERM, terminate)
    try:
        yield
    except asyncio.CancelledError:
        if terminated:
            raise SystemExit(128 + signal.SIGTERM) from None
        raise
    finally:
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.remove_signal_handler(signal.SIGTERM)
