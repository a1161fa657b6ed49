"""One story through Cloudflare's Python SDK, in whatever version is on the path. Prints what it saw, as JSON.

CLOUDFLARE_BASE_URL, CLOUDFLARE_API_TOKEN and the account (argument 1) say where.
"""

import base64
import json
import os
import sys
from typing import Any

import cloudflare

ACCOUNT = sys.argv[1]
client = cloudflare.Cloudflare(base_url=os.environ["CLOUDFLARE_BASE_URL"])
major = int(cloudflare.__version__.partition(".")[0])
queues, account = client.queues, {"account_id": ACCOUNT}
seen: dict[str, Any] = {"version": cloudflare.__version__}


def decoded(message: Any) -> Any:
    kind = message.metadata["CF-Content-Type"] if message.metadata else "json"
    return message.body if kind == "text" else json.loads(base64.b64decode(message.body))


def refused(call: Any) -> list[Any]:
    try:
        call()
    except cloudflare.APIStatusError as error:
        return [type(error).__name__, error.status_code, error.body["errors"][0]["code"]]
    return ["accepted"]


name = f"story-{major}"
made = queues.create(**account, queue_name=name)
queue = {**account, "queue_id": made.queue_id}
seen["made"] = [made.queue_name, made.settings.message_retention_period]
seen["twice"] = refused(lambda: client.with_options(max_retries=0).queues.create(**account, queue_name=name))
seen["listed"] = name in [one.queue_name for one in queues.list(**account)]
edited = queues.edit(
    made.queue_id, **account, settings={"delivery_delay": 0, "message_retention_period": 7200}
)
seen["edited"] = edited.settings.message_retention_period
puller = queues.consumers.create(
    made.queue_id,
    **account,
    type="http_pull",
    settings={"batch_size": 10, "max_retries": 3, "visibility_timeout_ms": 30000},
)
seen["consumer"] = [puller.type, puller.settings.visibility_timeout_ms]

queues.messages.push(made.queue_id, **account, body={"number": 1}, content_type="json")
queues.messages.bulk_push(
    made.queue_id, **account, messages=[{"body": "two", "content_type": "text"}, {"body": {"number": 3}}]
)
pulled = queues.messages.pull(made.queue_id, **account, batch_size=10, visibility_timeout_ms=60000)
seen["bodies"] = [decoded(one) for one in pulled.messages]
seen["attempts"] = [one.attempts for one in pulled.messages]
one, two, three = pulled.messages
done = queues.messages.ack(
    made.queue_id,
    **account,
    acks=[{"lease_id": one.lease_id}, {"lease_id": two.lease_id}],
    retries=[{"lease_id": three.lease_id, "delay_seconds": 0}],
)
seen["acked"] = [done.ack_count, done.retry_count]
again = queues.messages.pull(made.queue_id, **account)
(last,) = again.messages
seen["again"] = [decoded(last), last.attempts]
late = queues.messages.ack(made.queue_id, **account, acks=[{"lease_id": three.lease_id}], retries=[])
seen["late"] = [late.ack_count, len(late.warnings or ())]
if hasattr(queues.messages, "peek"):
    queues.messages.push(made.queue_id, **account, body="seen")
    peeked = queues.messages.peek(made.queue_id, **account)
    seen["peeked"] = [decoded(one) for one in peeked.messages]
    queues.messages.purge(made.queue_id, **account, refs=[{"ref": peeked.messages[0].ref}])
    seen["metrics"] = queues.get_metrics(made.queue_id, **account).backlog_count
queues.purge.start(made.queue_id, **account, delete_messages_permanently=True)
seen["purged"] = bool(queues.purge.status(made.queue_id, **account).completed)
if hasattr(queues, "subscriptions"):
    subscription = queues.subscriptions.create(
        **account,
        name="states",
        enabled=True,
        source={"type": "postroom.messages"},
        events=["message.sent"],
        destination={"type": "queues.queue", "queue_id": made.queue_id},
    )
    seen["subscriptions"] = [one.name for one in queues.subscriptions.list(**account)]
    queues.subscriptions.delete(subscription.id, **account)
paused = queues.edit(made.queue_id, **account, settings={"delivery_paused": True})
seen["paused"] = [
    paused.settings.delivery_paused,
    refused(lambda: client.with_options(max_retries=0).queues.messages.pull(made.queue_id, **account)),
]
queues.consumers.delete(puller.consumer_id, **queue)
queues.delete(made.queue_id, **account)
seen["gone"] = refused(lambda: queues.get(made.queue_id, **account))
print(json.dumps(seen))
