"""What an SMTP URL may say, and that its password stays out of sight (providers/smtp/options)."""

import pytest

from postroom.delivery import ConfigurationError
from postroom.delivery.providers.smtp import SmtpOptions, parse_smtp_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param("smtp://mail.example", {"tls": "starttls", "port": 587}, id="submission"),
        pytest.param("smtps://mail.example", {"tls": "implicit", "port": 465}, id="implicit"),
        pytest.param("smtp://mail.example?tls=implicit", {"tls": "implicit", "port": 465}, id="implicit-by-query"),
        pytest.param("smtp://localhost?tls=none", {"tls": "none", "port": 25}, id="plain"),
        pytest.param("smtp://mail.example?tls=opportunistic", {"tls": "opportunistic", "port": 25}, id="soft"),
        pytest.param("smtp://mail.example:2525/", {"port": 2525}, id="port"),
        pytest.param("smtp://[::1]:2525?tls=none", {"host": "::1", "port": 2525}, id="ipv6"),
        pytest.param("smtp://u%40x:p%3A%2F%40@mail.example", {"username": "u@x", "password": "p:/@"}, id="encoded"),
        pytest.param("smtp://u:p+q@mail.example", {"password": "p+q"}, id="plus-in-password"),
        pytest.param("smtp://m.example?from=a+b@c.example", {"sender": "a+b@c.example"}, id="plus-in-sender"),
        pytest.param("smtp://m.example?from=Clinic%20<a@c.example>", {"sender": "Clinic <a@c.example>"}, id="name"),
        pytest.param(
            "smtp://m.example?connections=5&max_messages=7&max_age=60&connect_timeout=1.5&timeout=9&final_timeout=300",
            {
                "connections": 5,
                "max_messages_per_connection": 7,
                "max_age_seconds": 60,
                "connect_timeout_seconds": 1.5,
                "command_timeout_seconds": 9,
                "final_timeout_seconds": 300,
            },
            id="numbers",
        ),
        pytest.param("smtp://m.example?hello=me.example&ca_file=/etc/ca.pem", {"hello": "me.example"}, id="hello"),
    ],
)  # fmt: skip
def test_url_becomes_options(url: str, expected: dict[str, object]) -> None:
    """Each part of a URL sets its option."""
    options = parse_smtp_url(url)

    assert {key: getattr(options, key) for key in expected} == expected


def test_defaults_follow_the_rfc_where_it_matters() -> None:
    """Ten minutes for the final dot (RFC 5321 4.5.3.2.6); twenty connections of a hundred messages."""
    options = parse_smtp_url("smtp://mail.example")

    assert (options.connect_timeout_seconds, options.command_timeout_seconds) == (30, 60)
    assert options.final_timeout_seconds == 600
    assert (options.connections, options.max_messages_per_connection) == (20, 100)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        pytest.param("http://mail.example", "smtp://", id="scheme"),
        pytest.param("smtp://", "names no host", id="no-host"),
        pytest.param("smtp:///path", "no path", id="path-alone"),
        pytest.param("smtp://mail.example?relay=pigeon", "postmark", id="relay"),
        pytest.param("smtp://mail.example?return_path=x", "plain address", id="return-path"),
        pytest.param("smtp://mail.example/path", "no path", id="path"),
        pytest.param("smtp://mail.example:99999", "malformed", id="port"),
        pytest.param("smtp://mail.example:0", "port is out of range; allowed: 1 to 65535", id="port-zero"),
        pytest.param("smtp://mail.example?tls=maybe", "known: none, starttls, implicit, opportunistic", id="tls"),
        pytest.param("smtps://mail.example?tls=none", "smtps://", id="smtps-without-tls"),
        pytest.param("smtp://mail.example?connexions=5", 'unknown option "connexions".*connections', id="unknown"),
        pytest.param("smtp://mail.example?tls=none&tls=none", "twice", id="twice"),
        pytest.param("smtp://mail.example?connections=0", "connections is out of range", id="zero"),
        pytest.param("smtp://mail.example?connections=501", "allowed: 1 to 500", id="many"),
        pytest.param("smtp://mail.example?connections=many", "connections is out of range", id="word"),
        pytest.param("smtp://mail.example?timeout=nan", "command_timeout_seconds is out of range", id="nan"),
        pytest.param("smtp://mail.example?final_timeout=1e9", "final_timeout_seconds is out of range", id="exponent"),
        pytest.param("smtp://mail.example?max_age=", "max_age_seconds is out of range", id="empty"),
        pytest.param("smtp://mail.example?from=clinic", "from is not an email address", id="sender"),
        pytest.param("smtp://mail.example?hello=a%20b", "hello is a host name", id="hello"),
        pytest.param("smtp://user@mail.example", "come together", id="no-password"),
        pytest.param("smtp://u:p@mail.example?tls=none", "tls=none could show the password", id="plain-login"),
        pytest.param("smtp://u:p@mail.example?tls=opportunistic", "could show the password", id="soft-login"),
    ],
)  # fmt: skip
def test_bad_url_is_refused_with_what_is_allowed(url: str, text: str) -> None:
    """The error says what was wrong and what would be right."""
    with pytest.raises(ConfigurationError, match=text):
        parse_smtp_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "smtp://user:hunter2/x@mail.example",
        "smtp://user:hunter2?x@mail.example",
        "smtp://user:hunter2#x@mail.example",
        "smtp://user:hunter2@mail.example:port",
        "smtp://user:hunter2@mail.example?nope=1",
        "smtp://user:hunter2@mail.example?tls=none",
        "smtp://user:hunter2@",
        "smtp://user:[hunter2@mail.example",
    ],
)
def test_no_error_repeats_the_password(url: str) -> None:
    """Also where the URL is so broken that the password stands in the wrong place."""
    with pytest.raises(ConfigurationError) as caught:
        parse_smtp_url(url)

    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_repr_hides_login_and_sender() -> None:
    """Options may be printed."""
    options = parse_smtp_url("smtp://user:hunter2@mail.example?from=desk@clinic.example")

    assert repr(options) == "SmtpOptions(host='mail.example', port=587, tls='starttls', connections=20)"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_login_without_tls_is_allowed_on_this_machine(host: str) -> None:
    """Nothing crosses a network there."""
    assert SmtpOptions(host=host, port=25, tls="none", username="u", password="p").is_loopback
