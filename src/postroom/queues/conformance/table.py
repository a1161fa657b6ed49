"""Every broker by capability, as a page of Markdown made from the code.

`python -m postroom.queues.conformance.table > docs/reference/brokers.md` renews the page.
"""

from collections.abc import Sequence
from typing import Final

from postroom.queues.broker import Capabilities
from postroom.queues.conformance.needs import NEEDS
from postroom.queues.connect import connect

BROKERS: Final = (
    ("memory://", "memory://"),
    ("sqlite://", "sqlite:///postroom.db"),
    ("postgresql://", "postgresql://user:password@host/database"),
    ("cloudflare://", "cloudflare://token@account?database=sqlite:///postroom.db"),
    ("cloudflare:// without database=", "cloudflare://token@account"),
)
"""Column to a URL that opens nothing."""

WORDS: Final = {
    "durable": "an awaited send survives a power cut",
    "shared": "several processes share the queues",
    "priority": "ordered by priority, with ageing",
    "deduplication": "deduplication ids",
    "transactional_send": "send inside a transaction of the same database",
    "dead_letter_reason": "`dead_letter(reason)` and its history",
    "extend": "leases are renewed while a handler runs",
    "redrive": "redrive of dead letters",
    "delay_seconds_max": "longest delay",
    "priority_as_delay": "priorities become delays",
    "counts": "ready, delayed and in flight are told apart; every message can be looked at; expiries are announced",
    "suspects": "what kills its handlers is delivered alone",
    "free_release": "what is given back at a stop has spent no attempt",
    "fractions": "delays of parts of a second",
    "whole_bodies": "the size limits are for the body alone",
}
"""Capability to what it means in a table."""

HEAD: Final = """# Brokers by capability

Made from the code by `python -m postroom.queues.conformance.table`; a test compares. Every broker runs the same suite
(`postroom.queues.conformance`): a case that needs a capability which is not there is skipped, all others must pass.
"""


def page() -> str:
    """The page."""
    found = [(name, connect(url).capabilities) for name, url in BROKERS]
    rows = [["capability", *(f"`{name}`" if " " not in name else name for name, _ in found), "cases among others"]]
    rows.append(["---"] * len(rows[0]))
    for field in Capabilities.__struct_fields__:
        cases = sum(need == field for need in NEEDS.values())
        cells = [_cell(getattr(one, field)) for _, one in found]
        rows.append([WORDS[field], *cells, str(cases or "")])
    return f"{HEAD}\n" + "\n".join(_row(row) for row in rows) + "\n"


def _cell(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case None:
            return "no bound"
        case int():
            return f"{value // 3600} h"
    raise AssertionError(value)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    import sys

    sys.stdout.write(page())
