"""Failures as a person wants them: a line that says what is wrong, an exit code, and no traceback."""

import difflib
import errno
import sqlite3
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import IO, Any, Final

import click

from postroom.delivery.errors import DeliveryError
from postroom.jobs import JobInvalid
from postroom.kit.sqlite import StoreFailed
from postroom.queues import QueueError, QueueNotFound
from postroom.settings import SettingsInvalid
from postroom.store.migrations import SchemaTooNew

EXTRAS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "aiosmtpd": "demo",
        "httpx": "demo",
        "botocore": "aws",
        "sentry_sdk": "sentry",
        "opentelemetry": "otel",
        "prometheus_client": "metrics",
    }
)
"""Packages to the extra that brings them; the others come with `service`."""
SENTENCE_CHARS_MAX: Final = 1000
"""Of a command's first sentence in a list of commands: more than any has."""
DEBUG: Final = "postroom.debug"
"""Where the root command's `--debug` is kept, in click's context."""


class Failure(click.ClickException):
    """A command could not do what was asked; shown as `error: ...`, a line for each line of its text."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """Write it to standard error."""
        for line in self.message.splitlines() or ["failed"]:
            click.echo(f"error: {line}", file=file, err=True)


@contextmanager
def failures() -> Iterator[None]:
    """Turn what is known to go wrong into a Failure; of the unknown, tell kind and place but not its text."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
        raise
    except Exception as error:
        context = click.get_current_context(silent=True)
        if context is not None and context.find_root().meta.get(DEBUG):
            click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
        raise Failure(words_of(error)) from error


def words_of(error: Exception) -> str:
    """What to tell of a failure."""
    match error:
        case SettingsInvalid():
            return "\n".join(error.problems)
        case QueueNotFound():
            return str(error) + did_you_mean(error.name, error.known)
        case QueueError() | JobInvalid() | StoreFailed() | SchemaTooNew() | DeliveryError():
            return str(error)
        case ModuleNotFoundError(name=str(name)) if name.partition(".")[0] != "postroom":
            return not_installed("this command", name)
        case sqlite3.Error():
            return f"the database: {error}"
        case ExceptionGroup() if len(error.exceptions) == 1:
            return words_of(error.exceptions[0])
        case OSError() if error.strerror and error.filename:
            return f"{error.filename}: {error.strerror}"
        case OSError():
            return str(error) or errno.errorcode.get(error.errno or 0, type(error).__name__)
        case _:
            # Its text may quote a value, and values are health data.
            return f"unexpected {type(error).__name__} at {_place(error)}; please report it"


def not_installed(who: str, missing: str, *, extra: str | None = None) -> str:
    """What to tell of a package that is not there, with the command that installs it."""
    package = missing.partition(".")[0]
    wanted = extra or EXTRAS.get(package, "service")
    return f'{who} needs {package}, which is not installed: pip install "postroom[{wanted}]"'


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """`; did you mean X?`, or nothing where nothing is near."""
    near = difflib.get_close_matches(given, list(known), n=3)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def only_sure(question: str, yes: bool) -> None:
    """Ask before something is gone for good; where nobody can answer, `--yes` has to be given."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure(f"{question} Nobody is here to ask; confirm it with --yes")
    click.confirm(question, abort=True, err=True)


class CommandGroup(click.Group):
    """A group that suggests near commands and turns failures into lines."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of that name; a usage error names the near ones."""
        known: Sequence[str] = self.list_commands(ctx)
        name = args[0]
        if not name.startswith("-") and name not in known:
            ctx.fail(f"no such command {name!r}" + did_you_mean(name, known))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with the whole first sentence of each, on as many lines as it takes."""
        rows = [
            (name, command.get_short_help_str(limit=SENTENCE_CHARS_MAX))
            for name in self.list_commands(ctx)
            if (command := self.get_command(ctx, name)) is not None and not command.hidden
        ]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with failures():
            return super().invoke(ctx)


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
