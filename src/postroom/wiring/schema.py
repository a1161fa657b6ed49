"""The schemas of queue and application together: how far they are, and bringing them up to date."""

import sqlite3
from contextlib import closing
from typing import Any, NamedTuple

from postroom.queues.schema import Schema, schema_of
from postroom.settings import Settings
from postroom.store.migrations import COMPONENT, SchemaTooNew, known
from postroom.wiring.opening_server import server_connection


class ComponentStatus(NamedTuple):
    """One component's schema."""

    component: str
    version: int
    """Number of the last step that was applied; 0: none."""
    known: int
    """The newest step that this Postroom has."""
    pre: tuple[str, ...]
    """Steps that are missing and may be applied while older processes run."""
    post: tuple[str, ...]
    """Steps that are missing and must wait until no older process runs."""

    too_new: bool
    """Whether a newer Postroom has applied a step that this one cannot work with."""


def schema_status(settings: Settings) -> list[ComponentStatus]:
    """How far the schemas are; nothing is changed. Raises BrokerUnavailable."""
    if not settings.on_postgresql:
        return _of_file(settings)
    from postroom.kit.postgres import migrations

    with server_connection(settings.database_url) as connection:
        found = []
        for one in _schemas(settings):
            try:
                migrations.state(connection, one.component, one.steps)
            except migrations.SchemaTooNew:
                too_new = True
            else:
                too_new = False
            version = migrations.version(connection, one.component)
            found.append(_status(one.component, version, one.steps, too_new=too_new))
        return found


def apply_schema(settings: Settings, *, post: bool) -> list[str]:
    """Apply what is missing on PostgreSQL, each component in one transaction under one lock; returns the steps' names.

    A database that is empty gets everything, `post` or not. Raises SchemaTooNew and BrokerUnavailable.
    """
    from postroom.kit.postgres import migrations

    applied = []
    for one in _schemas(settings):
        with server_connection(settings.database_url) as connection, connection.transaction():
            empty = migrations.version(connection, one.component) == 0
            try:
                names = migrations.migrate(connection, one.component, one.steps, post=post or empty)
            except migrations.SchemaTooNew as error:
                raise SchemaTooNew(str(error)) from None
            applied += [f"{one.component} {name}" for name in names]
    return applied


def _schemas(settings: Settings) -> list[Schema]:
    from postroom.store.postgresql.schema import steps

    of_queues = schema_of(settings.queue_url)
    return [*([of_queues] if of_queues is not None else []), Schema(COMPONENT, steps())]


def _of_file(settings: Settings) -> list[ComponentStatus]:
    path, steps = settings.database_path, known()
    version = 0
    if path.exists():
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            there = connection.execute(
                "SELECT 1 FROM sqlite_master WHERE name = 'postroom_schema'"
            ).fetchone()
            row = (
                there
                and connection.execute(
                    "SELECT version FROM postroom_schema WHERE component = ?", (COMPONENT,)
                ).fetchone()
            )
            version = row[0] if row else 0
    return [_status(COMPONENT, version, steps, too_new=version > steps[-1].number)]


def _status(component: str, version: int, steps: list[Any], *, too_new: bool) -> ComponentStatus:
    missing = [step for step in steps if step.number > version]
    return ComponentStatus(
        component, version, max((step.number for step in steps), default=0),
        tuple(step.name for step in missing if not step.post), tuple(step.name for step in missing if step.post),
        too_new,
    )  # fmt: skip
