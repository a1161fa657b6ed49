"""The role matrix, cell by cell (accounts/roles.py)."""

import pytest

from postroom.accounts import MATRIX, Permission, Role, permissions_of
from postroom.settings import ROLES

TABLE = """
                     staff reviewer doctor admin auditor producer consumer operator
draft                yes   yes      yes    yes   no      no       no       no
submit               yes   yes      yes    yes   no      no       no       no
review               no    yes      yes    yes   no      no       no       no
send_directly        no    yes      yes    yes   no      no       no       no
read_bodies          no    yes      yes    yes   no      no       no       no
look_up              yes   yes      yes    yes   yes     yes      yes      yes
enqueue              no    no       no     yes   no      yes      yes      yes
consume              no    no       no     yes   no      no       yes      no
export               no    no       no     yes   yes     no       no       yes
see_audit            no    no       no     yes   yes     no       no       no
see_status           no    no       no     yes   yes     no       yes      yes
manage_queues        no    no       no     yes   no      no       no       yes
manage_templates     no    yes      no     yes   no      no       no       no
manage_suppressions  no    yes      yes    yes   no      no       no       yes
manage_webhooks      no    no       no     yes   no      no       no       yes
debug                no    no       no     yes   no      no       no       no
manage_users         no    no       no     yes   no      no       no       no
"""
ROWS = [line.split() for line in TABLE.strip().splitlines()]
CELLS = [(role, row[0], row[1 + column]) for row in ROWS[1:] for column, role in enumerate(ROWS[0])]


@pytest.mark.parametrize(("role", "permission", "allowed"), CELLS)
def test_cell(role: str, permission: str, allowed: str) -> None:
    """Whether the role allows it."""
    assert (Permission(permission) in MATRIX[Role(role)]) == (allowed == "yes")


def test_table_is_whole() -> None:
    """No role and no permission is missing here, nor in the settings."""
    assert {role for role, _, _ in CELLS} == set(Role) == set(ROLES)
    assert {permission for _, permission, _ in CELLS} == set(Permission)


def test_several_roles_allow_what_any_of_them_does() -> None:
    """And an unknown one nothing."""
    assert permissions_of(["staff", "auditor"]) == MATRIX[Role.STAFF] | MATRIX[Role.AUDITOR]
    assert permissions_of(["boss"]) == frozenset()
