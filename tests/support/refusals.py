"""What a database refuses, whichever it is and however deep its words are in the chain of causes."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def refused(text: str) -> Iterator[None]:
    """The block must raise an error that says so, itself or by what caused it."""
    with pytest.raises(Exception) as raised:
        yield
    said, error = [], raised.value
    while error is not None:
        said.append(str(error))
        error = error.__cause__  # type: ignore[assignment]
    assert any(text in words for words in said), said
