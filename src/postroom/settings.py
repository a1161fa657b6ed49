"""Settings: read once, from the environment and a `.env` file, and checked whole.

Only this module reads the environment. Each setting is one row of `TABLE` with its default beside it; the
environment wins over the `.env` file, and that over the default. `postroom check` lists values and origins.
"""

import ipaddress
import os
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from postroom.cloudflare.account import is_account_id
from postroom.jobs.models import SMS_CONTENT_CHARS_MAX, Refused, check_address
from postroom.messages.drafts import is_zone
from postroom.messages.quiet_hours import QuietHours, read_quiet_hours
from postroom.queues import wrangler
from postroom.retention import with_days
from postroom.workers.cron import Cron
from postroom.workers.cron.housekeeping import NAME as HOUSEKEEPING
from postroom.workers.monitoring import Rule, read_rules

PREFIX: Final = "POSTROOM_"
LOCAL: Final = "local"
POSTGRESQL: Final = "postgresql://"
TOKEN_CHARS_MIN: Final = 32
ROLES: Final = ("producer", "consumer", "operator", "staff", "reviewer", "doctor", "admin", "auditor")
"""Those of `accounts/roles.py`; a test compares them."""


WEBHOOKS: Final = (
    "delivery",
    "standard",
    "twilio",
    "sendgrid",
    "resend",
    "ses",
    "vonage",
    "postmark",
    "mailgun",
)
RATE_SECONDS_MAX: Final = 86_400
SECRET_BYTES_MIN: Final = 32

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Rate: TypeAlias = tuple[int, int]
"""So many in so many seconds."""


class SettingsInvalid(ValueError):
    """One or more settings are wrong; `problems` has a line for each, naming setting, origin and remedy."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class ApiToken(msgspec.Struct, frozen=True):
    """A bearer token and whose it is."""

    name: str
    role: str
    secret: str

    def __repr__(self) -> str:
        return f"ApiToken({self.name!r}, {self.role!r}, ***)"


class CronEntry(NamedTuple):
    """A schedule as it is set."""

    name: str
    cron: Cron
    job: str | None
    """JSON; None: the housekeeping."""


class Setting(NamedTuple):
    """One row of the table."""

    field: str
    default: str | None
    read: Callable[[str], Any]
    help: str
    secret: bool = False
    variable: str | None = None
    """The vendor's usual name, where it is not `POSTROOM_` and the field."""

    @property
    def name(self) -> str:
        """The environment variable."""
        return self.variable or PREFIX + self.field.upper()


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting, checked. TABLE has the explanations."""

    environment: str
    database_url: str
    queue_url: str
    config: Path | None
    queue: str
    host: str
    port: int
    smtp_url: str | None
    email_providers: tuple[str, ...]
    sms_providers: tuple[str, ...]
    public_url: str | None
    mail_from: str
    mailbox_dir: Path
    exports_dir: Path
    export_keep_hours: float
    export_log_mb: int
    archive_dir: Path
    storage_url: str | None
    alerts: tuple[Rule, ...]
    alert_to: tuple[str, ...]
    cron: tuple[CronEntry, ...]
    cron_missed: str
    retention: tuple[tuple[str, float], ...]
    link_minutes: float
    max_attempts: int
    retry_base_seconds: float
    delay_high_seconds: float
    delay_normal_seconds: float
    delay_low_seconds: float
    uncertain: str
    quiet_hours: tuple[tuple[str, QuietHours], ...]
    quiet_zones: tuple[str, ...]
    portal_hours: float
    portal_notice: str
    answer_stop: str | None
    answer_start: str | None
    answer_help: str | None
    review_own: bool
    review_binding: bool
    approval_hours: float
    shutdown_grace_seconds: float
    log_format: str
    log_level: str
    api_tokens: tuple[ApiToken, ...]
    account_id: str | None
    webhooks: tuple[tuple[str, str], ...]
    encryption_keys: tuple[tuple[str, bytes], ...]
    audit_keys: tuple[bytes, ...]
    jwt_issuer: str | None
    jwt_audience: str | None
    jwt_jwks_url: str | None
    jwt_header: str
    jwt_roles_claim: str
    jwt_default_role: str | None
    trusted_proxies: tuple[Network, ...]
    cors_origins: tuple[str, ...]
    rate_enqueue: Rate | None
    rate_sign_in: Rate | None
    rate_webhook: Rate | None
    rate_cloudflare: Rate | None
    rate_other: Rate | None
    sentry_dsn: str | None
    sentry_sample_rate: float
    otlp_endpoint: str | None
    sendgrid_api_key: str | None
    resend_api_key: str | None
    aws_access_key_id: str | None
    aws_secret_access_key: str | None
    aws_session_token: str | None
    twilio_account_sid: str | None
    twilio_auth_token: str | None
    vonage_api_key: str | None
    vonage_api_secret: str | None

    @property
    def local(self) -> bool:
        """Whether this is a developer's own machine, where loopback needs no token."""
        return self.environment == LOCAL

    @property
    def on_postgresql(self) -> bool:
        """Whether the application's database is PostgreSQL; else it is an SQLite file."""
        return self.database_url.startswith(POSTGRESQL)

    @property
    def database_path(self) -> Path:
        """The SQLite file; raises ValueError where there is none."""
        return sqlite_path(self.database_url)

    @property
    def database(self) -> Path | str:
        """The SQLite file, or the URL of PostgreSQL, which may hold a password."""
        return self.database_url if self.on_postgresql else self.database_path

    @property
    def database_name(self) -> str:
        """What to call the database where others read it."""
        return without_password(self.database_url) if self.on_postgresql else str(self.database_path)


