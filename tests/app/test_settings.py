"""Settings are read once, checked whole, and told with their origins; secrets are not told."""

from pathlib import Path

import pytest

from postroom.settings import TABLE, SettingsInvalid, load, sqlite_path

TOKEN = "x" * 32


def problems(environ: dict[str, str], folder: Path) -> str:
    with pytest.raises(SettingsInvalid) as caught:
        load(environ, folder=folder)
    return str(caught.value)


def test_defaults_need_nothing(tmp_path: Path) -> None:
    """An empty environment is the local one, on loopback, port 5173, one SQLite file."""
    settings = load({}, folder=tmp_path).settings

    assert settings.local
    assert (settings.host, settings.port) == ("127.0.0.1", 5173)
    assert settings.queue_url == settings.database_url == "sqlite:///postroom.db"
    assert settings.config is None


def test_environment_beats_file_and_flag_beats_both(tmp_path: Path) -> None:
    """flag, environment, .env, default; each with its origin."""
    (tmp_path / ".env").write_text("POSTROOM_PORT=1\nPOSTROOM_LOG_LEVEL=debug\nOTHER=x\n")

    loaded = load(
        {"POSTROOM_PORT": "2", "POSTROOM_HOST": "::1"}, folder=tmp_path, overrides={"host": "127.0.0.1"}
    )

    assert (loaded.settings.port, loaded.settings.log_level, loaded.settings.host) == (
        2,
        "debug",
        "127.0.0.1",
    )
    origins = {one.name: one.origin for one in loaded.listed}
    assert origins["POSTROOM_PORT"] == "environment"
    assert origins["POSTROOM_LOG_LEVEL"] == ".env"
    assert origins["POSTROOM_HOST"] == "flag"
    assert origins["POSTROOM_QUEUE"] == "default"


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("POSTROOM_PORT", "http", "whole number from 0 to 65535"),
        ("POSTROOM_PORT", "65536", "whole number"),
        ("POSTROOM_ENVIRONMENT", "Prod!", "lower-case name"),
        ("POSTROOM_DATABASE_URL", "postgresql://x", "names no database"),
        ("POSTROOM_DATABASE_URL", "postgres://x/y", "must begin with postgresql://"),
        ("POSTROOM_DATABASE_URL", "mysql://x/y", "postgresql://USER:PASSWORD@HOST"),
        ("POSTROOM_DATABASE_URL", "sqlite:///", "sqlite:///"),
        ("POSTROOM_QUEUE_URL", "sqlite:///other.db", "must be the same as POSTROOM_DATABASE_URL"),
        ("POSTROOM_SMTP_URL", "http://mail", "smtp://"),
        ("POSTROOM_MAX_ATTEMPTS", "0", "from 1 to 101"),
        ("POSTROOM_RETRY_BASE_SECONDS", "nan", "from 0 to 86400"),
        ("POSTROOM_UNCERTAIN", "maybe", "resend, hold"),
        ("POSTROOM_LOG_FORMAT", "xml", "auto, console, json"),
        ("POSTROOM_API_TOKENS", "me:operator:short", "at least 32"),
        ("POSTROOM_API_TOKENS", f"me:king:{TOKEN}", "one of producer, consumer"),
        ("POSTROOM_API_TOKENS", f"me:operator:{TOKEN},me:producer:{TOKEN}", "twice"),
        ("POSTROOM_HOST", "0.0.0.0", "loopback only"),
        ("POSTROOM_PROT", "1", "is not a setting"),
    ],
)
def test_wrong_value_is_told_with_a_remedy(name: str, value: str, hint: str, tmp_path: Path) -> None:
    """The setting, and what would be right."""
    text = problems({name: value}, tmp_path)

    assert name in text
    assert hint in text


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    """One run is enough to learn what is wrong."""
    text = problems({"POSTROOM_PORT": "x", "POSTROOM_MAX_ATTEMPTS": "x", "POSTROOM_FOO": "x"}, tmp_path)

    assert len(text.splitlines()) == 3


def test_outside_local_mail_needs_a_server(tmp_path: Path) -> None:
    """No mailbox of our own stands in there."""
    assert "POSTROOM_SMTP_URL is not set" in problems({"POSTROOM_ENVIRONMENT": "production"}, tmp_path)


def test_outside_local_tokens_are_warned_about(tmp_path: Path) -> None:
    """Without one every request is refused, which is safe and surprising."""
    environ = {"POSTROOM_ENVIRONMENT": "production", "POSTROOM_SMTP_URL": "smtp://mail.example.com"}

    assert any(
        "POSTROOM_API_TOKENS is empty" in warning for warning in load(environ, folder=tmp_path).warnings
    )


def test_secrets_are_never_told(tmp_path: Path) -> None:
    """Not in the list, not in a repr, not in an error."""
    secret = "hunter2" * 8
    environ = {
        "POSTROOM_API_TOKENS": f"ops:operator:{secret}",
        "POSTROOM_SMTP_URL": f"smtp://me:{secret}@mail",
    }
    loaded = load(environ, folder=tmp_path)

    assert secret not in repr(loaded.listed)
    assert secret not in repr(loaded.settings.api_tokens)
    assert secret not in problems({"POSTROOM_API_TOKENS": f"ops:nobody:{secret}"}, tmp_path)


def test_every_setting_is_explained() -> None:
    """Each row has help that ends like a sentence."""
    assert all(setting.help.endswith(".") for setting in TABLE)
    assert len({setting.name for setting in TABLE}) == len(TABLE)


@pytest.mark.parametrize(
    ("url", "path"),
    [("sqlite:///a.db", "a.db"), ("sqlite:////srv/a.db", "/srv/a.db"), ("sqlite:///a%20b.db", "a b.db")],
)
def test_database_urls_name_a_file(url: str, path: str) -> None:
    """Three slashes for a file in this folder, four for an absolute path."""
    assert sqlite_path(url) == Path(path)


def test_database_on_a_server_is_the_queue_too_and_its_password_is_not_shown(tmp_path: Path) -> None:
    """One URL is all that changes."""
    loaded = load({"POSTROOM_DATABASE_URL": "postgresql://ben:h%40sh@db.example/post"}, folder=tmp_path)

    assert loaded.settings.queue_url == "postgresql://ben:h%40sh@db.example/post"
    assert loaded.settings.database_name == "postgresql://ben:***@db.example/post"
    assert "h%40sh" not in repr(loaded.listed)
