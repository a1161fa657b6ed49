"""What Litestar hands to handlers by name; provided once, in `app`."""

from typing import Annotated, Any, TypeAlias

from litestar import Request
from litestar.params import Dependency

from postroom.web.auth import Identity
from postroom.web.services import WebServices

Services: TypeAlias = Annotated[WebServices, Dependency(skip_validation=True)]
"""The parameter `services` of a handler."""

Asked: TypeAlias = Request[Identity, Any, Any]
"""A request; its `user` is who asks."""
