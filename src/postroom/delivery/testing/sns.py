"""Signs as Amazon SNS does, with a certificate of its own, and checks signatures of AWS requests (SigV4).

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import re
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from postroom.delivery.testing.loopback import Request

CERTIFICATE_URL: Final = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService.pem"
NOTIFICATION: Final = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
CONFIRMATION: Final = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?"
    r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})"
)


class SnsSigner:
    """A topic's sender. `fetch` stands in for getting the certificate from Amazon."""

    def __init__(self, topic: str = "arn:aws:sns:eu-central-1:000000000000:postroom") -> None:
        self.topic = topic
        self.fetched: list[str] = []
        self._key = generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        now = datetime.now(UTC)
        made = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
        made = made.public_key(self._key.public_key())
        made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        self.certificate = made.sign(self._key, SHA256()).public_bytes(Encoding.PEM)

    async def fetch(self, url: str) -> bytes:
        """The certificate, whatever the URL."""
        self.fetched.append(url)
        return self.certificate

    def signed(self, message: Any, *, at: float, id_: str, version: str = "2", **changes: str) -> bytes:
        """The body of a post about an event; `changes` are fields of the envelope, before it is signed."""
        moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        envelope = {
            "Type": "Notification", "MessageId": id_, "TopicArn": self.topic, "Timestamp": moment,
            "Message": msgspec.json.encode(message).decode(), "SignatureVersion": version,
            "SigningCertURL": CERTIFICATE_URL, **changes,
        }  # fmt: skip
        names = NOTIFICATION if envelope["Type"] == "Notification" else CONFIRMATION
        text = "".join(f"{name}\n{envelope[name]}\n" for name in names if name in envelope).encode()
        digest = SHA256() if version == "2" else SHA1()  # noqa: S303 - SNS's version 1
        signature = b64encode(self._key.sign(text, PKCS1v15(), digest)).decode()
        return msgspec.json.encode({**envelope, "Signature": signature})


def is_signed(request: Request, key: str, secret: str, service: str) -> bool:
    """Whether the request has a right SigV4 signature of that key."""
    found = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if found is None or (found[1], found[4]) != (key, service):
        return False
    _, date, region, _, signed_headers, signature = found.groups()
    moment = request.headers.get("x-amz-date", "")
    path, _, query = request.target.partition("?")
    lines = [f"{name}:{request.headers.get(name, '').strip()}\n" for name in signed_headers.split(";")]
    digest = hashlib.sha256(request.body).hexdigest()
    canonical = "\n".join(
        (request.method, quote(path, safe="/-_.~"), query, "".join(lines), signed_headers, digest)
    )
    scope = f"{date}/{region}/{service}/aws4_request"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashed}"
    derived = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        derived = hmac.digest(derived, part.encode(), "sha256")
    return hmac.compare_digest(hmac.digest(derived, to_sign.encode(), "sha256").hex(), signature)
