"""JSON with comments and trailing commas, as wrangler reads it.

Comments and trailing commas are blanked in place, so that an error of the JSON parser names the right line and
column of the file.
"""

import json
from typing import Any


class JsoncError(ValueError):
    """The text is not JSON, even with comments; `line` and `column` count from 1."""

    def __init__(self, problem: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {problem}")
        self.line = line
        self.column = column


def loads(text: str) -> Any:
    """The value that the text holds; raises JsoncError."""
    plain = blank(text.removeprefix("\ufeff"))
    try:
        return json.loads(plain)
    except json.JSONDecodeError as error:
        raise JsoncError(error.msg, error.lineno, error.colno) from None


def blank(text: str) -> str:
    """The text with comments and trailing commas replaced by spaces; strings are left alone."""
    out = list(text)
    # `comma` is the place of a comma behind a value, as long as nothing but white space has followed it.
    index, comma, last = 0, -1, ""
    while index < len(text):
        letter = text[index]
        if letter == '"':
            index, comma, last = _string_end(text, index), -1, letter
        elif text.startswith(("//", "/*"), index):
            end = _comment_end(text, index)
            for place in range(index, end):
                if out[place] not in "\r\n":
                    out[place] = " "
            index = end
        else:
            if letter in "]}" and comma >= 0:
                out[comma] = " "
            if not letter.isspace():
                comma = index if letter == "," and last not in ("", "[", "{", ",") else -1
                last = letter
            index += 1
    return "".join(out)


def _string_end(text: str, start: int) -> int:
    index = start + 1
    while index < len(text) and text[index] != '"':
        index += 2 if text[index] == "\\" else 1
    return index + 1


def _comment_end(text: str, start: int) -> int:
    line = text.startswith("//", start)
    end = text.find("\n" if line else "*/", start + 2)
    if end >= 0:
        return end if line else end + 2
    if line:
        return len(text)
    before = text[:start]
    raise JsoncError("comment is not closed", before.count("\n") + 1, start - before.rfind("\n"))
