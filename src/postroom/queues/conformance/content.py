"""Content: bodies come back as they were sent, by their content type."""

from typing import Any

import pytest

from postroom.queues import ContentTypeError, Queues
from postroom.queues.conformance.recorder import WORK, consume
from postroom.queues.testing import VirtualClock

BODIES: list[tuple[str, Any]] = [
    ("json", {"nested": {"list": [1, -2.5, None, True, "é\u0000\U0001f4ee"]}}),
    ("json", None),
    ("json", []),
    ("json", ""),
    ("json", 0),
    ("json", False),
    ("json", 2**53 + 1),
    ("text", "grüße\n\u0000\U0001f4ee"),
    ("text", ""),
    ("bytes", bytes(range(256))),
    ("bytes", b""),
]


class Content:
    """See the module."""

    @pytest.mark.parametrize(
        ("content_type", "body"), BODIES, ids=[f"{kind} {body!a:.20}" for kind, body in BODIES]
    )
    async def test_body_comes_back_as_it_was_sent(
        self, queues: Queues, clock: VirtualClock, content_type: str, body: object
    ) -> None:
        """To a handler, to a puller and to who peeks, with its type."""
        seen = consume(queues, WORK)
        await queues[WORK].send(body, content_type=content_type)

        (peeked,) = await queues[WORK].peek()
        (pulled,) = (await queues[WORK].pull()).messages
        await queues[WORK].settle(retries=[pulled.lease_id])
        async with queues.running():
            await clock.advance(0)

        found: list[Any] = [peeked, pulled, *seen.messages]
        for one in found:
            assert (one.content_type, type(one.body), one.body) == (content_type, type(body), body)
        assert len(seen.messages) == 1

    async def test_types_mix_in_one_batch(self, queues: Queues, clock: VirtualClock) -> None:
        """Each message is decoded by its own type."""
        seen = consume(queues, WORK, max_batch_size=3, max_batch_timeout=1)

        async with queues.running():
            await queues[WORK].send_batch(
                [
                    {"body": "1", "content_type": "text"},
                    {"body": [1]},
                    {"body": b"1", "content_type": "bytes"},
                ]
            )
            await clock.advance(1)

        assert seen.batches == [["1", [1], b"1"]]
        assert [message.raw for message in seen.messages] == [b"1", b"[1]", b"1"]

    @pytest.mark.parametrize("kind", [bytearray, memoryview])
    async def test_bytes_like_objects_arrive_as_bytes(self, queues: Queues, kind: type) -> None:
        """What was handed over is copied: later changes do not reach the queue."""
        buffer = bytearray(b"ab")
        await queues[WORK].send(kind(buffer), content_type="bytes")
        buffer[0] = 0

        assert [one.body for one in (await queues[WORK].pull()).messages] == [b"ab"]

    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            ({"a": 1}, "text"),
            (b"a", "text"),
            ("\ud800", "text"),
            ("a", "bytes"),
            ([1], "bytes"),
            (object(), "json"),
            ("a", "xml"),
            ("a", "TEXT"),
            ("a", None),
        ],
        ids=lambda value: repr(value)[:12] if type(value) is not object else "object",
    )
    async def test_body_that_does_not_fit_is_refused(
        self, queues: Queues, body: Any, content_type: Any
    ) -> None:
        """By `send` and `send_batch` alike; the error is a TypeError too, and nothing is stored."""
        with pytest.raises(ContentTypeError):
            await queues[WORK].send(body, content_type=content_type)
        with pytest.raises(TypeError):
            await queues[WORK].send_batch([{"body": "fine"}, {"body": body, "content_type": content_type}])

        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_v8_is_refused_with_the_alternatives(self, queues: Queues) -> None:
        """Only Cloudflare Workers can read V8's serialisation, so the error says what to send instead."""
        with pytest.raises(ContentTypeError, match=r'v8.*"json", "text" or "bytes"'):
            await queues[WORK].send({"a": 1}, content_type="v8")

    async def test_refusal_does_not_quote_the_body(self, queues: Queues) -> None:
        """Contents never reach errors, which end up in logs."""
        with pytest.raises(ContentTypeError) as caught:
            await queues[WORK].send({"secret": {"ssn-123"}, "other": object()})

        assert "ssn-123" not in str(caught.value)
        assert caught.value.__cause__ is None
