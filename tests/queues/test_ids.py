"""Ids: 32 lower-case hex digits, unique between processes and after a fork (kit/ids.py)."""

import os
import re
import subprocess
import sys

import pytest

from postroom.kit.ids import new_id

MAKE_ONE = "from postroom.kit.ids import new_id; print(new_id())"


def test_id_has_the_form_of_cloudflares() -> None:
    """32 lower-case hex digits."""
    assert re.fullmatch(r"[0-9a-f]{32}", new_id())


def test_ids_of_a_process_differ() -> None:
    """However many are made."""
    assert len({new_id() for _ in range(10_000)}) == 10_000


def test_ids_of_a_process_sort_in_the_order_in_which_they_were_made() -> None:
    """Which keeps indexes on them compact."""
    made = [new_id() for _ in range(100)]

    assert made == sorted(made)


def test_ids_of_two_processes_differ() -> None:
    """In their random half."""
    there = subprocess.run(
        [sys.executable, "-c", MAKE_ONE], capture_output=True, text=True, check=True
    ).stdout.strip()

    assert re.fullmatch(r"[0-9a-f]{32}", there)
    assert there[:16] != new_id()[:16]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
def test_child_does_not_go_on_with_its_parents_ids() -> None:
    """A forked process starts a sequence of its own."""
    code = (
        "import os\n"
        "from postroom.kit.ids import new_id\n"
        "new_id()\n"
        "child = os.fork()\n"
        "os.write(1, (new_id() + '\\n').encode())\n"
        "child and os.waitpid(child, 0)\n"
    )
    made = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    assert len(made) == 2
    assert made[0][:16] != made[1][:16]
