"""The contract of a broker as a suite of tests, for authors of brokers.

    # tests/brokers/test_mine.py
    from pathlib import Path

    from postroom.queues.conformance import Conformance

    class TestMine(Conformance):
        def make_url(self, folder: Path) -> str:
            return f"mine:///{folder}/store"

A broker is done when this passes. Each theme is a module here and a class inside `Conformance`, so that a test is
called `TestMine::TestSettling::test_...`; `pytest -k TestSettling` runs one theme, `pytest -rs` lists what was
skipped because the broker's `Capabilities` lack it. Time is virtual: nothing sleeps. Needs pytest and, in
`asyncio_mode = auto`, pytest-asyncio: `pip install "postroom[conformance]" pytest-asyncio`.

`postroom.queues.conformance.machine` is the second half: random walks against a model (needs hypothesis).
"""

import pkgutil

import pytest

pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))

from postroom.queues.conformance.suite import Conformance  # noqa: E402  (assertions are rewritten on import)

__all__ = ["Conformance"]
