"""Comments and trailing commas are allowed where wrangler allows them, and mean nothing (queues/jsonc.py)."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.queues import jsonc

quick = settings(deadline=None, database=None, max_examples=40)

# Strings that look like what the scanner looks for are the interesting ones.
strings = st.text() | st.text(alphabet='/*",:\\[]{}\nN')
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | strings,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(strings, inner, max_size=4),
    max_leaves=12,
)
noises = st.lists(
    st.sampled_from(
        ["", " ", "\t", "\n", "\r\n", "// note\n", "//\r\n", "/* note, ] } */", '/*"*/', "/**/", "/* a\nb */"]
    ),
    max_size=3,
).map("".join)


@st.composite
def annotated(draw: st.DrawFn) -> tuple[str, Any]:
    """A value, and a text of it with comments between its tokens and commas behind its last elements."""

    def write(value: Any) -> str:
        if isinstance(value, dict):
            pairs = [f"{json.dumps(key)}{draw(noises)}:{write(inner)}" for key, inner in value.items()]
            body = ",".join(f"{draw(noises)}{pair}" for pair in pairs) + trailing(pairs)
            text = f"{{{body}{draw(noises)}}}"
        elif isinstance(value, list):
            items = [write(inner) for inner in value]
            text = f"[{','.join(items)}{trailing(items)}{draw(noises)}]"
        else:
            text = json.dumps(value, ensure_ascii=draw(st.booleans()))
        return f"{draw(noises)}{text}{draw(noises)}"

    def trailing(elements: list[str]) -> str:
        return f"{draw(noises)}," if elements and draw(st.booleans()) else ""

    value = draw(values)
    return write(value), value


@quick
@given(annotated())
def test_comments_and_trailing_commas_never_change_the_value(case: tuple[str, Any]) -> None:
    """Wherever white space may stand, a comment may stand; behind a last element, a comma."""
    text, value = case

    assert jsonc.loads(text) == value


@quick
@given(annotated())
def test_blanking_leaves_every_other_letter_in_its_place(case: tuple[str, Any]) -> None:
    """So the places that the JSON parser reports are those of the file."""
    text, _ = case

    plain = jsonc.blank(text)

    assert len(plain) == len(text)
    assert all(new in (old, " ") for old, new in zip(text, plain, strict=True))
    assert [i for i, letter in enumerate(plain) if letter == "\n"] == [
        i for i, letter in enumerate(text) if letter == "\n"
    ]


@quick
@given(st.text(alphabet='/*",:\\[]{}1-eN \n') | st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    """No error but JsoncError comes out, whatever goes in."""
    with suppress(jsonc.JsoncError):
        jsonc.loads(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1,}', {"a": 1}),
        ("[1, 2, /* x */ ]", [1, 2]),
        ('{"url": "http://x/*y*/", }', {"url": "http://x/*y*/"}),
        ('{"a": "1,]", "b": ",}"}', {"a": "1,]", "b": ",}"}),
        ('{"a": "\\"//"} // end', {"a": '"//'}),
        ('{"a": "\\\\"} // "', {"a": "\\"}),
        ('{"a": [1,\n// c\n],\n}', {"a": [1]}),
        ("[1 /* // */, 2]", [1, 2]),
        ("// c\r[1]", [1]),
        ("\ufeff[1]", [1]),
    ],
    ids=[
        "trailing comma", "comment behind it", "address", "comma in string", "escaped quote", "escaped backslash",
        "over lines", "comment in comment", "carriage return", "byte order mark",
    ],
)  # fmt: skip
def test_comments_and_trailing_commas_are_allowed(text: str, value: object) -> None:
    """And strings are left alone."""
    assert jsonc.loads(text) == value


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("", 1, 1),
        ('{ // one\n  /* two\n */ "a" 1 }', 3, 9),
        ('\ufeff{"a" 1}', 1, 6),
        ('{\n  "a": "b\n}', 2, 10),
        ('{\n  "a": "b', 2, 8),
        ("{\n  ,}", 2, 3),
        ("[1,,]", 1, 4),
        ("[,1]", 1, 2),
        ("[1] 2", 1, 5),
        ("[1,\n /* open", 2, 2),
        ("[\n NaN]", 2, 2),
        ("[-Infinity]", 1, 3),
        ("[" * 101, 1, 101),
    ],
    ids=[
        "empty", "behind comments", "behind a byte order mark", "string over lines", "open string",
        "comma in an empty object", "two commas", "comma first", "more text", "open comment", "NaN", "infinity",
        "too deep",
    ],
)  # fmt: skip
def test_syntax_error_names_line_and_column(text: str, line: int, column: int) -> None:
    """Both count from 1, in the text as it was written."""
    with pytest.raises(jsonc.JsoncError, match=f"^line {line}, column {column}: ") as caught:
        jsonc.loads(text)

    assert (caught.value.line, caught.value.column) == (line, column)


def test_number_of_any_length_is_a_number() -> None:
    """As in JavaScript; Python alone would refuse one of more than 4,300 digits."""
    assert jsonc.loads("1" * 5_000) == float("inf")
