"""The HTTP API: `create_app` in `app`, `serve` in `server`, and what both are given in `services`.

Importing this package alone needs no web framework, so that commands without a server start quickly.
"""

from postroom.web.services import Accounts, ScheduleDesk, Token, Watching, WebServices

__all__ = ["Accounts", "ScheduleDesk", "Token", "Watching", "WebServices"]
