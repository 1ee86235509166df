"""Signatures of requests (AWS Signature Version 4), and the credentials that sign them.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. The signing key of a day is
kept, because its derivation takes longer than the rest of a signature.
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from botocore.exceptions import NoCredentialsError, PartialCredentialsError

from oms.core import aws
from oms.core.settings import aws_variable

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True)
class Credentials:
    """Credentials of AWS. `repr` leaves out the secrets, because logs and traces may show this object."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    account_id: str | None = None


def credential_source() -> Callable[[], Credentials]:
    """Returns a function that returns the current credentials.

    Lambda sets them in the environment of a function, where they do not change. All others are found and refreshed by
    botocore. The function raises NoCredentialsError and botocore's other errors.
    """
    access_key, secret_key = aws_variable("AWS_ACCESS_KEY_ID"), aws_variable("AWS_SECRET_ACCESS_KEY")
    needs_botocore = aws_variable("AWS_CREDENTIAL_EXPIRATION") or aws_variable("AWS_SECURITY_TOKEN")
    if not access_key or not secret_key or needs_botocore:
        return _by_botocore
    token, account_id = aws_variable("AWS_SESSION_TOKEN"), aws_variable("AWS_ACCOUNT_ID")
    found = Credentials(access_key, secret_key, token or None, account_id or None)
    return lambda: found


def _by_botocore() -> Credentials:
    found = aws.botocore_session().get_credentials()
    if found is None:
        raise NoCredentialsError
    frozen = found.get_frozen_credentials()
    if not frozen.access_key or not frozen.secret_key:
        raise PartialCredentialsError(provider=found.method, cred_var="access_key or secret_key")
    return Credentials(frozen.access_key, frozen.secret_key, frozen.token, frozen.account_id)


class Signer:
    """Signs the POST requests to one endpoint. `authority` is the Host header's value."""

    def __init__(self, service: str, region: str, *, authority: str, path: str, content_type: str) -> None:
        self._service = service
        self._region = region
        # A percent-encoded path is encoded once more, by the rule for all services but S3.
        self._start = f"POST\n{quote(path, safe='/~')}\n\ncontent-type:{content_type}\nhost:{authority}\nx-amz-date:"
        # The secret key, the day, and the signing key derived from both.
        self._latest: tuple[str, str, bytes] = ("", "", b"")

    def sign(
        self, headers: Mapping[str, str], body: bytes, credentials: Credentials, seconds: float | None = None
    ) -> str:
        """Returns the signed header lines without Content-Type and Host, each with its line end.

        `headers` are the service's own: lower-case names in alphabetical order, after `x-amz-security-token`. `seconds`
        is the Unix time; None means now.
        """
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seconds))
        names, canonical, lines = "content-type;host;x-amz-date", "", ""
        if credentials.token:
            headers = {"x-amz-security-token": credentials.token, **headers}
        for name, value in headers.items():
            names += f";{name}"
            canonical += f"{name}:{value}\n"
            lines += f"{name}: {value}\r\n"
        request = f"{self._start}{now}\n{canonical}\n{names}\n{hashlib.sha256(body).hexdigest()}"
        scope = f"{now[:8]}/{self._region}/{self._service}/aws4_request"
        text = f"{_ALGORITHM}\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = hmac.digest(self._key(credentials.secret_key, now[:8]), text.encode(), "sha256").hex()
        return (
            f"x-amz-date: {now}\r\n{lines}authorization: {_ALGORITHM} Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}\r\n"
        )

    def _key(self, secret_key: str, day: str) -> bytes:
        secret, of_day, key = self._latest
        if secret != secret_key or of_day != day:
            key = f"AWS4{secret_key}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            # One assignment, so that other threads see all three values or none.
            self._latest = (secret_key, day, key)
        return key