def _text(raw: str) -> str:
    return raw


def _choice(*allowed: str) -> Callable[[str], str]:
    def read(raw: str) -> str:
        if raw not in allowed:
            raise ValueError(f"must be one of: {', '.join(allowed)}")
        return raw

    return read


def _number(low: float, high: float, unit: str) -> Callable[[str], float]:
    def read(raw: str) -> float:
        try:
            value = float(raw)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g} {unit}")
        return value

    return read


def _whole(low: int, high: int, unit: str) -> Callable[[str], int]:
    def read(raw: str) -> int:
        if not raw.isascii() or not raw.isdigit() or not low <= int(raw) <= high:
            raise ValueError(f"must be a whole number from {low} to {high} {unit}".rstrip())
        return int(raw)

    return read


def _environment(raw: str) -> str:
    if not raw.isidentifier() or raw != raw.lower():
        raise ValueError("must be a lower-case name such as local, staging or production")
    return raw


def _database(raw: str) -> str:
    if raw.startswith(POSTGRESQL):
        _postgresql(raw)
    elif raw.startswith("postgres://"):
        raise ValueError("must begin with postgresql://")
    else:
        sqlite_path(raw)
    return raw


def _queue(raw: str) -> str:
    if not raw.startswith(("sqlite:///", "memory://", POSTGRESQL)):
        raise ValueError(f"must be sqlite:///PATH or {POSTGRESQL}USER:PASSWORD@HOST:5432/DATABASE")
    return raw


def _postgresql(raw: str) -> None:
    parts = urlsplit(raw)
    if parts.path in ("", "/") and "dbname=" not in parts.query:
        raise ValueError(f"names no database; write {POSTGRESQL}USER:PASSWORD@HOST:5432/DATABASE")


def _addresses(raw: str) -> tuple[str, ...]:
    try:
        return tuple(check_address(part) for part in raw.split())
    except Refused:
        raise ValueError("must be email addresses separated by blanks") from None


def _cron(raw: str) -> tuple[CronEntry, ...]:
    found: list[CronEntry] = []
    for part in re.split(r";\s*(?=[A-Za-z0-9_-]+=)", raw.strip().rstrip(";")) if raw.strip() else ():
        name, _, rest = part.strip().partition("=")
        if not re.fullmatch(r"[a-z0-9_-]{1,64}", name) or any(one.name == name for one in found):
            raise ValueError(
                "must be NAME=CRON[@ZONE][ {JOB}], separated by `; `, each with a lower-case name of its own"
            )
        if rest.strip() == "off":
            continue
        text, brace, job = rest.partition("{")
        expression, _, zone = text.strip().partition("@")
        if not brace and name != HOUSEKEEPING:
            raise ValueError(f'{name} needs a job behind its time, for example {{"type": "cleanup", ...}}')
        found.append(CronEntry(name, Cron(expression, zone.strip() or "UTC"), brace + job if brace else None))
    return tuple(found)


def _retention(raw: str) -> tuple[tuple[str, float], ...]:
    found = []
    for part in raw.split():
        target, _, days = part.partition("=")
        if not days.replace(".", "", 1).isdigit():
            raise ValueError("must be TARGET=DAYS, separated by blanks")
        found.append((target, float(days)))
    with_days(dict(found))
    return tuple(found)


