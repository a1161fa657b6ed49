"""JSON with comments and trailing commas, as wrangler reads it.

Comments and trailing commas are blanked in place, so that an error of the JSON parser names the right line and
column of the file.
"""

import json
import re
from typing import Any, Final

DEPTH_MAX: Final = 100
"""Arrays and objects inside one another; a configuration has about five."""
DIGITS_MAX: Final = 300
"""Digits of a whole number that is read as one; Python refuses to read much longer ones."""

LINE_END: Final = re.compile(r"[\r\n]")


class JsoncError(ValueError):
    """The text is not JSON, even with comments; `line` and `column` count from 1."""

    def __init__(self, problem: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {problem}")
        self.line = line
        self.column = column


def loads(text: str) -> Any:
    """The value that the text holds, with or without a byte order mark; raises JsoncError."""
    plain = blank(text.removeprefix("\ufeff"))
    try:
        return json.loads(plain, parse_int=_whole)
    except json.JSONDecodeError as error:
        # Some texts end in a preposition, for the place that json would put behind them.
        problem = error.msg.removesuffix(" starting at").removesuffix(" at")
        raise JsoncError(problem, error.lineno, error.colno) from None


def blank(text: str) -> str:
    """The text with comments and trailing commas replaced by spaces; strings and places are left as they are.

    Raises JsoncError for a comment that is not closed, for NaN and Infinity, which Python's parser would let
    pass, and for more than DEPTH_MAX levels.
    """
    out = list(text)
    # `comma` is the place of a comma behind a value, as long as nothing but white space has followed it.
    index, comma, last, depth = 0, -1, "", 0
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
            if letter in "NI":
                raise _error("Expecting value", text, index)
            depth += (letter in "[{") - (letter in "]}")
            if depth > DEPTH_MAX:
                raise _error(f"more than {DEPTH_MAX} levels", text, index)
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
    if text.startswith("//", start):
        end = LINE_END.search(text, start)
        return end.start() if end else len(text)
    close = text.find("*/", start + 2)
    if close < 0:
        raise _error("comment is not closed", text, start)
    return close + 2


def _whole(digits: str) -> int | float:
    # JavaScript has no other numbers than floats, so to wrangler a number of any length is a number.
    return int(digits) if len(digits) <= DIGITS_MAX else float(digits)


def _error(problem: str, text: str, index: int) -> JsoncError:
    before = text[:index]
    return JsoncError(problem, before.count("\n") + 1, index - before.rfind("\n"))
