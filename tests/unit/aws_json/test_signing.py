"""Signatures, compared with botocore's, and credentials, which no text shows."""

from datetime import UTC, datetime
from typing import Any

import botocore.auth
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from botocore.exceptions import NoCredentialsError
from hypothesis import given
from hypothesis import strategies as st

from oms.core import aws
from oms.core.aws_json.services import Address
from oms.core.aws_json.signing import Credentials, Signer, credential_source

visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60)
urls = st.builds(
    lambda scheme, host, port, path: f"{scheme}://{host}{port}{path}",
    st.sampled_from(["https", "http"]),
    st.sampled_from(["dynamodb.eu-central-1.amazonaws.com", "localhost", "127.0.0.1", "[::1]"]),
    st.sampled_from(["", ":443", ":80", ":4566"]),
    st.sampled_from(["", "/", "/aws", "/aws/json", "/a%20b/c", "/a~b/(c)"]),
)


@given(
    url=urls,
    region=st.sampled_from(["eu-central-1", "us-gov-west-1"]),
    service=st.sampled_from(["dynamodb", "sqs"]),
    content_type=st.sampled_from(["application/x-amz-json-1.0", "application/x-amz-json-1.1"]),
    target=visible,
    query_mode=st.booleans(),
    body=st.binary(max_size=300),
    keys=st.tuples(visible, visible, st.none() | visible),
    moment=st.datetimes(datetime.fromisoformat("2000-01-01"), datetime.fromisoformat("2100-01-01")),
)
def test_a_signature_is_botocores(
    url: str,
    region: str,
    service: str,
    content_type: str,
    target: str,
    query_mode: bool,
    body: bytes,
    keys: tuple[str, str, str | None],
    moment: datetime,
) -> None:
    headers = {"x-amz-target": target} | ({"x-amzn-query-mode": "true"} if query_mode else {})
    address = Address(url)
    signer = Signer(service, region, authority=address.authority, path=address.path, content_type=content_type)

    lines = signer.sign(headers, body, Credentials(*keys), moment.replace(tzinfo=UTC).timestamp())

    request = AWSRequest("POST", url, headers | {"Content-Type": content_type}, data=body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.auth, "get_current_datetime", lambda: moment)
        SigV4Auth(BotocoreCredentials(*keys), service, region).add_auth(request)
    signed = dict(line.split(": ", 1) for line in lines.splitlines())
    expected = {name.lower(): value for name, value in request.headers.items()}
    assert signed | {"content-type": content_type} == expected


def test_a_signer_follows_the_day_and_the_credentials() -> None:
    def sign(signer: Signer, keys: Credentials, seconds: float) -> str:
        return signer.sign({"x-amz-target": "X.Y"}, b"{}", keys, seconds)

    def signer() -> Signer:
        return Signer("sqs", "eu-central-1", authority="localhost", path="/", content_type="application/x-amz-json-1.0")

    first, second = Credentials("A", "one"), Credentials("B", "two")
    kept = signer()

    for keys, seconds in [(first, 0.0), (first, 86_399.0), (first, 86_400.0), (second, 86_400.0), (first, 86_400.0)]:
        assert sign(kept, keys, seconds) == sign(signer(), keys, seconds)


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def test_the_environments_credentials_are_used_without_botocore(monkeypatch: pytest.MonkeyPatch, no_keys: None) -> None:
    monkeypatch.setattr(aws, "botocore_session", None)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "A")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "S")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "")
    without = credential_source()()
    monkeypatch.setenv("AWS_SESSION_TOKEN", "T")

    assert (without, credential_source()()) == (Credentials("A", "S"), Credentials("A", "S", "T"))


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"AWS_ACCESS_KEY_ID": "A"},
        {"AWS_SECRET_ACCESS_KEY": "S"},
        {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S", "AWS_CREDENTIAL_EXPIRATION": "2099-01-01T00:00:00Z"},
        {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S", "AWS_SECURITY_TOKEN": "T"},
    ],
)
def test_other_credentials_are_botocores_of_this_moment(
    monkeypatch: pytest.MonkeyPatch, no_keys: None, environment: dict[str, str]
) -> None:
    """Roles' credentials expire: botocore replaces them in time, and each call asks it."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    refreshed = [BotocoreCredentials("A", "first", "T"), BotocoreCredentials("A", "second", account_id="123456789012")]

    class Session:
        def get_credentials(self) -> Any:
            return refreshed.pop(0) if refreshed else None

    monkeypatch.setattr(aws, "botocore_session", Session)
    current = credential_source()

    assert current() == Credentials("A", "first", "T")
    assert current() == Credentials("A", "second", None, "123456789012")
    with pytest.raises(NoCredentialsError):
        current()


def test_a_text_of_credentials_has_no_secret() -> None:
    assert "hidden" not in f"{Credentials('A', 'hidden', 'hidden')!r}{Credentials('A', 'hidden', 'hidden')}"