def _storage(raw: str) -> str:
    parts = urlsplit(raw)
    options = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    if parts.scheme != "s3" or not parts.netloc or parts.username or options - {"region", "endpoint"}:
        raise ValueError("must be s3://BUCKET/PREFIX?region=REGION&endpoint=URL, without credentials")
    return raw


def _smtp(raw: str) -> str:
    if urlsplit(raw).scheme not in ("smtp", "smtps"):
        raise ValueError("must be smtp://user:password@host:port?tls=starttls or smtps://...")
    return raw


def _yes_no(raw: str) -> bool:
    if raw not in ("yes", "no"):
        raise ValueError("must be yes or no")
    return raw == "yes"


def _urls(raw: str) -> tuple[str, ...]:
    urls = tuple(raw.split())
    if any("," in url.partition("?")[0] for url in urls):
        raise ValueError("must be URLs separated by blanks")
    return urls


def _public(raw: str) -> str:
    parts = urlsplit(raw)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be https://HOST, without a query")
    return raw.rstrip("/")


def _header(raw: str) -> str:
    if not raw.isascii() or not raw.replace("-", "").isalnum():
        raise ValueError("must be the name of a header")
    return raw.lower()


def _networks(raw: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part) for part in raw.split())
    except ValueError:
        raise ValueError("must be networks such as 10.0.0.0/8, separated by blanks") from None


def _account(raw: str) -> str:
    if not is_account_id(raw):
        raise ValueError("must be 32 lower-case hex digits, for example `openssl rand -hex 16`")
    return raw


def _origins(raw: str) -> tuple[str, ...]:
    origins = tuple(raw.split())
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path or "*" in origin:
            raise ValueError("must be origins such as https://app.example.com, separated by blanks")
    return origins


def _secrets(raw: str) -> tuple[bytes, ...]:
    return tuple(secret_bytes(part) for part in raw.split())


def _quiet_hours(raw: str) -> tuple[tuple[str, QuietHours], ...]:
    found = []
    for part in raw.split():
        channel, _, hours = part.partition("=")
        if channel not in ("email", "sms", "portal"):
            raise ValueError(
                "must be CHANNEL=HH:MM-HH:MM, separated by blanks; CHANNEL is email, sms or portal"
            )
        found.append((channel, read_quiet_hours(hours)))
    return tuple(found)


def _zones(raw: str) -> tuple[str, ...]:
    wrong = [name for name in raw.split() if not is_zone(name)]
    if wrong:
        raise ValueError(f"must be IANA time zones such as Europe/Berlin; {wrong[0]} is none")
    return tuple(raw.split())


def _notice(raw: str) -> str:
    if "{link}" not in raw:
        raise ValueError("must have {link} where the link goes")
    return raw


def _answer(raw: str) -> str:
    if len(raw) > SMS_CONTENT_CHARS_MAX:
        raise ValueError(f"must have at most {SMS_CONTENT_CHARS_MAX} characters")
    return raw


def _webhooks(raw: str) -> tuple[tuple[str, str], ...]:
    found = []
    for part in raw.split():
        name, _, secret = part.partition("=")
        if name not in WEBHOOKS or not secret:
            raise ValueError(
                f"must be NAME=SECRET, separated by blanks; NAME is one of {', '.join(WEBHOOKS)}"
            )
        found.append((name, secret))
    return tuple(found)


def _named_secrets(raw: str) -> tuple[tuple[str, bytes], ...]:
    found = []
    for part in raw.split():
        name, _, secret = part.partition(":")
        if not name.isascii() or not name.isalnum() or len(secret_bytes(secret)) != SECRET_BYTES_MIN:
            raise ValueError(
                "must be ID:KEY, separated by blanks; KEY has 32 bytes, for example `openssl rand -hex 32`"
            )
        found.append((name, secret_bytes(secret)))
    if len({name for name, _ in found}) < len(found):
        raise ValueError("names a key twice; give each an id of its own")
    return tuple(found)


def secret_bytes(raw: str) -> bytes:
    """A secret of at least 32 bytes, in hex or Base64; raises ValueError."""
    try:
        found = bytes.fromhex(raw)
    except ValueError:
        try:
            found = b64decode(raw, altchars=b"-_", validate=True)
        except ValueError:
            found = b""
    if len(found) < SECRET_BYTES_MIN:
        raise ValueError(
            f"must be {SECRET_BYTES_MIN} bytes or more in hex or Base64, for example `openssl rand -hex 32`"
        )
    return found


