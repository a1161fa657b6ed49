"""`postroom suppression` on the database file (cli/suppression.py)."""

from pathlib import Path

import pytest
from cli_support import answer, audited, inside, postroom

from postroom.cli.suppression import IMPORT_ROWS_MAX
from postroom.kit.actor import WEBHOOK
from postroom.messages.suppressions import Source, Suppressions
from postroom.wiring import Application

SECRET = "anna@example.com"


def stopped(number: str) -> None:
    """As a provider's callback does."""

    async def work(app: Application) -> None:
        ledger, now_us = Suppressions(app.records.vault), app.clock.now_us()
        await app.store.write(
            lambda t: ledger.suppress(
                t, "sms", number, None, Source.STOP_KEYWORD, actor=WEBHOOK, now_us=now_us
            )
        )

    inside(work)


def a_csv(folder: Path, *lines: str, head: str = "address,topic") -> str:
    (folder / "list.csv").write_text("\n".join([head, *lines]) + "\n", encoding="utf-8-sig")
    return "list.csv"


def test_address_is_suppressed_and_lifted() -> None:
    """Shown masked; the audit trail names no address."""
    added = postroom("suppression", "add", SECRET, "--reason", "they rang up").output
    again = postroom("suppression", "add", "ANNA@example.com", "--reason", "they rang up").output
    (one,) = answer("suppression", "list")
    listed = postroom("suppression", "list").output
    lifted = postroom("suppression", "lift", one["suppressionId"], "--reason", "they want it").output

    assert ("gets no more messages" in added, "already" in again, "written to again" in lifted) == (True,) * 3
    assert (one["recipient"], one["source"], one["reason"]) == ("a***@example.com", "staff", "they rang up")
    assert "a***@example.com" in listed
    assert answer("suppression", "list") == []
    assert len(answer("suppression", "list", "--history", "--address", SECRET)) == 2
    assert SECRET not in added + again + lifted + listed + str(audited())
    assert [action for action, _, _ in audited()] == ["wish.suppressed", "wish.allowed"]


def test_stop_is_lifted_with_evidence_alone() -> None:
    """Of the person's consent."""
    stopped("+12125551234")
    (one,) = answer("suppression", "list", "--channel", "sms")

    refused = postroom("suppression", "lift", one["suppressionId"], "--reason", "x", code=1)
    postroom("suppression", "lift", one["suppressionId"], "--reason", "x", "--evidence", "form 7")

    assert "only they take that back" in refused.stderr
    assert answer("suppression", "list") == []


def test_file_is_imported(folder: Path) -> None:
    """Once; a second time nothing is new."""
    file = a_csv(folder, f"{SECRET},", "+12125551234,news", "ben@example.com,*", "ben@example.com,")

    first = answer("suppression", "import", file)
    second = postroom("suppression", "import", file)

    assert first == {"rows": 4, "suppressed": 3, "already": 1}
    assert "0 suppressed, 4 were so already" in second.stdout
    assert [(one["channel"], one["topic"], one["source"]) for one in answer("suppression", "list")] == [
        ("email", "*", "import"), ("sms", "news", "import"), ("email", "*", "import"),
    ]  # fmt: skip
    imports = [details for action, _, details in audited() if action == "wish.imported"]
    assert [(details["rows"], details["suppressed"]) for details in imports] == [(4, 3), (4, 0)]


def test_one_bad_line_stops_the_import(folder: Path) -> None:
    """Bad lines are named, their values are not, and nothing is stored."""
    file = a_csv(
        folder, f"{SECRET},,,", "secret,,,", "+12,,,e", "ben@example.com,fax,,", "ben@example.com,,,", "a@b,sms,,", "x",
        head="address,channel,topic,evidence",
    )  # fmt: skip

    errors = postroom("suppression", "import", file, code=1).stderr

    assert errors.splitlines() == [
        "error: line 3: the address must be an E.164 number: + and country code, 7 to 15 digits in all",
        "error: line 4: the address must be an E.164 number: + and country code, 7 to 15 digits in all",
        "error: line 5: the channel must be email or sms",
        "error: line 7: the address must be an E.164 number: + and country code, 7 to 15 digits in all",
        "error: line 8: has not as many values as the first line has columns",
        "error: nothing was imported",
    ]
    assert answer("suppression", "list") == []


def test_many_bad_lines_are_counted(folder: Path) -> None:
    """Twenty are enough to see what is wrong."""
    errors = postroom("suppression", "import", a_csv(folder, *["secret,"] * 50), code=1).stderr.splitlines()

    assert len(errors) == 22
    assert errors[-2] == "error: and 30 lines more"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "first line must name the columns"),
        (b"email\na@b\n", "first line must name the columns"),
        (b"address,colour\na@b,red\n", "first line must name the columns"),
        (b"address\n\xff@example.com\n", "not UTF-8"),
        (b'address\n"a@b\n', "after line 1: unexpected end of data"),
        (b"address\n" + b"a@example.com\n" * (IMPORT_ROWS_MAX + 1), "more than 25,000 rows"),
    ],
    ids=["empty", "no-address", "unknown-column", "not-utf-8", "open-quote", "too-long"],
)
def test_file_that_is_no_list_is_refused(folder: Path, data: bytes, words: str) -> None:
    """With what is wrong with it."""
    (folder / "list.csv").write_bytes(data)

    assert words in postroom("suppression", "import", "list.csv", code=1).stderr


def test_mistakes_are_explained() -> None:
    """Without repeating an address."""
    wrong = postroom("suppression", "add", "secret", "--reason", "x", code=1).stderr
    assert "the address must be an E.164 number" in wrong
    assert "secret" not in wrong
    assert "no such entry" in postroom("suppression", "lift", "nope", "--reason", "x", code=1).stderr
    assert "--reason must have" in postroom("suppression", "add", SECRET, "--reason", "", code=1).stderr
    assert "the address" in postroom("suppression", "list", "--address", "secret", code=1).stderr
    assert "nobody is suppressed" in postroom("suppression", "list").stdout
