"""The schema's history on PostgreSQL: who comes first applies it, everybody else waits for the lock and finds it done.

While a fleet is brought up to date, old processes run beside new ones. So opening the database applies `pre` steps
only; `post` steps wait for `postroom db migrate --post`, when no old process is left. An empty database gets all of them.
"""

from typing import Any, Final

from psycopg import Connection

from postroom.kit.postgres import Migration
from postroom.kit.postgres import migrations as kit
from postroom.store.migrations import COMPONENT, POSTGRESQL, SchemaTooNew, known
from postroom.store.postgresql.transaction import SCHEMA

_SEARCH: Final = (
    "SELECT set_config('search_path', concat_ws(', ', '" + SCHEMA + "', "
    "nullif(current_setting('search_path'), '')), true)"
)


def steps() -> list[Migration]:
    """Every migration, each as one script."""
    start = f"CREATE SCHEMA IF NOT EXISTS {SCHEMA};\n{_SEARCH};\n"
    return [
        Migration(step.number, step.name, start + "\n".join(step.statements(POSTGRESQL))) for step in known()
    ]


def migrate(connection: Connection[Any], *, post: bool = False) -> list[str]:
    """Bring the tables up to date inside the open transaction; returns the names of what was applied.

    Raises SchemaTooNew.
    """
    try:
        return kit.migrate(connection, COMPONENT, steps(), post=post)
    except kit.SchemaTooNew as error:
        raise SchemaTooNew(str(error)) from None


def search(connection: Connection[Any]) -> None:
    """Have the transaction find the application's tables, before any of the same name in other schemas."""
    connection.execute(_SEARCH.encode())
