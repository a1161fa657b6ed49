"""What all tests share: `--hypothesis-profile=long` for walks and properties that have the night before them."""

from hypothesis import settings

settings.register_profile("long", max_examples=2000, stateful_step_count=60, deadline=None, print_blob=True)