def _rate(raw: str) -> Rate | None:
    if raw == "off":
        return None
    count, _, seconds = raw.partition("/")
    if (
        not (count.isdigit() and seconds.isdigit())
        or not int(count)
        or not 1 <= int(seconds) <= RATE_SECONDS_MAX
    ):
        raise ValueError(
            f"must be COUNT/SECONDS, for example 10/60, with up to {RATE_SECONDS_MAX:,} seconds; or off"
        )
    return int(count), int(seconds)


def _tokens(raw: str) -> tuple[ApiToken, ...]:
    tokens = []
    for part in filter(None, (entry.strip() for entry in raw.split(","))):
        name, _, rest = part.partition(":")
        role, _, secret = rest.partition(":")
        if not name or role not in ROLES or len(secret) < TOKEN_CHARS_MIN:
            raise ValueError(
                f"must be NAME:ROLE:TOKEN, separated by commas; ROLE is one of {', '.join(ROLES)}, TOKEN has at least "
                f"{TOKEN_CHARS_MIN} characters (for example from `openssl rand -hex 32`)"
            )
        tokens.append(ApiToken(name, role, secret))
    if len({token.name for token in tokens}) < len(tokens):
        raise ValueError("names a token twice; give each its own name")
    return tuple(tokens)


# fmt: off
TABLE: Final[tuple[Setting, ...]] = (
    Setting("environment", LOCAL, _environment, "Name of the environment; only `local` lets loopback in without a token. Also the wrangler `env` section, where there is one."),
    Setting("database_url", "sqlite:///postroom.db", _database, "The application's database and, unless it is set, the queue: sqlite:///relative.db, sqlite:////absolute.db or postgresql://USER:PASSWORD@HOST:5432/DATABASE."),
    Setting("queue_url", None, _queue, "The queue; the same database by default, and in this release always."),
    Setting("config", None, Path, "The wrangler file; by default wrangler.json, .jsonc or .toml in the current folder, if there is one."),
    Setting("queue", "MESSAGE_QUEUE", _text, "The producer binding (or queue name) that jobs are sent to."),
    Setting("host", "127.0.0.1", _text, "Address to listen on."),
    Setting("port", "5173", _whole(0, 65_535, ""), "Port to listen on; 0 for any free one."),
    Setting("smtp_url", None, _smtp, "Where emails go: smtp://user:password@host:port?tls=starttls. In the local environment a mailbox of Postroom's own stands in.", True),
    Setting("email_providers", "", _urls, "Providers of email, most preferred first, separated by blanks: smtp://..., sendgrid://?from=..., resend://?from=..., ses://REGION?from=...; each with phi=yes|no, rate=, burst=, name=, wait=. Instead of POSTROOM_SMTP_URL.", True),
    Setting("sms_providers", "", _urls, "Providers of SMS in the same way: twilio://?from=+1..., vonage://?from=NAME.", True),
    Setting("public_url", None, _public, "Where the outside world reaches this service, for callbacks and links, for example https://postroom.example.com."),
    Setting("mail_from", "Postroom <postroom@localhost.localdomain>", _text, "Sender of emails."),
    Setting("mailbox_dir", "var/mail", Path, "Where the local mailbox keeps what it receives."),
    Setting("exports_dir", "var/exports", Path, "Where export files are written."),
    Setting("export_keep_hours", "168", _number(0, 87_600, "hours"), "Hours after which an export file may be cleaned up."),
    Setting("export_log_mb", "1024", _whole(16, 1_000_000, "megabytes"), "How far the write-ahead log may grow while an export reads; docs/guides/exports.md says what happens then."),
    Setting("archive_dir", "var/archive", Path, "Where records are archived before a cleanup deletes them."),
    Setting("retention", "", _retention, "Days that records are kept, where not as usual: message_queue=365 webhook_events=60. Targets and least ages are in docs/guides/retention.md."),
    Setting("alerts", "oldest_age>600 failure_rate>0.1 dlq_growth>10 cron_silent>10 disk_free<1000000000", read_rules, "When somebody is told; docs/guides/monitoring.md has the rules and their units."),
    Setting("alert_to", "", _addresses, "Email addresses that alerts go to, separated by blanks.", True),
    Setting("cron", "housekeeping=0 3 * * *", _cron, "What is enqueued when: NAME=MINUTE HOUR DAY MONTH WEEKDAY[@ZONE][ {JOB}], separated by `; `; Cloudflare's syntax, UTC without a zone. `housekeeping` needs no job; `housekeeping=off` ends it."),
    Setting("cron_missed", "once", _choice("once", "skip", "all"), "What happens to runs that were missed while nobody was there: one late run, none, or each (100 at most)."),
    Setting("storage_url", None, _storage, "Where exports and archives are kept instead of those folders: s3://BUCKET/PREFIX?region=REGION&endpoint=URL (Amazon S3, R2, MinIO), with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Exports still grow in the folder."),
    Setting("link_minutes", "15", _number(1, 10_080, "minutes"), "How long a link to an export's file is good."),
    Setting("max_attempts", "3", _whole(1, 101, "attempts"), "Attempts of a job before it goes to the dead-letter queue."),
    Setting("retry_base_seconds", "60", _number(0, 86_400, "seconds"), "The wait after attempt n is this times 2^n, with jitter."),
    Setting("delay_high_seconds", "0", _number(0, 86_400, "seconds"), "Delay of jobs with high priority."),
    Setting("delay_normal_seconds", "1", _number(0, 86_400, "seconds"), "Delay of jobs with normal priority."),
    Setting("delay_low_seconds", "5", _number(0, 86_400, "seconds"), "Delay of jobs with low priority."),
    Setting("uncertain", "resend", _choice("resend", "hold"), "When it is unknown whether a message left: resend (at least once) or hold it for a person (at most once)."),
    Setting("quiet_hours", "", _quiet_hours, "Hours in the recipient's zone at which nothing is sent but put off, by channel: sms=21:00-08:00 email=22:00-06:00."),
    Setting("quiet_zones", "", _zones, "Time zones of recipients of whom none is known, separated by blanks; the hours have to suit all of them."),
    Setting("portal_hours", "720", _number(0, 87_600, "hours"), "How long after it was sent a portal message can be read; 0 for ever."),
    Setting("portal_notice", "You have a new message. You can read it here: {link}", _notice, "What a portal message's recipient is sent; {link} is where the link goes."),
    Setting("answer_stop", None, _answer, "What somebody is sent who writes STOP; unset, nothing, because providers answer by themselves until that is turned off there."),
    Setting("answer_start", None, _answer, "The same for START."),
    Setting("answer_help", None, _answer, "The same for HELP."),
    Setting("review_own", "no", _yes_no, "Whether somebody may approve a message of their own."),
    Setting("review_binding", "yes", _yes_no, "Whether an approval ends when recipient or content are changed."),
    Setting("approval_hours", "168", _number(0, 87_600, "hours"), "How long an approval holds after the moment that the message was to leave; 0 for ever."),
    Setting("shutdown_grace_seconds", "30", _number(0, 3_600, "seconds"), "How long running jobs may go on after SIGTERM."),
    Setting("log_format", "auto", _choice("auto", "console", "json"), "auto: console on a terminal, json elsewhere."),
    Setting("log_level", "info", _choice("debug", "info", "warning", "error"), "Least severe log lines that are written."),
    Setting("api_tokens", "", _tokens, "Bearer tokens of the HTTP API: NAME:ROLE:TOKEN, separated by commas.", True),
    Setting("account_id", None, _account, "The id under which this is a Cloudflare account at /client/v4: 32 hex digits. Unset, the letters of `postroom` in hex, and in the local environment every id."),
    Setting("webhooks", "", _webhooks, "Webhooks that are accepted, separated by blanks: NAME=SECRET, repeated while a secret is changed. NAME is delivery, standard, twilio, sendgrid, resend, ses (the ARN of its SNS topic), vonage, postmark (USER:PASSWORD) or mailgun.", True),
    Setting("encryption_keys", "", _named_secrets, "Master keys that seal recipients and contents, newest first, separated by blanks: ID:KEY, KEY of 32 bytes in hex or Base64. Keep the old ones until `postroom vault rotate` has run, and the last one for ever.", True),
    Setting("audit_keys", "", _secrets, "Keys of the audit trail's chain, newest first, separated by blanks: each 32 bytes or more in hex or Base64 (`openssl rand -hex 32`). Unset, a file beside the database has one.", True),
    Setting("jwt_issuer", None, _text, "Whose signed tokens are accepted too: the `iss` of a JWT, for example https://TEAM.cloudflareaccess.com."),
    Setting("jwt_audience", None, _text, "The `aud` that such a token must have."),
    Setting("jwt_jwks_url", None, _public, "Where the issuer publishes its keys, for example https://TEAM.cloudflareaccess.com/cdn-cgi/access/certs."),
    Setting("jwt_header", "authorization", _header, "The header that has the token; for Cloudflare Access cf-access-jwt-assertion."),
    Setting("jwt_roles_claim", "roles", _text, "The claim that has the roles of who has no account here."),
    Setting("jwt_default_role", None, _choice(*ROLES), "The role of who has none in that claim; unset, they are not let in."),
    Setting("trusted_proxies", "", _networks, "Networks of proxies whose X-Forwarded-For is believed: 10.0.0.0/8 192.168.1.1/32."),
    Setting("cors_origins", "", _origins, "Origins whose pages may call the API, exactly as browsers send them; by default none."),
    Setting("rate_enqueue", "60000/60", _rate, "Requests to enqueue, by identity: COUNT/SECONDS or off. Not for loopback in the local environment."),
    Setting("rate_sign_in", "10/60", _rate, "Attempts to sign in, by address and by name."),
    Setting("rate_webhook", "6000/60", _rate, "Callbacks, by address."),
    Setting("rate_cloudflare", "1200/300", _rate, "Requests to /client/v4 but pulls and acks, by identity: Cloudflare's own limit."),
    Setting("rate_other", "6000/60", _rate, "All other requests, by identity."),
    Setting("sentry_dsn", None, _text, "Where errors and the spans of Sentry's Queues insights go.", True, "SENTRY_DSN"),
    Setting("sentry_sample_rate", "1", _number(0, 1, "as a share"), "Share of traces that Sentry gets."),
    Setting("otlp_endpoint", None, _public, "An OpenTelemetry collector that gets traces: http://127.0.0.1:4318."),
    Setting("sendgrid_api_key", None, _text, "For sendgrid:// without a key of its own.", True, "SENDGRID_API_KEY"),
    Setting("resend_api_key", None, _text, "For resend:// without a key of its own.", True, "RESEND_API_KEY"),
    Setting("aws_access_key_id", None, _text, "For ses://.", True, "AWS_ACCESS_KEY_ID"),
    Setting("aws_secret_access_key", None, _text, "For ses://.", True, "AWS_SECRET_ACCESS_KEY"),
    Setting("aws_session_token", None, _text, "For ses://, with temporary credentials.", True, "AWS_SESSION_TOKEN"),
    Setting("twilio_account_sid", None, _text, "For twilio:// without an account of its own.", True, "TWILIO_ACCOUNT_SID"),
    Setting("twilio_auth_token", None, _text, "For twilio://, and to verify its callbacks.", True, "TWILIO_AUTH_TOKEN"),
    Setting("vonage_api_key", None, _text, "For vonage:// without a key of its own.", True, "VONAGE_API_KEY"),
    Setting("vonage_api_secret", None, _text, "For vonage://.", True, "VONAGE_API_SECRET"),
)
# fmt: on


