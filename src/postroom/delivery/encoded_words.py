"""RFC 2047 encoded words: text outside ASCII in a header."""

from binascii import b2a_base64
from typing import Final

WORD_BYTES_MAX: Final = 39
"""Bytes of text in one encoded word: 52 characters of Base64, so that the word fits a line of 76 (RFC 2047 2)
also after a header name of `NAME_CHARS_MAX`."""
NAME_CHARS_MAX: Final = 10
"""Longest header name that leaves room for a word on its line, characters."""


def encoded_words(text: str) -> str:
    """The text as Base64 encoded words in UTF-8, one a line, ready to stand in a header.

    A character is never split over two words (RFC 2047 5). Raises UnicodeEncodeError for lone surrogates.
    """
    words: list[bytes] = []
    word = b""
    for character in text:
        encoded = character.encode()
        if len(word) + len(encoded) > WORD_BYTES_MAX:
            words.append(word)
            word = b""
        word += encoded
    words.append(word)
    return "\r\n ".join(f"=?utf-8?b?{b2a_base64(each, newline=False).decode('ascii')}?=" for each in words)
