"""How many handlers may run: a pure table."""

import pytest

from postroom.queues.consumer import scale


@pytest.mark.parametrize(
    ("current", "maximum", "backlog", "failing", "expected"),
    [
        pytest.param(1, 250, True, 0.0, 2, id="backlog doubles"),
        pytest.param(8, 250, True, 0.0, 16, id="backlog doubles again"),
        pytest.param(8, 10, True, 0.0, 10, id="never above the maximum"),
        pytest.param(10, 10, True, 0.0, 10, id="stays at the maximum"),
        pytest.param(1, 1, True, 0.0, 1, id="one stays one"),
        pytest.param(5, 250, False, 0.0, 4, id="no backlog takes one away"),
        pytest.param(1, 250, False, 0.0, 1, id="never below one"),
        pytest.param(8, 250, True, 0.5, 16, id="half failing is not most"),
        pytest.param(8, 250, True, 0.51, 4, id="most failing halves"),
        pytest.param(9, 250, True, 1.0, 4, id="an odd number is rounded down"),
        pytest.param(8, 250, False, 1.0, 4, id="failing goes before no backlog"),
        pytest.param(1, 250, True, 1.0, 1, id="failing never below one"),
    ],
)
def test_scale(current: int, maximum: int, backlog: bool, failing: float, expected: int) -> None:
    """Doubled under a backlog, one fewer without, halved while most handlers raise."""
    assert scale(current, maximum, backlog=backlog, failing=failing) == expected
