"""The options that all commands share."""

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.kit.spawn import BenchFailed

ROUNDS_DEFAULT = 3


def parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """A parser that knows the shared options."""
    made = argparse.ArgumentParser(f"python -m {module}", description=description)
    made.add_argument(
        "--rounds",
        type=positive,
        default=ROUNDS_DEFAULT,
        help=f"rounds of each comparison, of which the median counts ({ROUNDS_DEFAULT})",
    )
    made.add_argument(
        "--dir", type=Path, default=None, help="folder for the databases (the system's temporary one)"
    )
    made.add_argument("--json", action="store_true", help="print JSON, as `python -m bench` reads it")
    return made


def positive(text: str) -> int:
    """A whole number above 0; underscores are allowed."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """What cannot be done ends the command with its reason, without a traceback."""
    try:
        yield
    except BenchFailed as failed:
        print(failed, file=sys.stderr)
        raise SystemExit(1) from failed
