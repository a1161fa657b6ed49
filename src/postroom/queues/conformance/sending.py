"""Sending: what `send` and `send_batch` accept, store, refuse and answer."""

import asyncio
import math
import re
from collections.abc import Iterator
from typing import Any

import pytest

from postroom.queues import (
    ConfigurationError,
    MessageRejected,
    MessageSendRequest,
    MessageTooLarge,
    QueueClosed,
    QueueNotFound,
    Queues,
    QueuesConfig,
)
from postroom.queues.conformance.recorder import WORK, Connect, consume, requests
from postroom.queues.testing import VirtualClock


class Sending:
    """See the module."""

    async def test_sent_message_is_delivered(self, queues: Queues, clock: VirtualClock) -> None:
        """Body, id, timestamp and queue arrive as they were sent, on the first attempt."""
        seen = consume(queues, WORK)
        sent = await queues[WORK].send({"hello": 1})

        async with queues.running():
            await clock.advance(0)

        (message,) = seen.messages
        assert (message.body, message.id, message.attempts) == ({"hello": 1}, sent.id, 1)
        assert message.timestamp == clock.now()
        assert seen.deliveries[0].queue == WORK

    async def test_ids_are_32_hex_digits_and_unique(self, queues: Queues) -> None:
        """As Cloudflare's local simulator makes them."""
        sent = await queues[WORK].send_batch(requests(*range(100)))

        assert all(re.fullmatch(r"[0-9a-f]{32}", one.id) for one in sent)
        assert len({one.id for one in sent}) == 100

    async def test_batch_is_answered_in_its_order(self, queues: Queues) -> None:
        """The n-th result belongs to the n-th message."""
        sent = await queues[WORK].send_batch(requests("a", "b", "c"))

        pulled = await queues[WORK].pull()
        assert {one.id: one.body for one in pulled.messages} == {
            one.id: body for one, body in zip(sent, "abc", strict=True)
        }

    async def test_batch_may_be_any_iterable(self, queues: Queues) -> None:
        """Generators, mappings and MessageSendRequest are all accepted."""

        def messages() -> Iterator[MessageSendRequest | dict[str, Any]]:
            yield MessageSendRequest("a")
            yield {"body": b"b", "content_type": "bytes"}

        await queues[WORK].send_batch(messages())

        assert [one.body for one in (await queues[WORK].pull()).messages] == ["a", b"b"]

    async def test_messages_sent_at_once_are_stored_once_each(self, queues: Queues) -> None:
        """Concurrent senders lose and double nothing."""
        await asyncio.gather(*(queues[WORK].send(number) for number in range(60)))

        pulled = await queues[WORK].pull(batch_size=100)
        assert sorted(one.body for one in pulled.messages) == list(range(60))

    # Limits.

    @pytest.mark.parametrize(
        ("body", "content_type"),
        [("x" * 127_998, "json"), ("x" * 128_000, "text"), (bytes(128_000), "bytes")],
        ids=["json", "text", "bytes"],
    )
    async def test_message_of_128_000_bytes_is_stored(
        self, queues: Queues, body: object, content_type: str
    ) -> None:
        """The limit is inclusive and counts encoded bytes: JSON's quotes are part of it."""
        await queues[WORK].send(body, content_type=content_type)

        assert (await queues[WORK].metrics()).backlog_bytes == 128_000

    @pytest.mark.parametrize(
        ("body", "content_type"),
        [("x" * 127_999, "json"), ("é" * 64_000 + "x", "text"), (bytes(128_001), "bytes")],
        ids=["json", "text", "bytes"],
    )
    async def test_message_of_128_001_bytes_is_refused(
        self, queues: Queues, body: object, content_type: str
    ) -> None:
        """The error has the numbers, and nothing is stored."""
        with pytest.raises(
            MessageTooLarge, match="message length of 128001 bytes exceeds limit of 128000"
        ) as caught:
            await queues[WORK].send(body, content_type=content_type)

        assert (caught.value.size, caught.value.limit) == (128_001, 128_000)
        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_batch_of_100_messages_is_stored(self, queues: Queues) -> None:
        """The limit of the count is inclusive."""
        await queues[WORK].send_batch(requests(*range(100)))

        assert (await queues[WORK].metrics()).backlog_count == 100

    async def test_batch_of_101_messages_is_refused(self, queues: Queues) -> None:
        """Nothing of it is stored."""
        with pytest.raises(MessageTooLarge, match="exceeds limit of 100"):
            await queues[WORK].send_batch(requests(*range(101)))

        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_batch_of_256_000_bytes_is_stored(self, queues: Queues) -> None:
        """The limit of the sum is inclusive."""
        await queues[WORK].send_batch([{"body": bytes(128_000), "content_type": "bytes"}] * 2)

        assert (await queues[WORK].metrics()).backlog_bytes == 256_000

    async def test_batch_of_256_001_bytes_is_refused(self, queues: Queues) -> None:
        """Nothing of it is stored."""
        bodies = [bytes(128_000), bytes(128_000), b"x"]

        with pytest.raises(MessageTooLarge, match="batch size of 256001 bytes exceeds limit of 256000"):
            await queues[WORK].send_batch([{"body": body, "content_type": "bytes"} for body in bodies])

        assert (await queues[WORK].metrics()).backlog_count == 0

    async def test_batch_with_one_bad_message_stores_none(self, queues: Queues) -> None:
        """All or none, and the error names the item."""
        bodies = [b"fine", bytes(128_001)]

        with pytest.raises(MessageTooLarge, match=r"\b1\b.*128001 bytes exceeds"):
            await queues[WORK].send_batch([{"body": body, "content_type": "bytes"} for body in bodies])

        assert (await queues[WORK].metrics()).backlog_count == 0

    # Refusals.

    @pytest.mark.parametrize(
        "messages",
        [[], {"body": 1}, "text", [1], [{"content_type": "json"}], [{"body": 1, "delay": 5}]],
        ids=["empty", "one mapping", "str", "no mapping", "no body", "unknown field"],
    )
    async def test_what_is_no_batch_is_refused(self, queues: Queues, messages: Any) -> None:
        """`send_batch` takes at least one message, and says what is wrong with what it got."""
        with pytest.raises(MessageRejected):
            await queues[WORK].send_batch(messages)

        assert (await queues[WORK].metrics()).backlog_count == 0

    @pytest.mark.parametrize("delay", [-1, -0.001, math.nan, math.inf, "5", True])
    async def test_delay_that_is_none_is_refused(self, queues: Queues, delay: Any) -> None:
        """The error names the key, and nothing is stored."""
        with pytest.raises(ConfigurationError) as caught:
            await queues[WORK].send("x", delay_seconds=delay)
        with pytest.raises(ConfigurationError):
            await queues[WORK].send_batch(requests("x"), delay_seconds=delay)
        with pytest.raises(ConfigurationError):
            await queues[WORK].send_batch([{"body": "x", "delay_seconds": delay}])

        assert caught.value.key == "delay_seconds"
        assert (await queues[WORK].metrics()).backlog_count == 0

    @pytest.mark.parametrize("name", ["my/ Queue", "Work", "-work", "work-", "", "a_b", "a" * 64, "work\n"])
    async def test_name_that_cloudflare_would_refuse_is_refused(self, queues: Queues, name: str) -> None:
        """1 to 63 lower-case letters, digits and dashes, with no dash at either end."""
        with pytest.raises(ConfigurationError):
            queues[name]
        with pytest.raises(ConfigurationError):
            await queues.create(name)

    @pytest.mark.parametrize("name", ["a", "0", "a" * 63, "a-b--c"])
    async def test_name_that_cloudflare_would_accept_is_accepted(self, queues: Queues, name: str) -> None:
        """The edges of the pattern."""
        await queues[name].send("x")

        assert list(await queues.names()) == [name]

    async def test_unknown_queue_is_refused_where_queues_are_not_made(self, connect: Connect) -> None:
        """The error lists the queues there are."""
        queues = await connect(create_queues=False)
        await queues.create("known")

        with pytest.raises(QueueNotFound, match="known") as caught:
            await queues[WORK].send("x")

        assert caught.value.name == WORK
        assert list(await queues.names()) == ["known"]

    async def test_queue_comes_into_being_when_first_used(self, queues: Queues) -> None:
        """Without a configuration a queue is made by the first message to it."""
        await queues[WORK].send("x")

        assert list(await queues.names()) == [WORK]

    async def test_closed_queues_refuse(self, connect: Connect) -> None:
        """After `close` a send raises instead of hanging or storing."""
        queues = await connect()
        await queues[WORK].send("x")
        await queues.close()

        with pytest.raises(QueueClosed):
            await queues[WORK].send("y")

    # What is answered.

    async def test_result_counts_before_the_new_message(self, queues: Queues, clock: VirtualClock) -> None:
        """`metrics` of the result are those of the backlog that the message joined."""
        first = await queues[WORK].send("one")
        await clock.advance(3)
        second = await queues[WORK].send("two")

        assert (first.metrics.backlog_count, first.metrics.backlog_bytes) == (0, 0)
        assert first.metrics.oldest_message_timestamp is None
        assert (second.metrics.backlog_count, second.metrics.backlog_bytes) == (1, len('"one"'))
        assert second.metrics.oldest_message_timestamp is not None
        assert (clock.now() - second.metrics.oldest_message_timestamp).total_seconds() == 3

    async def test_batch_result_counts_before_the_batch(self, queues: Queues) -> None:
        """The second batch of two finds two."""
        first = await queues[WORK].send_batch(requests("a", "b"))
        second = await queues[WORK].send_batch(requests("c", "d"))

        assert [one.metrics.backlog_count for one in first] == [0, 0]
        assert [one.metrics.backlog_count for one in second] == [2, 2]

    async def test_configuration_binds_producers_and_makes_its_queues(
        self, connect: Connect, clock: VirtualClock
    ) -> None:
        """`queues.env.NAME` is the queue bound to the name; others are not made by sending to them."""
        queues = await connect(config=QueuesConfig(producers={"QUEUE": WORK}))
        seen = consume(queues, WORK, max_batch_size=5, max_batch_timeout=1)

        async with queues.running():
            await queues.env.QUEUE.send("a")
            await queues.env["QUEUE"].send_batch(requests("b", "c"))
            await clock.advance(1)
            with pytest.raises(QueueNotFound):
                await queues["elsewhere"].send("x")

        assert seen.batches == [["a", "b", "c"]]
        assert seen.attempts == [1, 1, 1]
        with pytest.raises(AttributeError, match="QUEUE"):
            _ = queues.env.OTHER
