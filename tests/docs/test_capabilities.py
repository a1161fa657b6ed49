"""docs/brokers.md has what the code says: the capabilities of each broker, and the conformance cases it leaves out.

`python tests/docs/test_capabilities.py` writes the page anew.
"""

import importlib
from pathlib import Path

import msgspec

from postroom.queues import Capabilities
from postroom.queues.brokers.cloudflare.broker import WITH_DATABASE
from postroom.queues.conformance import Conformance
from postroom.queues.conformance.needs import NEEDS
from postroom.queues.connect import BROKERS

PAGE = Path(__file__).parents[2] / "docs" / "brokers.md"
WORDS = {True: "yes", False: "no", None: "any"}
CAPABILITIES = {
    "memory": "postroom.queues.brokers.memory",
    "sqlite": "postroom.queues.brokers.sqlite.broker",
    "postgresql": "postroom.queues.brokers.postgres.broker",
    "cloudflare": "postroom.queues.brokers.cloudflare.broker",
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
    with_database = [
        name.replace("_", " ") for name in names if getattr(found["cloudflare"], name) != getattr(WITH_DATABASE, name)
    ]
    lines += [
        "",
        f"With `database=` in its URL, `cloudflare://` has these too: {', '.join(with_database)} (any). So it is tested.",
        "",
        "## Conformance",
        "",
        "| theme | cases | " + " | ".join(f"`{scheme}://`" for scheme in found) + " |",
    ]
    lines.append("|---|---|" + "---|" * len(found))
    tested = {**found, "cloudflare": WITH_DATABASE}
    for theme, cases, needs in themes():
        marks = [_mark(one, needs, theme) for one in tested.values()]
        lines.append(f"| {theme.__name__} | {len(cases)} | " + " | ".join(marks) + " |")
    return "\n".join(lines) + "\n"


def themes() -> list[tuple[type, list[str], tuple[str, ...]]]:
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
            found.append((theme, cases_of(theme), whole.get(theme.__name__, ())))
    return found


def capabilities_of(module: str) -> Capabilities:
    capabilities: Capabilities = importlib.import_module(module).CAPABILITIES
    return capabilities


def cases_of(theme: type) -> list[str]:
    return [case for case in vars(theme) if case.startswith("test_")]


def _mark(capabilities: Capabilities, needs: tuple[str, ...], theme: type) -> str:
    lacking = [name for name in needs if not getattr(capabilities, name)]
    if lacking:
        return f"no {', '.join(lacking).replace('_', ' ')}"
    out = [NEEDS[case] for case in cases_of(theme) if case in NEEDS and not getattr(capabilities, NEEDS[case])]
    without = ", ".join(sorted(set(out))).replace("_", " ")
    return f"passes without {len(out)} ({without})" if out else "passes"


def test_every_broker_is_in_the_table() -> None:
    """Those that a URL can name."""
    assert set(CAPABILITIES) == set(BROKERS)


def test_every_need_is_a_capability_and_a_case() -> None:
    """A case that was renamed must not pass unnoticed."""
    assert set(NEEDS.values()) <= set(Capabilities.__struct_fields__)
    assert set(NEEDS) <= {case for theme, cases, _ in themes() for case in cases}


def test_page_is_what_the_code_says() -> None:
    """Neither older nor edited by hand."""
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python tests/docs/test_capabilities.py"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
