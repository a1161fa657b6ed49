"""`/schema` and `/schema/openapi.json`: the page and the document, served by Litestar's router for them."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from litestar import Request, Response, Router
from litestar.enums import MediaType, OpenAPIMediaType
from litestar.openapi.plugins import OpenAPIRenderPlugin

from postroom.web.openapi.page import POLICY_VALUE, render
from postroom.web.problems import NOT_FOUND, Refusal

Complete = Callable[[Mapping[str, Any]], dict[str, Any]]

_encode = msgspec.json.Encoder().encode


class _Page(OpenAPIRenderPlugin):
    def __init__(self, complete: Complete) -> None:
        super().__init__(path="/", media_type=MediaType.HTML)
        self._complete = complete

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The page."""
        return render(self._complete(openapi_schema))


class _Document(OpenAPIRenderPlugin):
    def __init__(self, complete: Complete) -> None:
        super().__init__(path="/openapi.json", media_type=OpenAPIMediaType.OPENAPI_JSON)
        self._complete = complete

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The document."""
        return _encode(self._complete(openapi_schema))


def documentation(complete: Complete) -> tuple[list[OpenAPIRenderPlugin], Router]:
    """What renders page and document, and the router that both are put into."""
    router = Router("/schema", route_handlers=[], include_in_schema=False, after_request=_finish)
    return [_Page(complete), _Document(complete)], router


def _finish(response: Response[Any]) -> Response[Any]:
    """Let the page use its style; answer what is not there as everywhere else."""
    if response.status_code == NOT_FOUND.status:
        raise Refusal(NOT_FOUND)
    if response.media_type == MediaType.HTML:
        response.headers["content-security-policy"] = POLICY_VALUE
    return response
