"""`/client/v4`: Cloudflare's REST API for Queues, so that what talks to Cloudflare can talk to a Postroom.

    request ─► api ─► routes ─► queues │ consumers │ messages │ pulling │ peeking │ purging │ subscriptions │ account
                                       └─► envelope: {"success", "errors", "messages", "result", "result_info"}

https://developers.cloudflare.com/api/resources/queues/
"""

from postroom.web.cloudflare_v4.api import PREFIX, CloudflareApi
from postroom.web.cloudflare_v4.envelope import refuse

__all__ = ["PREFIX", "CloudflareApi", "refuse"]
