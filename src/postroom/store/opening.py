"""Opening the application's database: the queue's own, brought up to date."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from postroom.kit.clock import Clock
from postroom.kit.tracing import NoTracer, Tracer
from postroom.queues import Queues
from postroom.store.migrations import migrate
from postroom.store.sqlite import SqliteStore
from postroom.store.store import Store
from postroom.store.transaction import AuditChain


@asynccontextmanager
async def open_store(
    queues: Queues, database: Path | str, clock: Clock, *, chain: AuditChain, tracer: Tracer | None = None
) -> AsyncIterator[Store]:
    """The application's tables in the queue's database, brought up to date.

    `database`: the SQLite file, or the `postgresql://` URL. Raises SchemaTooNew.
    """
    store: Store
    if isinstance(database, Path):
        await queues.transact(migrate)
        store = SqliteStore(queues, database, clock, chain, tracer or NoTracer())
    else:
        from postroom.store.postgresql import schema
        from postroom.store.postgresql.store import PostgresqlStore

        await queues.transact(schema.migrate)
        store = PostgresqlStore(queues, database, clock, chain, tracer or NoTracer())
    try:
        yield store
    finally:
        await store.close()
