"""Storing messages: what many callers send at the same time becomes one statement."""

from collections.abc import Iterable, Sequence

from postroom.kit.postgres import Script, Statement
from postroom.queues.broker import AGELESS_DELAY_US, Outgoing
from postroom.queues.brokers.postgres.catalogue import SQL, Catalogue, QueueRow

Key = tuple[int, bytes]
Part = tuple[str, Sequence[Outgoing]]
"""A queue's name and what is sent to it."""


class Stored(list[tuple[list[str], frozenset[int]]]):
    """For each part the ids, and the positions of what was known."""


def store(catalogue: Catalogue, parts: Sequence[Part]) -> Script[Stored]:
    """Insert the messages of all parts, all or none; run it inside a transaction if any has a deduplication id.

    Raises QueueNotFound before anything is written.
    """
    while True:
        queues: dict[str, QueueRow] = {}
        for name, _ in parts:
            if name not in queues:
                queues[name] = yield from catalogue.queue(name)
        known: dict[Key, str] = {}
        if any(message.deduplication_id is not None for _, messages in parts for message in messages):
            known = yield from _remember(catalogue, parts, queues)
        stored, columns = _sort_out(catalogue, parts, queues, known)
        if not columns[0]:
            return stored
        rows = list(queues.values())
        guard = ([row.id for row in rows], [row.version for row in rows])
        values = (*guard, *columns, AGELESS_DELAY_US, catalogue.moments.clock_us)
        answer = yield Statement(SQL.insert_messages, values, rows=False)
        if answer.changed == len(columns[0]):
            return stored
        # A queue was changed or removed since it was read. What was remembered stays ours: it has our messages' ids.
        catalogue.forget()


def _remember(
    catalogue: Catalogue, parts: Sequence[Part], queues: dict[str, QueueRow]
) -> Script[dict[Key, str]]:
    """Take the deduplication ids that are free; returns for each who has it now."""
    first: dict[Key, tuple[str, int]] = {}
    for name, messages in parts:
        queue = queues[name]
        for message in messages:
            if message.deduplication_id is not None:
                key = (queue.id, _encoded(message.deduplication_id))
                first.setdefault(key, (message.id, queue.deduplication_us))
    keys = sorted(first)
    ids, texts = [queue_id for queue_id, _ in keys], [text for _, text in keys]
    takers, windows = [first[key][0] for key in keys], [first[key][1] for key in keys]
    answer = yield Statement(SQL.remember, (ids, texts, takers, windows, catalogue.moments.clock_us))
    owners = {(row[0], bytes(row[1])): first[row[0], bytes(row[1])][0] for row in answer.rows}
    missing = [key for key in keys if key not in owners]
    if missing:
        answer = yield Statement(
            SQL.find_duplicates, ([queue_id for queue_id, _ in missing], [text for _, text in missing])
        )
        owners |= {(row[0], bytes(row[1])): row[2] for row in answer.rows}
    return owners


def _sort_out(
    catalogue: Catalogue, parts: Sequence[Part], queues: dict[str, QueueRow], known: dict[Key, str]
) -> tuple[Stored, tuple[list[object], ...]]:
    """What the callers are told, and the columns of what is new."""
    stored = Stored()
    columns: tuple[list[object], ...] = ([], [], [], [], [], [], [], [])
    queue_ids, ids, priorities, delays, sent, types, bodies, metas = columns
    ready_us = catalogue.moments.ready_us
    for name, messages in parts:
        queue, told, duplicates = queues[name], list[str](), list[int]()
        for message in messages:
            if message.deduplication_id is not None:
                owner = known.get((queue.id, _encoded(message.deduplication_id)), message.id)
                if owner != message.id:
                    duplicates.append(len(told))
                    told.append(owner)
                    continue
            delay_us = queue.delivery_delay_us if message.delay_us is None else message.delay_us
            queue_ids.append(queue.id)
            ids.append(message.id)
            priorities.append(message.priority)
            delays.append(delay_us or ready_us)
            sent.append(message.sent_us)
            types.append(message.content_type)
            bodies.append(message.body)
            metas.append(message.meta)
            told.append(message.id)
        stored.append((told, frozenset(duplicates)))
    return stored, columns


def needs_transaction(messages: Iterable[Outgoing]) -> bool:
    """Whether storing them takes several statements."""
    return any(message.deduplication_id is not None for message in messages)


def _encoded(deduplication_id: str) -> bytes:
    return deduplication_id.encode("utf-8", "surrogatepass")
