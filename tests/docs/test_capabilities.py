"""docs/brokers.md has what the code says: the capabilities of each broker, and the conformance cases it leaves out.

`python tests/docs/test_capabilities.py` writes the page anew.
"""

import importlib
from pathlib import Path

import msgspec

from postroom.queues import Capabilities
from postroom.queues.conformance import Conformance
from postroom.queues.connect import BROKERS

PAGE = Path(__file__).parents[2] / "docs" / "brokers.md"
WORDS = {True: "yes", False: "no", None: "any"}
CAPABILITIES = {
    "memory": "postroom.queues.brokers.memory",
    "sqlite": "postroom.queues.brokers.sqlite.broker",
    "postgresql": "postroom.queues.brokers.postgres.broker",
}
"""Where each broker's capabilities are."""


def page() -> str:
    found = {scheme: capabilities_of(module) for scheme, module in CAPABILITIES.items()}
    names = [field.name for field in msgspec.structs.fields(Capabilities)]
    lines = [
        "# Brokers: what each can do",
        "",
        "Made from the code by `python tests/docs/test_capabilities.py`; a test compares. Every broker passes the conformance",
        "suite (`postroom.queues.conformance`); of its themes a broker leaves out the cases of what it cannot do.",
        "",
        "| | " + " | ".join(f"`{scheme}://`" for scheme in found) + " |",
        "|---|" + "---|" * len(found),
    ]
    for name in names:
        values = [WORDS.get(getattr(one, name), str(getattr(one, name))) for one in found.values()]
        lines.append(f"| {name.replace('_', ' ')} | " + " | ".join(values) + " |")
    lines += [
        "",
        "## Conformance",
        "",
        "| theme | cases | " + " | ".join(f"`{scheme}://`" for scheme in found) + " |",
    ]
    lines.append("|---|---|" + "---|" * len(found))
    for theme, cases, needs in themes():
        marks = [_mark(one, needs) for one in found.values()]
        lines.append(f"| {theme} | {cases} | " + " | ".join(marks) + " |")
    return "\n".join(lines) + "\n"


def themes() -> list[tuple[str, int, tuple[str, ...]]]:
    """Each theme with its test functions and the capability that all of it needs."""
    whole = {
        "Sharing": ("shared",),
        "Priorities": ("priority",),
        "Deduplication": ("deduplication",),
        "Reasons": ("dead_letter_reason",),
        "Transactions": ("transactional_send",),
        "Redriving": ("redrive",),
    }
    found = []
    for name, theme in vars(Conformance).items():
        if name.startswith("Test"):
            cases = sum(case.startswith("test_") for case in vars(theme))
            found.append((theme.__name__, cases, whole.get(theme.__name__, ())))
    return found


def capabilities_of(module: str) -> Capabilities:
    capabilities: Capabilities = importlib.import_module(module).CAPABILITIES
    return capabilities


def _mark(capabilities: Capabilities, needs: tuple[str, ...]) -> str:
    lacking = [name for name in needs if not getattr(capabilities, name)]
    return f"no {', '.join(lacking).replace('_', ' ')}" if lacking else "passes"


def test_every_broker_is_in_the_table() -> None:
    """Those that a URL can name."""
    assert set(CAPABILITIES) == set(BROKERS)


def test_page_is_what_the_code_says() -> None:
    """Neither older nor edited by hand."""
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python tests/docs/test_capabilities.py"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
