"""`postroom user` and `postroom token` on the database file (cli/user.py)."""

import pytest
from cli_support import answer, audited, postroom

PASSWORD = "correct horse battery"


def made(name: str = "anna", *more: str) -> None:
    postroom("user", "create", name, "--role", "staff", "--no-password", *more)


def test_user_is_made_changed_disabled_and_enabled() -> None:
    """Each on the trail; the password is nowhere."""
    created = postroom("user", "create", "Anna", "--role", "staff", "--password-stdin", given=f"{PASSWORD}\n")
    postroom("user", "roles", "anna", "--role", "reviewer", "--role", "doctor")
    postroom("user", "password", "anna", "--password-stdin", given=f"{PASSWORD} new\n")
    postroom("user", "disable", "anna")
    (disabled,) = answer("user", "list")
    postroom("user", "enable", "anna")
    (enabled,) = answer("user", "list")

    assert "may sign in as staff" in created.output
    assert (disabled["name"], sorted(disabled["roles"])) == ("anna", ["doctor", "reviewer"])
    assert (disabled["disabled"], enabled["disabled"]) == (True, False)
    trail = audited()
    assert [action for action, _, _ in trail] == ["user.created", *["user.changed"] * 4]
    assert PASSWORD not in created.output + str(trail)


@pytest.mark.parametrize(
    ("args", "given", "complaint"),
    [
        (("create", "anna", "--role", "staff", "--password-stdin"), "short\n", "password"),
        (("create", "anna", "--role", "boss", "--no-password"), None, "'boss' is not one of"),
        (("create", "a b", "--role", "staff", "--no-password"), None, "name"),
        (("disable", "nobody"), None, "nobody"),
        (("roles", "nobody", "--role", "staff"), None, "nobody"),
    ],
)
def test_what_is_wrong_is_said(args: tuple[str, ...], given: str | None, complaint: str) -> None:
    """And nothing is stored."""
    code = 2 if "boss" in args else 1
    refused = postroom("user", *args, code=code, given=given)
    assert complaint in refused.stderr
    assert answer("user", "list") == []


def test_name_is_taken_once() -> None:
    """Whatever its case."""
    made()
    assert "is taken" in postroom("user", "create", "ANNA", "--role", "admin", "--no-password", code=1).stderr


def test_token_is_shown_once_and_revoked_for_good() -> None:
    """Only its beginning is ever listed."""
    made()
    secret = postroom("token", "create", "laptop", "--for", "anna", "--scope", "look_up").stdout.strip()
    (listed,) = answer("token", "list", "--for", "anna")
    screen = postroom("token", "list").output
    postroom("token", "revoke", listed["tokenId"])
    again = postroom("token", "revoke", listed["tokenId"], code=1).stderr

    assert secret.startswith("pr_")
    assert secret not in screen + str(listed) + str(audited())
    assert (listed["user"], listed["label"], listed["scopes"]) == ("anna", "laptop", ["look_up"])
    assert "still good" in again
    assert [action for action, _, _ in audited()] == ["user.created", "token.created", "token.revoked"]


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (("laptop", "--for", "nobody"), "nobody"),
        (("laptop", "--for", "anna", "--scope", "everything"), "everything"),
        (("laptop", "--for", "anna", "--expires-days", "0"), "--expires-days"),
    ],
)
def test_token_of_nobody_or_for_nothing(args: tuple[str, ...], complaint: str) -> None:
    """Is not made."""
    made()
    code = 2 if "--expires-days" in args else 1
    assert complaint in postroom("token", "create", *args, code=code).stderr
    assert answer("token", "list") == []
