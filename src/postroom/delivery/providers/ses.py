"""Amazon SES v2: an `Email` in, an `Outcome` out. The message is ours to the byte (`Content.Raw`).

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html . Requests are signed by botocore, which also
finds credentials where AWS usually has them. SES tells of account-wide outages with 400, so its errors go by name.
"""

import asyncio
from base64 import b64encode
from typing import Any, Final

import msgspec
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.session import Session
from msgspec.structs import replace

from postroom.delivery.codes.table import ANY, Row, classify
from postroom.delivery.errors import ConfigurationError, Unsendable
from postroom.delivery.http import HttpClient, Loss, Reply
from postroom.delivery.mime import compose
from postroom.delivery.outcome import Failover, Outcome, Verdict
from postroom.delivery.provider import Channel, Email, Envelope, Provider, ProviderContext
from postroom.delivery.vendor import Vendor, base_of, read_url
from postroom.kit.clock import Clock

OPTIONS: Final = frozenset({"from", "configuration_set"})
PATH: Final = "/v2/email/outbound-emails"

_PERMANENT, _TEMPORARY, _CONFIG = Verdict.REJECTED_PERMANENT, Verdict.REJECTED_TEMPORARY, Verdict.CONFIG_ERROR
DAILY: Final = "daily-quota"
"""Stands for a ThrottlingException that is about the day's quota."""
ROWS: Final[tuple[Row, ...]] = (
    Row("xxx", DAILY, _TEMPORARY, "the day's quota is used up", False, Failover.NOW),
    Row("xxx", "LimitExceededException", _TEMPORARY, "a quota is used up", False, Failover.NOW),
    Row("xxx", "TooManyRequestsException", Verdict.THROTTLED, "too many calls at once"),
    Row("xxx", "ThrottlingException", Verdict.THROTTLED, "too many calls at once"),
    Row("xxx", "MessageRejected", _PERMANENT, "the provider does not accept the message"),
    *(
        Row("xxx", name, _CONFIG, "the account or the sender is not in order")
        for name in (
            "MailFromDomainNotVerifiedException", "MailFromDomainNotVerified", "NotFoundException",
            "SendingPausedException", "AccountSuspendedException", "AccessDeniedException",
            "UnrecognizedClientException", "InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredTokenException",
            "InvalidSignatureException", "MissingAuthenticationTokenException",
        )
    ),
    Row("xxx", "BadRequestException", _PERMANENT, "the provider does not accept the request"),
    Row("401", ANY, _CONFIG, "the credentials are not accepted"),
    Row("403", ANY, _CONFIG, "the credentials are not accepted"),
    Row("404", ANY, _CONFIG, "there is no such service at that address"),
    Row("429", ANY, Verdict.THROTTLED, "too many calls at once"),
    Row("4xx", ANY, _PERMANENT, "the provider does not accept the request"),
    Row("5xx", ANY, Verdict.UNKNOWN, "the provider failed after it had the request, so it may have been accepted"),
)  # fmt: skip
NAMES: Final = frozenset(row.code for row in ROWS)


class SesProvider(Vendor):
    """Email through Amazon SES."""

    channel: Channel = "email"

    def __init__(
        self,
        region: str,
        *,
        credentials: Credentials | None = None,
        sender: str | None = None,
        base: str | None = None,
        configuration_set: str | None = None,
        rows: tuple[Row, ...] = (),
        name: str = "ses",
        clock: Clock,
        client: HttpClient | None = None,
    ) -> None:
        """Without `credentials`, those that botocore finds: environment, files, the machine's role."""
        super().__init__(name=name, client=client)
        self._region = region
        self._url = f"{base or f'https://email.{region}.amazonaws.com'}{PATH}"
        self._credentials = credentials
        self._sender = sender
        self._configuration_set = configuration_set
        self._rows = (*rows, *ROWS)
        self._clock = clock

    async def open(self) -> None:
        """Find the credentials. Raises ConfigurationError when there are none."""
        if self._credentials is None:
            self._credentials = await asyncio.to_thread(lambda: Session().get_credentials())
        if self._credentials is None:
            text = "ses:// needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role"
            raise ConfigurationError(text, key="AWS_ACCESS_KEY_ID")
        await super().open()

    async def send(self, envelope: Envelope) -> Outcome:
        """One POST; see `Provider.send`."""
        if not isinstance(envelope, Email):
            raise TypeError(f"the provider {self.name} sends Email, not {type(envelope).__name__}")
        if not (envelope.sender or self._sender):
            detail = "no sender: set from= in the ses:// URL"
            return Outcome(Verdict.CONFIG_ERROR, detail=detail, provider=self.name)
        try:
            body = msgspec.json.encode(self._body(envelope))
        except Unsendable as error:
            return Outcome(Verdict.REJECTED_PERMANENT, detail=str(error), provider=self.name)
        reply = await self._client.call("POST", self._url, headers=self._signed(body), content=body)
        return replace(self._outcome(reply), provider=self.name)

    def _body(self, email: Email) -> dict[str, Any]:
        mail = compose(email, sender=self._sender or "", now_us=self._clock.now_us())
        body: dict[str, Any] = {
            "FromEmailAddress": mail.sender,
            "Destination": {"ToAddresses": [mail.recipient]},
            "Content": {"Raw": {"Data": b64encode(mail.content).decode()}},
            "EmailTags": [{"Name": "pr_attempt", "Value": email.attempt_id or "none"}],
        }
        if self._configuration_set is not None:
            body["ConfigurationSetName"] = self._configuration_set
        return body

    def _signed(self, body: bytes) -> dict[str, str]:
        request = AWSRequest("POST", self._url, data=body, headers={"content-type": "application/json"})
        SigV4Auth(self._credentials, "ses", self._region).add_auth(request)
        return dict(request.headers.items())

    def _outcome(self, reply: Reply | Loss) -> Outcome:
        if isinstance(reply, Loss):
            return reply.outcome()
        answer = reply.json()
        known = answer if isinstance(answer, dict) else {}
        if reply.status == 200 and isinstance(known.get("MessageId"), str):
            return Outcome(Verdict.ACCEPTED, "200", "accepted", provider_message_id=known["MessageId"])
        if reply.status < 300:
            return Outcome(
                Verdict.UNKNOWN, str(reply.status), "the provider's answer does not fit the question"
            )
        name = (reply.headers.get("x-amzn-errortype") or str(known.get("__type", ""))).partition(":")[0]
        name = name.rpartition("#")[2]
        if name == "ThrottlingException" and "quota" in str(known.get("message", "")).lower():
            name = DAILY
        return classify(self._rows, reply.status, name if name in NAMES else "")


def from_url(url: str, *, channel: Channel, name: str, clock: Clock, context: ProviderContext) -> Provider:
    """`ses://REGION?from=Name%20<a@b>&configuration_set=...`. Raises ConfigurationError."""
    given = read_url(url, "ses", OPTIONS)
    if not given.host:
        raise ConfigurationError("ses:// needs a region: ses://eu-central-1?from=...", key="ses")
    key = given.user or context.credentials.get("AWS_ACCESS_KEY_ID")
    secret = given.password or context.credentials.get("AWS_SECRET_ACCESS_KEY")
    credentials = (
        Credentials(key, secret, context.credentials.get("AWS_SESSION_TOKEN")) if key and secret else None
    )
    usual = f"https://email.{given.host}.amazonaws.com"
    return SesProvider(
        given.host, credentials=credentials, sender=given.options.get("from"), base=base_of(given.options, usual),
        configuration_set=given.options.get("configuration_set"), name=name, clock=clock,
    )  # fmt: skip
