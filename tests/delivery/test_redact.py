"""Masked forms show no more than the design allows, and discreet values keep quiet (kit/redact)."""

from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.kit.redact import Discreet, mask, mask_email, mask_phone


class Patient(Discreet, frozen=True):
    shown: ClassVar[tuple[str, ...]] = ("number",)

    number: int
    name: str


@pytest.mark.parametrize(
    ("address", "masked"),
    [
        pytest.param("anna@example.com", "a***@example.com", id="usual"),
        pytest.param("a@example.com", "***@example.com", id="one-character"),
        pytest.param("anna@exämple.com", "a***@exämple.com", id="idn"),
        pytest.param("anna", "***", id="no-at"),
        pytest.param("anna@", "***", id="no-domain"),
        pytest.param("@example.com", "***", id="no-local-part"),
        pytest.param("anna@b@c.com", "***", id="two-ats"),
        pytest.param("call anna@example.com", "***", id="sentence"),
        pytest.param("anna@example.com\n", "***", id="line-break"),
        pytest.param("anna@[10.0.0.1]", "***", id="literal"),
        pytest.param("", "***", id="empty"),
        pytest.param(None, "***", id="none"),
    ],
)
def test_mask_email_shows_first_character_and_domain(address: object, masked: str) -> None:
    """An address keeps its first character and domain; anything else is hidden whole."""
    assert mask_email(address) == masked


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        pytest.param("+12125551234", "+1******1234", id="e164"),
        pytest.param("+1 (212) 555-1234", "+1******1234", id="separators"),
        pytest.param("2125551234", "2*****1234", id="national"),
        pytest.param("5551234", "***", id="too-short"),
        pytest.param("+1234567890123456", "***", id="too-long"),
        pytest.param("+1212555١٢٣٤", "***", id="other-digits"),
        pytest.param("call 12125551234", "***", id="sentence"),
        pytest.param(12125551234, "***", id="integer"),
    ],
)
def test_mask_phone_shows_first_digit_and_last_four(number: object, masked: str) -> None:
    """A number keeps its first digit and last four; anything else is hidden whole."""
    assert mask_phone(number) == masked


@pytest.mark.parametrize(
    ("recipient", "masked"),
    [
        ("anna@example.com", "a***@example.com"),
        ("+12125551234", "+1******1234"),
        ("anna", "***"),
        (None, "***"),
    ],
    ids=["email", "phone", "name", "none"],
)
def test_mask_picks_the_form_that_fits(recipient: object, masked: str) -> None:
    """Recipients of every channel can be masked without knowing the channel."""
    assert mask(recipient) == masked


@given(st.one_of(st.text(), st.binary(), st.integers(), st.none()))
def test_mask_never_raises_and_never_shows_the_whole(junk: object) -> None:
    """Whatever is given, a text comes back that is not what was given."""
    assert mask(junk) != junk


def test_discreet_value_shows_only_what_it_may() -> None:
    """Neither repr nor rich sees the other fields."""
    patient = Patient(7, "Anna")

    assert repr(patient) == "Patient(number=7)"
    assert patient.__rich_repr__() == [("number", 7)]
