"""The equivalent command line and curl of what a page does, to be copied. Pure; values are quoted for a shell."""

import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec


class Command(NamedTuple):
    """One act, twice."""

    cli: str | None
    """None where there is no such command."""
    curl: str


def of(
    base_url: str,
    method: str,
    path: str,
    *,
    cli: str | None = None,
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    local: bool = False,
    act_as: str | None = None,
) -> Command:
    """`cli` is written as it is typed, without `postroom`; `path` begins with a slash."""
    parts = ["curl"]
    if method != "GET":
        parts.append(f"-X {method}")
    parts.append(shlex.quote(base_url + path))
    if not local:
        parts.append('-H "Authorization: Bearer $POSTROOM_TOKEN"')
    elif act_as is not None:
        parts.append(f"-H {shlex.quote(f'X-Postroom-Act-As: {act_as}')}")
    for name, value in (headers or {}).items():
        parts.append(f"-H {shlex.quote(f'{name}: {value}')}")
    if body is not None:
        parts.append("-H 'Content-Type: application/json'")
        parts.append(f"-d {shlex.quote(msgspec.json.encode(body).decode())}")
    return Command(f"postroom {cli}" if cli else None, " \\\n  ".join(parts))
