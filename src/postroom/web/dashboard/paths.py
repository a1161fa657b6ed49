"""Which paths are pages, and which of them need nobody to be signed in."""

from typing import Final

PREFIX: Final = "/app"
HOME: Final = "/"
SIGN_IN: Final = "/app/sign-in"
SIGN_OUT: Final = "/app/sign-out"
ACT_AS: Final = "/app/act-as"
STATIC: Final = "/app/static/"
OPEN: Final = frozenset({SIGN_IN, ACT_AS, "/app/theme"})
"""Pages that are there for visitors too."""


def is_page(path: str) -> bool:
    """Whether it is answered with a page, its refusals included."""
    return path in (HOME, PREFIX) or path.startswith("/app/")


def is_open(path: str) -> bool:
    """Whether nobody needs to be signed in."""
    return path in OPEN or path.startswith(STATIC)


def safe_next(given: str | None) -> str:
    """Where to go on after signing in: a page of ours, or the home page for anything else."""
    if given and given.startswith("/app") and given.isascii() and given.isprintable() and "\\" not in given:
        path = given.partition("?")[0]
        if is_page(path) and not is_open(path):
            return given
    return HOME
