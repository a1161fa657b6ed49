"""Content types: what goes in comes out, and what does not fit is refused without being quoted."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.queues import ContentTypeError
from postroom.queues.content import decode, decode_or_raw, encode

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(alphabet=st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@dataclass
class Order:
    number: int


@given(json_values)
@settings(max_examples=60, derandomize=True, deadline=None, database=None)
def test_json_comes_back_equal(body: Any) -> None:
    """Whatever JSON can say."""
    assert decode(encode(body), "json") == body


@pytest.mark.parametrize(
    ("body", "content_type", "stored"),
    [
        ({"id": 1}, "json", b'{"id":1}'),
        (None, "json", b"null"),
        (Order(5), "json", b'{"number":5}'),
        ("grüß", "text", "grüß".encode()),
        ("", "text", b""),
        (b"\x00\xff", "bytes", b"\x00\xff"),
        (bytearray(b"ab"), "bytes", b"ab"),
        (memoryview(b"ab"), "bytes", b"ab"),
    ],
)
def test_body_is_stored_as(body: Any, content_type: str, stored: bytes) -> None:
    """The bytes that count against the limit of a message."""
    assert encode(body, content_type) == stored


@pytest.mark.parametrize(
    ("body", "content_type", "says"),
    [
        (object(), "json", "cannot hold this object"),
        (5, "text", "requires a str, but received int"),
        (b"a", "text", "requires a str, but received bytes"),
        ("a", "bytes", "requires bytes, but received str"),
        ("\ud800", "text", "lone surrogates"),
        ("a", "xml", "use one of: json, text, bytes"),
        ("a", None, "use one of: json, text, bytes"),
        ("a", "v8", "can only be read by Cloudflare Workers"),
    ],
)
def test_body_that_does_not_fit_is_refused(body: Any, content_type: str, says: str) -> None:
    """The text names the type and what would do."""
    with pytest.raises(ContentTypeError, match=says):
        encode(body, content_type)


def test_refusal_does_not_quote_the_body() -> None:
    """Bodies hold personal data, and texts end in logs."""
    with pytest.raises(ContentTypeError) as caught:
        encode({"secret": {1j: "hunter2"}})

    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_endless_body_is_refused() -> None:
    """A list that contains itself is no JSON."""
    body: list[Any] = []
    body.append(body)

    with pytest.raises(ContentTypeError, match="RecursionError"):
        encode(body)


@pytest.mark.parametrize(("data", "content_type"), [(b"{", "json"), (b"\xff", "text"), (b"a", "v8")])
def test_broken_body_is_shown_as_its_bytes(data: bytes, content_type: str) -> None:
    """One message that somebody else broke does not hide the others."""
    assert decode_or_raw(data, content_type) == data
