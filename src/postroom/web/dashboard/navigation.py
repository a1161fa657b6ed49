"""The menu: what is there, for whom. An entry is shown to who has its permission."""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from postroom.accounts import Permission
from postroom.web.auth import Identity


class Entry(NamedTuple):
    """A line of the menu."""

    label: str
    path: str
    permission: Permission
    icon: str
    """An icon of static/icons.svg."""


class Group(NamedTuple):
    """Lines that belong together."""

    label: str
    entries: Sequence[Entry]


P = Permission
MENU: Final[Sequence[Group]] = (
    Group(
        "Writing",
        (
            Entry("Compose", "/app/compose", P.DRAFT, "compose"),
            Entry("My messages", "/app/mine", P.DRAFT, "mine"),
        ),
    ),
    Group("Reviewing", (Entry("Inbox", "/app/reviews", P.REVIEW, "inbox"),)),
    Group(
        "Operating",
        (
            Entry("Overview", "/app/overview", P.SEE_STATUS, "overview"),
            Entry("Queues", "/app/queues", P.SEE_STATUS, "queue"),
            Entry("Jobs", "/app/jobs", P.LOOK_UP, "search"),
            Entry("Dead letters", "/app/dead-letters", P.SEE_STATUS, "dead"),
            Entry("Workers", "/app/workers", P.SEE_STATUS, "play"),
            Entry("Schedules", "/app/schedules", P.SEE_STATUS, "clock"),
        ),
    ),
    Group(
        "Delivery",
        (
            Entry("Providers", "/app/providers", P.SEE_STATUS, "provider"),
            Entry("Webhooks", "/app/webhooks", P.MANAGE_WEBHOOKS, "webhook"),
            Entry("Suppressions", "/app/suppressions", P.MANAGE_SUPPRESSIONS, "ban"),
            Entry("Exports", "/app/exports", P.EXPORT, "export"),
        ),
    ),
    Group(
        "Keeping",
        (
            Entry("Alerts", "/app/alerts", P.SEE_STATUS, "bell"),
            Entry("Audit trail", "/app/audit", P.SEE_AUDIT, "audit"),
            Entry("People", "/app/people", P.MANAGE_USERS, "people"),
            Entry("Tokens", "/app/tokens", P.LOOK_UP, "lock"),
            Entry("Storage", "/app/storage", P.SEE_STATUS, "storage"),
        ),
    ),
)
"""In the order in which it is shown."""

HOMES: Final[Sequence[tuple[Permission, str]]] = (
    (P.REVIEW, "/app/reviews"),
    (P.DRAFT, "/app/mine"),
    (P.SEE_STATUS, "/app/overview"),
)
"""Where who has that permission begins; the first that fits counts."""
ACCOUNT: Final = "/app/account"


def menu_of(permissions: Collection[Permission]) -> list[Group]:
    """The menu for who has these permissions."""
    shown = (
        Group(group.label, [entry for entry in group.entries if entry.permission in permissions])
        for group in MENU
    )
    return [group for group in shown if group.entries]


def home_of(identity: Identity) -> str:
    """Where they begin; who may see no page at all learns that on the page about themselves."""
    return next((path for permission, path in HOMES if permission in identity.permissions), ACCOUNT)
