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
)
"""In the order in which it is shown."""

HOMES: Final[Sequence[tuple[Permission, str]]] = (
    (P.REVIEW, "/app/reviews"),
    (P.DRAFT, "/app/mine"),
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