class Listed(NamedTuple):
    """A setting as `postroom check` shows it."""

    name: str
    value: str
    origin: str
    """`environment`, the `.env` file, or `default`."""
    help: str


class Loaded(NamedTuple):
    """The settings, and where each came from."""

    settings: Settings
    listed: tuple[Listed, ...]
    warnings: tuple[str, ...]


def load(
    environ: Mapping[str, str] | None = None,
    *,
    folder: Path | None = None,
    overrides: Mapping[str, str | None] | None = None,
) -> Loaded:
    """Read, check and list every setting; raises SettingsInvalid with all problems at once.

    `overrides` are flags of a command, by field. A `.env` file in `folder` (the current one) is read if it is
    there.
    """
    environ = os.environ if environ is None else environ
    folder = folder or Path.cwd()
    env_file = folder / ".env"
    from_file = _dotenv(env_file) if env_file.is_file() else {}
    flags = {name: value for name, value in (overrides or {}).items() if value is not None}
    values: dict[str, Any] = {}
    listed: list[Listed] = []
    problems: list[str] = []
    for setting in TABLE:
        raw, origin = _find(setting, flags, environ, from_file)
        try:
            values[setting.field] = None if raw is None else setting.read(raw)
        except ValueError as error:
            shown = "***" if setting.secret else repr(without_password(raw or ""))
            problems.append(f"{setting.name} ({origin}) is {shown}: {error}")
        listed.append(Listed(setting.name, _shown(setting, raw), origin, setting.help))
    problems += _unknown(environ, from_file)
    if not problems:
        _complete(values, folder)
        problems += _cross_check(values)
    if problems:
        raise SettingsInvalid(tuple(problems))
    settings = Settings(**values)
    return Loaded(settings, tuple(listed), _warnings(settings))


