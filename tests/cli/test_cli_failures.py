"""Failures as lines, tracebacks on demand, and packages that are not installed (cli/errors.py)."""

import sys

import click
import pytest
from cli_support import SECRETS, postroom
from click.testing import CliRunner, Result

from postroom.cli import opening
from postroom.cli.errors import words_of
from postroom.cli.root import cli
from postroom.delivery import MissingDependency


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug: the settings cannot be read, for a reason whose text quotes health data."""

    def load() -> None:
        raise RuntimeError(f"could not handle {SECRETS[0]}")

    monkeypatch.setattr(opening, "load", load)


def run(*args: str) -> Result:
    return CliRunner().invoke(cli, args, prog_name="postroom")


@pytest.mark.usefixtures("broken")
def test_bug_is_a_line_without_its_text() -> None:
    """Its kind and place, and no traceback."""
    result = run("queue", "list")

    assert result.exit_code == 1
    assert result.stderr.startswith("error: unexpected RuntimeError at test_cli_failures.py:")
    assert "Traceback" not in result.output
    assert SECRETS[0] not in result.output


@pytest.mark.usefixtures("broken")
def test_debug_shows_the_traceback_once() -> None:
    """Before the same line, with the same exit code."""
    result = run("--debug", "queue", "list")

    assert result.exit_code == 1
    assert result.stderr.count("Traceback (most recent call last)") == 1
    assert "RuntimeError: could not handle" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: unexpected RuntimeError")


def test_debug_shows_nothing_where_nothing_fails() -> None:
    """Nor for a mistyped command."""
    assert "Traceback" not in postroom("--debug", "queue", "list").output
    assert "Traceback" not in postroom("--debug", "queu", code=2).output


@pytest.mark.parametrize(
    ("name", "extra"),
    [("uvicorn", "service"), ("litestar.exceptions", "service"), ("aiosmtpd", "demo"), ("botocore.x", "aws")],
)
def test_missing_package_has_its_extra(name: str, extra: str) -> None:
    """By the package's name, whichever of its modules was wanted."""
    told = words_of(ModuleNotFoundError("no such module", name=name))

    assert told == (
        f'this command needs {name.partition(".")[0]}, which is not installed: pip install "postroom[{extra}]"'
    )


def test_module_of_ours_that_is_missing_is_a_bug() -> None:
    """No extra brings it."""
    assert "please report it" in words_of(ModuleNotFoundError("no such module", name="postroom.nowhere"))


def test_missing_part_of_delivery_says_what_to_install() -> None:
    """Its own words."""
    error = MissingDependency.of("boto3", "aws")

    assert words_of(error) == str(error)


def test_service_without_uvicorn_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is imported only when the service listens."""
    for name in [name for name in sys.modules if name.startswith(("uvicorn", "postroom.web.server"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)

    errors = postroom("serve", "--port", "0", code=1).stderr

    assert 'needs uvicorn, which is not installed: pip install "postroom[service]"' in click.unstyle(errors)
    assert "please report it" not in errors
