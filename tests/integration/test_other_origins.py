"""Strangers read and change nothing: a page in the developer's browser, and another user of the machine."""

import http.client
import json
import re
from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple
from urllib.parse import urlsplit

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from local.access import ACCOUNT, REGION
from local.system import LocalSystem
from tests.support.local_cloud.shop import WAIT_SECONDS

PAGE = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Content-Type": "text/plain"}
NEW_FUNCTION = {
    "FunctionName": "evil",
    "Runtime": "python3.13",
    "Role": "arn:aws:iam::000000000000:role/evil",
    "Handler": "evil.handler",
    "Code": {"ZipFile": "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="},
}


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def ask(url: str, method: str, target: str, body: str, headers: dict[str, str]) -> Answer:
    """Sends a request exactly as written, since an HTTP library would correct it."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=WAIT_SECONDS)
    connection.putrequest(method, target, skip_host="Host" in headers, skip_accept_encoding=True)
    for name, value in ({"Content-Length": str(len(body))} | headers).items():
        connection.putheader(name, value)
    connection.endheaders(body.encode())
    with closing(connection):
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("POST", "/2015-03-31/functions", json.dumps(NEW_FUNCTION)),
        ("POST", "/2015-03-31/functions/{orders}/invocations", "{}"),
        ("GET", "/2015-03-31/functions/", ""),
        ("OPTIONS", "/", ""),  # the browser's preflight request for a call that names its action in a header
        ("POST", "/", "Action=ListUsers&Version=2010-05-08"),
        ("GET", "/?Action=ListUsers&Version=2010-05-08", ""),
        ("GET", "/_ministack/ses/messages", ""),
        ("POST", "/_ministack/reset", ""),
        ("GET", "/{bucket}", ""),
    ],
)
def test_a_page_cannot_use_the_cloud(system: LocalSystem, method: str, target: str, body: str) -> None:
    before = system.functions()
    bucket = system.environment("Exporter")["OMS_EXPORTS_BUCKET"]
    target = target.format(orders=system.deployment.function("Orders"), bucket=bucket)

    answer = ask(system.endpoint_url, method, target, body, PAGE)

    assert answer.status == 403
    assert answer.headers["Access-Control-Allow-Origin"] is None, "the page cannot read the answer either"
    assert system.functions() == before


def test_a_page_cannot_read_secrets(system: LocalSystem) -> None:
    call = {"X-Amz-Target": "secretsmanager.GetSecretValue", "Content-Type": "application/x-amz-json-1.1"}
    secret = system.environment("Docs")["OMS_ORIGIN_SECRET"]

    answer = ask(system.endpoint_url, "POST", "/", json.dumps({"SecretId": secret}), PAGE | call)

    assert answer.status == 403
    assert b"SecretString" not in answer.body


def test_nothing_is_served_under_another_hosts_name(system: LocalSystem) -> None:
    """A web page may let its own host name resolve to 127.0.0.1 (DNS rebinding): its origin is then that name."""
    for url, target in (
        (system.endpoint_url, "/2015-03-31/functions/"),
        (system.endpoint_url, f"{system.deployment.api_path}/health"),
        (system.base_url, "/health"),
        (system.base_url, "http://evil.example/health"),
    ):
        port = urlsplit(url).port
        for host in ("evil.example", f"evil.example:{port}", f"localhost.evil.example:{port}"):
            assert ask(url, "GET", target, "", {"Host": host}).status == 403, (url, host)
    assert ask(system.base_url, "GET", "/health", "", {}).status == 200


def test_a_page_may_fetch_the_link_of_an_export(system: LocalSystem, signed_in: Callable[[str], httpx.Client]) -> None:
    answer = signed_in("manager").get("/api/v1/reports/export/orders", follow_redirects=False)
    link = answer.headers["Location"]
    target = link.removeprefix(system.endpoint_url)

    assert answer.status_code == 303
    fetched = ask(link, "GET", target, "", {"Origin": PAGE["Origin"], "Sec-Fetch-Site": "cross-site"})
    assert (fetched.status, fetched.body[:9]) == (200, b"order_id,"), "the file"
    assert fetched.headers["Access-Control-Allow-Origin"] is None, (
        "the bucket's own rules, which do not name this origin"
    )
    ours = ask(link, "GET", target, "", {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "cross-site"})
    assert (ours.status, ours.headers["Access-Control-Allow-Origin"]) == (200, "http://localhost:3000")
    assert "Content-Disposition" in ours.headers["Access-Control-Expose-Headers"]
    after_a_redirect = ask(link, "GET", target, "", {"Origin": "null", "Sec-Fetch-Site": "cross-site"})
    assert after_a_redirect.headers["Access-Control-Allow-Origin"] is None, (
        "so pages must fetch the link without headers"
    )
    refused = ask(link, "GET", target, "", {"Authorization": "Bearer sent-again-by-wget"})
    assert refused.status == 400, "S3 refuses two signatures"
    assert b"Only one auth mechanism allowed" in refused.body


@pytest.mark.parametrize(
    "path",
    ["/", "/{bucket}", "/2015-03-31/functions/", "/health", "/_ministack/ses/messages", "/_ministack/sqs/messages"],
)
def test_another_user_of_the_machine_cannot_use_the_cloud_unsigned(system: LocalSystem, path: str) -> None:
    bucket = system.environment("Exporter")["OMS_EXPORTS_BUCKET"]

    assert ask(system.endpoint_url, "GET", path.format(bucket=bucket), "", {}).status == 403


@pytest.mark.parametrize("key", ["test", ACCOUNT, "AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE"])
def test_another_user_of_the_machine_cannot_guess_a_signature(system: LocalSystem, key: str) -> None:
    for service, call in (("lambda", "list_functions"), ("s3", "list_buckets"), ("sqs", "list_queues")):
        client = boto3.client(  # type: ignore[call-overload]  # known to its stubs as literals
            service,
            endpoint_url=system.endpoint_url,
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key="test",
        )
        with pytest.raises(ClientError) as refused:
            getattr(client, call)()
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 401, 403)


def test_the_link_of_an_export_needs_its_signature(
    system: LocalSystem, signed_in: Callable[[str], httpx.Client]
) -> None:
    link = signed_in("manager").get("/api/v1/reports/export/orders", follow_redirects=False).headers["Location"]
    target = link.removeprefix(system.endpoint_url)
    path, _, query = target.partition("?")
    other = re.sub("X-Amz-Signature=.", "X-Amz-Signature=x", query)
    root = re.sub("X-Amz-Credential=[^%]*", "X-Amz-Credential=test", query)

    assert ask(link, "GET", path, "", {}).status == 403
    assert ask(link, "GET", f"{path}?{other}", "", {}).status == 403
    assert ask(link, "GET", f"{path}?{root}", "", {}).status == 403
    assert ask(link, "GET", target, "", {}).status == 200
