"""Searching jobs: by id, state, type, code, age and the text of the error, without ever scanning the table.

A page looks at a bounded number of the newest records and says how far it came; the next one goes on there. A moment is
found by halving the keys, which grow with time.
"""

from typing import Any, Final

import msgspec

from postroom.store import Row, Store, StoreTransaction

LOOKED_AT_MAX: Final = 20_000
"""Records that one page looks at, at most."""
NEWEST: Final = 1 << 62


class JobSearch(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for; every condition that is given must hold."""

    status: str | None = None
    type: str | None = None
    code: str | None = None
    text: str | None = None
    """A part of the reason, upper and lower case alike."""
    fingerprint: str | None = None
    since_us: int | None = None
    until_us: int | None = None


class SearchPage(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, newest first."""

    rows: list[Row]
    next: int | None
    """The key before which the next page begins; None: there is nothing more."""
    looked_to_us: int | None
    """How far back was looked, where the page is not full and there is more; else None."""


class Jobs:
    """Looks."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def search(self, wanted: JobSearch, before: int = NEWEST, limit: int = 50) -> SearchPage:
        """One page."""
        return await self._store.read(lambda transaction: _search(transaction, wanted, before, limit))

    async def find(self, id_: str) -> Row | None:
        """The job with that id, or the job of the message or export with it."""
        return await self._store.read(lambda transaction: _find(transaction, id_))


def _find(transaction: StoreTransaction, id_: str) -> Row | None:
    job = transaction.one("find_job", id=id_)
    if job is not None:
        return job
    for query in ("find_message_state", "find_export_state"):
        known = transaction.one(query, id=id_)
        if known is not None and known["job_id"]:
            return transaction.one("find_job", id=known["job_id"])
    return None


def _search(transaction: StoreTransaction, wanted: JobSearch, before: int, limit: int) -> SearchPage:
    if wanted.fingerprint is not None:
        rows = transaction.all(
            "list_jobs_failed_alike", fingerprint=wanted.fingerprint, before=before, limit=limit + 1
        )
        return _page(rows, limit)
    newest = transaction.one("newest_job")
    if newest is None:
        return SearchPage(rows=[], next=None, looked_to_us=None)
    top = min(before, newest["seq"] + 1)
    if wanted.until_us is not None:
        top = min(top, _first_since(transaction, wanted.until_us, newest["seq"]))
    floor = 0 if wanted.since_us is None else _first_since(transaction, wanted.since_us, newest["seq"])
    lowest = max(floor, top - LOOKED_AT_MAX)
    values: dict[str, Any] = {
        "before": top, "lowest": lowest, "type": wanted.type, "code": wanted.code, "text": _pattern(wanted.text),
        "limit": limit + 1,
    }  # fmt: skip
    if wanted.status is not None:
        if wanted.type is wanted.code is wanted.text is None:
            # The index answers by itself, however rare the state.
            values["lowest"] = lowest = floor
        rows = transaction.all("search_jobs_in_status", status=wanted.status, **values)
    else:
        rows = transaction.all("search_jobs", **values)
    page = _page(rows, limit)
    first = transaction.one("job_at_or_after", seq=floor)
    if page.next is None and first is not None and first["seq"] < lowest:
        reached = transaction.one("job_at_or_after", seq=lowest)
        return msgspec.structs.replace(
            page, next=lowest, looked_to_us=reached["created_us"] if reached is not None else None
        )
    return page


def _page(rows: list[Row], limit: int) -> SearchPage:
    more = rows[limit - 1]["seq"] if len(rows) > limit else None
    return SearchPage(rows=rows[:limit], next=more, looked_to_us=None)


def _pattern(text: str | None) -> str | None:
    if text is None:
        return None
    safe = text.casefold().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{safe}%"


def _first_since(transaction: StoreTransaction, moment_us: int, newest: int) -> int:
    """The key of the first job that was made at or after a moment; one more than the newest where there is none."""
    low, high = 0, newest + 1
    while low < high:
        middle = (low + high) // 2
        row = transaction.one("job_at_or_after", seq=middle)
        if row is None or row["created_us"] >= moment_us:
            high = middle
        else:
            low = row["seq"] + 1
    return low
