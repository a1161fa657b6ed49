"""Links by which people unsubscribe (messages/unsubscribing.py; RFC 8058, delivery 1.1)."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.delivery import Email
from postroom.delivery.mime import compose
from postroom.messages.unsubscribing import Subscription, Unsubscribing

KEY, OLD = b"k" * 32, b"o" * 32
SUBSCRIPTION = Subscription("a" * 32, "email", "news", "m-1")
URL = "https://postroom.example.com"


def test_token_tells_what_it_is_about() -> None:
    """To who has the key, also one that was replaced since; the same one each time."""
    links = Unsubscribing([KEY], URL)
    token = links.token(SUBSCRIPTION)

    assert links.read(token) == SUBSCRIPTION
    assert links.token(SUBSCRIPTION) == token
    assert Unsubscribing([b"n" * 32, KEY], URL).read(token) == SUBSCRIPTION
    assert Unsubscribing([OLD], URL).read(token) is None


def test_token_is_opaque() -> None:
    """Nobody on the way learns topic, message or index from it."""
    token = Unsubscribing([KEY], URL).token(SUBSCRIPTION)
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))

    assert not any(part.encode() in raw for part in SUBSCRIPTION)


def test_changed_token_is_none() -> None:
    """Every single character counts."""
    links = Unsubscribing([KEY], URL)
    token = links.token(SUBSCRIPTION)
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))

    for place in range(len(raw)):
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        assert links.read(base64.urlsafe_b64encode(changed).rstrip(b"=").decode()) is None
    for cut in (token[:-1], token[:-4], token[4:], token * 2, "", "x", "ä" * 30, token + "="):
        assert links.read(cut) is None


@given(st.text(max_size=800))
def test_junk_is_none(token: str) -> None:
    """And raises nothing."""
    assert Unsubscribing([KEY], URL).read(token) is None


@given(st.text(min_size=1, max_size=64), st.text("aZ09._:-", min_size=1, max_size=128))
def test_every_topic_and_id_fits_a_header(topic: str, message_id: str) -> None:
    """Of 998 characters, on one line of the email."""
    if not topic.isprintable():
        return
    links = Unsubscribing([KEY], "https://" + "x" * 180 + ".example")
    found = Subscription("a" * 64, "email", topic, message_id)
    headers = links.headers(found)
    line = f"List-Unsubscribe: {headers['List-Unsubscribe']}"

    assert len(line) <= 998
    email = Email(message_id="m-1", recipient="a@example.com", subject="x", content="x", headers=headers)
    assert f"\r\n{line}\r\n".encode() in compose(email, sender="b@example.com", now_us=0).content
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    token = headers["List-Unsubscribe"].removesuffix(">").rpartition("/")[2]
    assert links.read(token) == found


@pytest.mark.parametrize("url", [None, "http://localhost:5173"])
def test_without_https_there_are_no_headers(url: str | None) -> None:
    """RFC 8058 asks for it."""
    assert Unsubscribing([KEY], url).headers(SUBSCRIPTION) == {}


def test_weak_key_and_long_address_are_refused() -> None:
    """When it is made, not when the first message leaves; and nothing shows the key."""
    for keys, url in (([], URL), ([b"short"], URL), ([KEY, b"short"], URL), ([KEY], "https://" + "x" * 200)):
        with pytest.raises(ValueError, match=r"must|need"):
            Unsubscribing(keys, url)
    assert "k" * 5 not in repr(Unsubscribing([KEY], URL))
