"""A real PgBouncer in transaction mode before a PostgreSQL, where one is installed."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from support.postgres import as_other, free_port

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
INSTALL = "pgbouncer is not installed (apt-get install pgbouncer)"


@contextlib.contextmanager
def pooling(url: str, *, pool_size: int = 4) -> Iterator[str]:
    """The URL of a pooler before a server, with so few connections that none stays with anyone."""
    assert PROGRAM is not None
    server, port = urlsplit(url), free_port()
    with tempfile.TemporaryDirectory(prefix="pr-bouncer-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "users").write_text('"postgres" ""\n')
        (folder / "ini").write_text(
            f"""[databases]
* = host={server.hostname} port={server.port} pool_size={pool_size}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
max_client_conn = 500
server_idle_timeout = 30
ignore_startup_parameters = extra_float_digits
"""
        )
        log = (folder / "log").open("wb")
        process = subprocess.Popen([PROGRAM, folder / "ini"], stdout=log, stderr=log, **as_other())
        log.close()
        pooled = f"postgresql://postgres@127.0.0.1:{port}{server.path}"
        try:
            deadline = time.monotonic() + 20
            while True:
                try:
                    psycopg.connect(pooled, connect_timeout=2).close()
                    break
                except psycopg.OperationalError:
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError((folder / "log").read_text()) from None
                    time.sleep(0.02)
            yield pooled
        finally:
            process.terminate()
            process.wait(10)
