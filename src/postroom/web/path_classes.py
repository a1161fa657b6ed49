"""What a path is called where it is written down: its first two parts, if they are ours, and nothing that a client chose.

A path may hold a recipient by somebody's mistake, and the links of the portal and of unsubscribing hold the key to a
message; the trail, traces and logs must hold neither.
"""

from collections.abc import Collection, Iterable
from typing import Final

OTHER: Final = "/other"
"""Every path that is none of ours."""


class PathClasses:
    """Knows the beginnings of our paths, from the patterns of the routes (`/api/messages/{message_id:str}`)."""

    def __init__(self, patterns: Iterable[str], webhooks: Collection[str] = ()) -> None:
        """`webhooks` are the names of the receivers."""
        self._known = {_beginning(pattern) for pattern in patterns} | {
            f"/webhooks/{name}" for name in webhooks
        }

    def of(self, path: str) -> str:
        """The class of a path."""
        first, _, rest = path.lstrip("/").partition("/")
        for known in (f"/{first}/{rest.partition('/')[0]}".rstrip("/"), f"/{first}"):
            if known in self._known:
                return known
        return OTHER


def _beginning(pattern: str) -> str:
    parts = pattern.strip("/").split("/")[:2]
    own = parts if not parts[-1].startswith("{") else parts[:-1]
    return "/" + "/".join(own)