def sqlite_path(url: str) -> Path:
    """The file of a `sqlite:///` URL; raises ValueError for any other."""
    rest = url.removeprefix("sqlite:///")
    if rest == url or not rest or "?" in rest:
        raise ValueError(
            "must be sqlite:///relative.db, sqlite:////absolute/path.db or "
            f"{POSTGRESQL}USER:PASSWORD@HOST:5432/DATABASE"
        )
    return Path(unquote(rest))


def without_password(url: str) -> str:
    """A URL as it may be shown."""
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", re.sub(r"(password=)[^&]*", r"\1***", url))


def _find(
    setting: Setting, flags: Mapping[str, str], environ: Mapping[str, str], from_file: Mapping[str, str]
) -> tuple[str | None, str]:
    if setting.field in flags:
        return flags[setting.field], "flag"
    for source, origin in ((environ, "environment"), (from_file, ".env")):
        # An empty variable is an unset one, as in most shells' and containers' use.
        if source.get(setting.name):
            return source[setting.name], origin
    return setting.default, "default"


def _dotenv(path: Path) -> dict[str, str]:
    from dotenv import dotenv_values

    return {name: value for name, value in dotenv_values(path).items() if value is not None}


def _shown(setting: Setting, raw: str | None) -> str:
    if not raw:
        return ""
    return "***" if setting.secret else without_password(raw)


