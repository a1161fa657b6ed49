"""The broker's tables in the database: brought up to date by whoever opens it, or by `postroom db migrate`."""

from typing import Any

import psycopg

from postroom.kit.postgres import Migration, SchemaTooNew
from postroom.kit.postgres import migrations as kit

__all__ = ["COMPONENT", "SchemaTooNew", "known", "migrate"]

COMPONENT = "queues"


def known() -> list[Migration]:
    """Every migration of the queues, in order."""
    return kit.known("postroom.queues.brokers.postgres")


def migrate(connection: psycopg.Connection[Any], *, post: bool = False) -> list[str]:
    """Bring the tables up to date inside the open transaction; without `post`, old code may be alive."""
    return kit.migrate(connection, COMPONENT, known(), post=post)
