"""What the tests of Cloudflare's API share: a client of an application without a server."""

import json
from typing import Any

import httpx

from postroom.cloudflare import ACCOUNT_ID_DEFAULT
from postroom.web.app import create_app
from postroom.wiring import Application, web_services

PRODUCER_TOKEN, OPERATOR_TOKEN, CONSUMER_TOKEN = "p" * 40, "o" * 40, "c" * 40
ACCOUNT = ACCOUNT_ID_DEFAULT


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, answer: httpx.Response) -> None:
        (error,) = answer.json()["errors"]
        super().__init__(f"{answer.status_code} {error['code']} {error['message']}")
        self.status = answer.status_code
        self.code: int = error["code"]
        self.message: str = error["message"]
        self.answer = answer


class Api:
    """Asks for a path below the account (or below /client/v4, with a slash before it)."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self._asgi = create_app(web_services(app))
        self.announced: list[Any] = []
        app.queues.events.subscribe(object, self.announced.append)

    async def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = "any", headers: Any = None
    ) -> httpx.Response:
        where = path if path.startswith(("/", "http")) else f"/accounts/{ACCOUNT}/{path}"
        given = {**({"authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        transport = httpx.ASGITransport(self._asgi, client=("127.0.0.1", 50_000))
        base = "http://localhost:5173/client/v4"
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            return await client.request(method, where, content=content, headers=given)

    async def whole(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """The envelope of a success; raises Refused."""
        answer = await self.ask(method, path, body, **options)
        if not answer.json()["success"]:
            raise Refused(answer)
        assert answer.status_code == 200
        return answer.json()

    async def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """The result of a success; raises Refused."""
        return (await self.whole(method, path, body, **options))["result"]

    async def queue(self, name: str = "work", *, pulled: bool = True, **consumer: Any) -> str:
        """A new queue; its path."""
        made = await self("POST", "queues", {"queue_name": name})
        path = f"queues/{made['queue_id']}"
        if pulled:
            dead = consumer.pop("dead_letter_queue", None)
            body = {"type": "http_pull", "settings": consumer, "dead_letter_queue": dead}
            await self("POST", f"{path}/consumers", body)
        return path