def _unknown(environ: Mapping[str, str], from_file: Mapping[str, str]) -> list[str]:
    known = {setting.name for setting in TABLE}
    given = [(name, "environment") for name in environ] + [(name, ".env") for name in from_file]
    return [
        f"{name} ({origin}) is not a setting; `postroom check` lists them"
        for name, origin in given
        if name.startswith(PREFIX) and not name.startswith(f"{PREFIX}TEST_") and name not in known
    ]


def _complete(values: dict[str, Any], folder: Path) -> None:
    """What follows from other settings."""
    values["queue_url"] = values["queue_url"] or values["database_url"]
    if values["config"] is None:
        values["config"] = wrangler.find(folder)


def _cross_check(values: Mapping[str, Any]) -> list[str]:
    problems = []
    if values["queue_url"] != values["database_url"]:
        problems.append(
            "POSTROOM_QUEUE_URL must be the same as POSTROOM_DATABASE_URL in this release: a job's record and its "
            "message commit together, and between two databases nothing would make sure of both; leave it out"
        )
    if values["environment"] != LOCAL and not values["smtp_url"] and not values["email_providers"]:
        problems.append(
            f"POSTROOM_SMTP_URL is not set: outside the local environment ({values['environment']}) emails need a "
            "server, for example smtp://user:password@mail.example.com:587?tls=starttls"
        )
    jwt = [values[name] for name in ("jwt_issuer", "jwt_audience", "jwt_jwks_url")]
    if any(jwt) and not all(jwt):
        problems.append(
            "POSTROOM_JWT_ISSUER, _AUDIENCE and _JWKS_URL belong together: set all three, or none"
        )
    if values["environment"] == LOCAL and values["host"] not in ("127.0.0.1", "::1", "localhost"):
        problems.append(
            f"POSTROOM_HOST is {values['host']!r}: the local environment needs no tokens, so it listens on loopback "
            "only; set POSTROOM_ENVIRONMENT and POSTROOM_API_TOKENS to serve others"
        )
    return problems


def _warnings(settings: Settings) -> tuple[str, ...]:
    warnings = []
    if not settings.local and not settings.api_tokens:
        warnings.append(
            "POSTROOM_API_TOKENS is empty: only who has an account gets in; make one with `postroom user create`"
        )
    if not settings.local and not settings.audit_keys:
        warnings.append(
            f"POSTROOM_AUDIT_KEYS is empty: the key lies {'in' if settings.on_postgresql else 'in a file beside'} the "
            "database, so who can change the one can change the other"
        )
    return tuple(warnings)
