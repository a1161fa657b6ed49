"""The schema of a broker that keeps one in a database, for `postroom db`."""

import importlib
from typing import Any, NamedTuple

from postroom.queues.connect import BROKERS


class Schema(NamedTuple):
    """A component's schema in PostgreSQL; `steps` are kit.postgres.Migration."""

    component: str
    steps: list[Any]


def schema_of(url: str) -> Schema | None:
    """The schema of a URL's broker; None where the broker has none that is migrated by itself."""
    scheme = url.partition("://")[0]
    if scheme != "postgresql":
        return None
    module = importlib.import_module(f"{BROKERS[scheme]}.schema")
    return Schema(module.COMPONENT, module.known())
