"""A request as a provider sent it."""

from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import parse_qsl, urlsplit

from postroom.kit.redact import Discreet


class Received(Discreet, frozen=True):
    """What came. Its repr shows nothing: callbacks hold telephone numbers."""

    shown: ClassVar[tuple[str, ...]] = ("method",)

    method: str
    url: str
    """As the sender called it: scheme, host and port from our own configuration, path and query from the request."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters; of one that comes twice, the last."""
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))
