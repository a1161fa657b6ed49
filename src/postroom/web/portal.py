"""`/p/TOKEN`: a message that stays here, shown to who has its link. The reading is on record before anything is shown.

The page has no script and loads nothing; browsers keep no copy. GET shows a button first, because scanners follow links
and would look like readers.
"""

import base64
import hashlib
from html import escape
from typing import Final

from litestar import MediaType, Response, get, post
from litestar.params import FromPath

from postroom.web.dependencies import Asked, Services

_STYLE: Final = """
:root { color-scheme: light dark; font: 18px/1.6 system-ui, sans-serif }
main { max-width: 40rem; margin: 8vh auto; padding: 0 1.2rem }
pre { white-space: pre-wrap; font: inherit }
button { font: inherit; padding: .6rem 1.2rem; border-radius: .4rem; border: 2px solid; cursor: pointer }
"""
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


@get("/p/{token:str}", include_in_schema=False)
async def show_cover(token: FromPath[str]) -> Response[str]:
    """A page with a button; it does not even say whether the link is right."""
    return _page(200, "A message for you", '<form method="post"><button>Read the message</button></form>')


@post("/p/{token:str}", status_code=200, include_in_schema=False)
async def show_message(token: FromPath[str], request: Asked, services: Services) -> Response[str]:
    """The message itself."""
    if services.portal is None:
        return _unknown()
    found = await services.portal.open(token, request.user.address, request.user.request_id)
    if found is None:
        return _unknown()
    return _page(200, found.subject or "A message for you", f"<pre>{escape(found.content)}</pre>")


HANDLERS: Final = (show_cover, show_message)


def _unknown() -> Response[str]:
    return _page(
        404, "This message cannot be shown",
        "<p>The link may have been cut off on its way, or its time may be over. Ask who sent it to you.</p>",
    )  # fmt: skip


def _page(status: int, title: str, content: str) -> Response[str]:
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f"<style>{_STYLE}</style></head><body><main><h1>{escape(title)}</h1>{content}</main></body></html>"
    )
    headers = {"content-security-policy": POLICY}
    return Response(html, status_code=status, media_type=MediaType.HTML, headers=headers)
