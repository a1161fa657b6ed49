"""The URL: `cloudflare://TOKEN@ACCOUNT_ID?base_url=...&database=sqlite:///postroom.db&poll=1&envelope=always`."""

from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from postroom.kit.cloudflare import BASE_URL
from postroom.queues.errors import ConfigurationError

ALLOWED: Final = (
    "cloudflare://TOKEN@ACCOUNT_ID, with ?base_url=, &database=sqlite:///PATH, &poll=SECONDS, "
    "&envelope=always|needed"
)
POLL_SECONDS: Final = 1.0
POLL_SECONDS_RANGE: Final = (0.05, 60.0)
NAMES: Final = frozenset({"base_url", "database", "poll", "envelope"})


class CloudflareOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the URL says."""

    account_id: str
    token: str
    base_url: str = BASE_URL
    database: Path | None = None
    """Where what the service cannot hold is kept: long delays, deduplication, sends inside a transaction."""
    poll_seconds: float = POLL_SECONDS
    """How often an idle consumer asks; the service has no long poll, and every question is an operation."""
    envelope: bool = True
    """Whether every message has Postroom's id and metadata around its body. Else only those that need it, so that
    Workers can read the rest; such a message's id is the service's, which the sender does not learn."""

    def __repr__(self) -> str:
        return f"CloudflareOptions(account_id={self.account_id!r}, base_url={self.base_url!r})"


def read_url(url: str) -> CloudflareOptions:
    """The options of a URL; raises ConfigurationError, whose text does not hold the token."""
    parts = urlsplit(url)
    account, token = parts.hostname or "", unquote(parts.username or "")
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(set(given) - NAMES)
    if unknown:
        raise _invalid(f"has {unknown[0]}=, which is no option")
    if not account or parts.path not in ("", "/") or not account.isalnum():
        raise _invalid("names no account")
    if not token:
        raise _invalid("has no token; put it before the account, or set CLOUDFLARE_API_TOKEN for the service")
    found: dict[str, object] = {"account_id": account, "token": token}
    if "base_url" in given:
        base = urlsplit(given["base_url"])
        if base.scheme not in ("http", "https") or not base.hostname:
            raise _invalid("has a base_url that is not http:// or https://")
        found["base_url"] = given["base_url"]
    if "database" in given:
        path = given["database"].removeprefix("sqlite:///")
        if path == given["database"] or not path:
            raise _invalid("has a database that is not sqlite:///PATH")
        found["database"] = Path(path)
    if "poll" in given:
        low, high = POLL_SECONDS_RANGE
        try:
            seconds = float(given["poll"])
        except ValueError:
            seconds = -1.0
        if not low <= seconds <= high:
            raise _invalid(f"has a poll that is not a number from {low} to {high} seconds")
        found["poll_seconds"] = seconds
    if "envelope" in given:
        if given["envelope"] not in ("always", "needed"):
            raise _invalid("has an envelope that is neither always nor needed")
        found["envelope"] = given["envelope"] == "always"
    return msgspec.convert(found, CloudflareOptions)


def _invalid(problem: str) -> ConfigurationError:
    return ConfigurationError(f"the cloudflare:// URL {problem}; write {ALLOWED}", key="url", allowed=ALLOWED)
