"""Keeping count of failures for good, by what they have in common: in the transaction that records the failure."""

from typing import Final

from postroom import __version__
from postroom.jobs.fingerprint import fingerprint
from postroom.kit.clock import MICROSECOND
from postroom.store import StoreTransaction

HOUR_US: Final = 3600 * MICROSECOND


def note_failure(
    transaction: StoreTransaction, type_: str, code: str | None, reason: str | None, now_us: int
) -> str:
    """Count one; returns its fingerprint."""
    print_ = fingerprint(type_, code, reason)
    transaction.run(
        "add_failure", fingerprint=print_, type=type_, code=code, reason=reason, now_us=now_us, version=__version__
    )  # fmt: skip
    transaction.run("add_failure_hour", fingerprint=print_, hour_us=now_us // HOUR_US * HOUR_US)
    return print_
