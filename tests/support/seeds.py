"""Chance that can be repeated: every random moment of a test comes from one seed, which a failure shows."""

import os
import random

VARIABLE = "POSTROOM_TEST_SEED"


def seeded(name: str) -> random.Random:
    """A source of chance for the test of that name; its seed is printed, which pytest shows when the test fails."""
    given = os.environ.get(VARIABLE)
    seed = given or str(random.SystemRandom().randrange(2**32))
    print(f"chance: {VARIABLE}={seed} repeats {name}")  # noqa: T201 - for whoever repeats the run
    return random.Random(f"{seed}:{name}")
