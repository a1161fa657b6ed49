"""Serving inside a running loop: the port, the bounds of a connection, and an end that lets requests finish."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from web_support import CURL_BODY, Api

from postroom.web import connection
from postroom.web.server import AddressUnavailable, WebServer, serve, serving


@pytest.fixture
async def server(api: Api) -> AsyncIterator[WebServer]:
    async with serving(api.asgi, "127.0.0.1", 0) as server:
        yield server


async def ask(server: WebServer, raw: bytes) -> bytes:
    """Send bytes and read until the server closes."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        writer.write(raw)
        await writer.drain()
        return await reader.read()
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_reference_curl_works_over_the_wire(server: WebServer) -> None:
    """On the port that was found; the answer does not tell what serves it."""
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
        response = await client.post(
            "/api/enqueue-job", content=CURL_BODY, headers={"Content-Type": "application/json"}
        )

    assert server.port != 0
    assert (response.status_code, response.json()["reference"]) == (202, "test-123")
    assert "server" not in response.headers


async def test_taken_port_is_told_in_one_sentence(api: Api, server: WebServer) -> None:
    """With what to do about it."""
    with pytest.raises(
        AddressUnavailable, match=f"port {server.port} on 127.0.0.1 is taken by another program"
    ):
        await WebServer(api.asgi, "127.0.0.1", server.port).start()


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
async def test_address_of_another_machine_is_told_in_one_sentence(api: Api, host: str) -> None:
    """Also where the name means nothing."""
    with pytest.raises(AddressUnavailable, match="is not an address of this machine"):
        await WebServer(api.asgi, host, 0).start()


async def test_cancelled_server_lets_requests_finish_and_hands_back(api: Api) -> None:
    """`serve` returns to its caller by the caller's own cancellation, after the last answer."""
    arrived, may_end = asyncio.Event(), asyncio.Event()
    listening: asyncio.Future[WebServer] = asyncio.get_running_loop().create_future()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        arrived.set()
        await may_end.wait()
        await api.asgi(scope, receive, send)

    serving = asyncio.create_task(serve(slow, "127.0.0.1", 0, listening=listening.set_result))
    url = (await listening).url
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        asked = asyncio.create_task(client.get("/health"))
        await arrived.wait()
        serving.cancel()
        may_end.set()
        response = await asked
        with pytest.raises(asyncio.CancelledError):
            await serving

    assert response.status_code == 200
    with pytest.raises(OSError, match="Connect"):
        await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))


async def test_server_starts_once(server: WebServer) -> None:
    """A second start while it runs changes nothing."""
    port = server.port

    await server.start()

    assert (server.running, server.port) == (True, port)


async def test_what_is_not_http_is_a_problem_too(server: WebServer) -> None:
    """400, closed."""
    answer = await ask(server, b"HELLO\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"urn:postroom:problem:malformed-request" in answer


async def test_head_without_end_is_refused(server: WebServer) -> None:
    """431 before it fills the memory."""
    answer = await ask(server, b"GET / HTTP/1.1\r\nX: " + b"x" * (connection.HEAD_BYTES_MAX + 1))

    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"application/problem+json" in answer


async def test_client_that_sends_too_slowly_is_hung_up_on(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody holds a connection with half a request."""
    monkeypatch.setattr(connection, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(connection, "SENDING_SECONDS_MAX", 0.01)
    async with serving(api.asgi, "127.0.0.1", 0) as server:
        answers = await asyncio.gather(
            ask(server, b""),
            ask(server, b"GET /health HTTP/1.1\r\nX"),
            ask(server, b"POST /api/enqueue-job HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"),
        )

    assert answers == [b"", b"", b""]


async def test_oversized_body_is_answered_over_the_wire(server: WebServer) -> None:
    """413 at the sight of its length, and the connection ends."""
    answer = await ask(
        server, b"POST /api/enqueue-job HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999\r\n\r\n{"
    )

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()


async def test_address_of_version_6_has_brackets(api: Api) -> None:
    """So that its URL can be copied."""
    assert WebServer(api.asgi, "::1", 80).url == "http://[::1]:80"
