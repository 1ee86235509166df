"""Requests that the guard lets through to the emulator. `tests/integration/test_other_origins.py` tests real ones."""

from typing import Any

import pytest

from local.emulator.guard import guarded

PORT = 5099
OURS = f"127.0.0.1:{PORT}"
FILE = "/oms-exports-1/orders.csv.gz"
QUERY = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}/20261130/us-east-1/s3/aws4_request&X-Amz-Signature=0a"
LINK = f"{FILE}?{QUERY.format('ASIAIOSFODNN7EXAMPLE')}&response-content-type=text/csv"
API = "/_aws/execute-api/a1b2c3/$default/api/v1/orders"
FUNCTIONS = "/2015-03-31/functions"
EVIL = "https://evil.example"
SECRET = "0123456789abcdef"
HEADER = "AWS4-HMAC-SHA256 Credential={}/20261130/us-east-1/lambda/aws4_request, …"
SIGNED = {"authorization": HEADER.format(SECRET)}
# The emulator treats these as its root user, and checks no signature.
ROOTS = ["test", "000000000000", "123456789012", "", SECRET[:-1], f"{SECRET}0"]


def status(method: str, target: str, kind: str = "http", **headers: str) -> int | str:
    """Returns the status of the guard's own answer; "reached" if the application behind it was called."""
    said: list[dict[str, Any]] = []

    async def application(*_: object) -> None:
        said.append({"status": "reached"})

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    async def receive() -> dict[str, Any]:
        raise AssertionError("a body that nothing may read")

    path, _, query = target.partition("?")
    scope = {
        "type": kind,
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }
    # Nothing in it waits, so that no event loop with its sockets is needed.
    with pytest.raises(StopIteration):
        guarded(application, PORT, SECRET)(scope, receive, send).send(None)
    found = said[0].get("status", said[0].get("code"))
    assert isinstance(found, int | str)
    return found


@pytest.mark.parametrize("host", [OURS, f"localhost:{PORT}", f"[::1]:{PORT}", f"LOCALHOST:{PORT}"])
def test_an_aws_client_of_this_machine_reaches_it(host: str) -> None:
    assert status("POST", FUNCTIONS, host=host, **SIGNED) == "reached"


@pytest.mark.parametrize(
    "host", ["evil.example", f"evil.example:{PORT}", f"localhost.evil.example:{PORT}", "localhost:80", "127.0.0.1", ""]
)
@pytest.mark.parametrize("target", [FUNCTIONS, LINK, API])
def test_nothing_under_another_name_reaches_it(host: str, target: str) -> None:
    assert status("GET", target, host=host, **SIGNED) == 403


def test_nothing_without_a_name_reaches_it() -> None:
    assert status("GET", FUNCTIONS, **SIGNED) == 403


@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic dXNlcjpwYXNz"}, {"authorization": "AWS test:0a"}])
@pytest.mark.parametrize(
    "target", ["/", "/oms-exports-1", "/oms-exports-1/orders.csv", FUNCTIONS, "/health", "/?Action=ListUsers"]
)
def test_nothing_unsigned_reaches_it(target: str, headers: dict[str, str]) -> None:
    """The emulator serves S3 without a signature. If there is one, the emulator checks it."""
    assert status("GET", target, host=OURS, **headers) == 403


@pytest.mark.parametrize("key", ROOTS)
def test_a_root_that_does_not_know_the_secret_does_not_reach_it(key: str) -> None:
    assert status("GET", FUNCTIONS, host=OURS, authorization=HEADER.format(key)) == 403
    assert status("GET", f"{FILE}?{QUERY.format(key)}", host=OURS) == 403
    # The emulator reads one of them, which may not be the one that the guard has checked.
    session = "ASIAIOSFODNN7EXAMPLE"
    assert status("GET", f"{LINK}&X-Amz-Credential={key}/20261130/us-east-1/s3/aws4_request", host=OURS) == 403
    assert status("GET", f"{LINK}&x-amz-credential={key}/20261130/us-east-1/s3/aws4_request", host=OURS) == 403
    assert status("GET", f"{LINK}&AWSAccessKeyId={key}", host=OURS) == 403
    assert status("GET", FUNCTIONS, host=OURS, authorization=HEADER.format(session), Authorization=SECRET) == 403


def test_a_session_reaches_it_whose_signature_the_emulator_checks() -> None:
    assert status("GET", FUNCTIONS, host=OURS, authorization=HEADER.format("ASIAIOSFODNN7EXAMPLE")) == "reached"


@pytest.mark.parametrize(
    ("secret", "answer"), [(SECRET, "reached"), ("", 403), (SECRET[:-1], 403), (f"{SECRET}0", 403)]
)
def test_its_own_routes_need_the_secret(secret: str, answer: int | str) -> None:
    assert status("POST", "/_ministack/reset", host=OURS, x_local_secret=secret) == answer
    assert status("POST", "/_ministack/reset", host=OURS, **SIGNED) == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": EVIL},
        {"origin": "null"},
        {"origin": f"http://{OURS}"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"Origin": EVIL, "Sec_Fetch_Site": "cross-site"},
    ],
)
@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", FUNCTIONS),
        ("POST", f"{FUNCTIONS}/evil/invocations"),
        ("OPTIONS", "/"),
        ("GET", "/?Action=ListUsers"),
        ("GET", "/_ministack/ses/messages"),
        ("POST", "/_ministack/reset"),
        # These only look like links.
        ("GET", f"{FUNCTIONS}?X-Amz-Signature=0a"),
        ("GET", "/?Action=ListUsers&X-Amz-Signature=0a"),
        ("GET", "/oms-exports-1?list-type=2&X-Amz-Signature=0a"),
        ("GET", "/oms-exports-1/orders.csv?Action=ListUsers&X-Amz-Signature=0a"),
        ("GET", "/_ministack/ses/messages?X-Amz-Signature=0a"),
        ("PUT", LINK),
        ("POST", LINK),
    ],
)
def test_nothing_that_a_page_sends_reaches_it(method: str, target: str, headers: dict[str, str]) -> None:
    assert status(method, target, host=OURS, x_local_secret=SECRET, **SIGNED, **headers) == 403


def test_a_program_may_upload_by_a_signed_link() -> None:
    assert status("PUT", LINK, host=OURS) == "reached"
    assert status("PUT", f"{FILE}?{QUERY.format('test')}", host=OURS) == 403
    assert status("PUT", FILE, host=OURS) == 403
    assert status("PUT", LINK, host=OURS, **SIGNED) == 400


@pytest.mark.parametrize("headers", [{}, {"origin": EVIL}, {"sec_fetch_site": "cross-site"}])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_page_may_fetch_a_signed_link(method: str, headers: dict[str, str]) -> None:
    assert status(method, LINK, host=OURS, **headers) == "reached"


def test_a_signed_link_with_another_signature_is_refused_as_s3_does() -> None:
    assert status("GET", LINK, host=OURS, authorization="Bearer token") == 400


def test_a_page_reaches_the_api_whose_own_rules_count() -> None:
    assert status("POST", API, host=OURS, origin="http://localhost:3000") == "reached"


@pytest.mark.parametrize("bearer", ["Bearer token", "bearer AWS4-HMAC-SHA256"])
def test_the_api_takes_its_own_tokens(bearer: str) -> None:
    assert status("POST", API, host=OURS, authorization=bearer) == "reached"


@pytest.mark.parametrize(
    ("target", "authorization"),
    [
        (f"{API}?X-Amz-Credential=test/20261130/us-east-1/iam/aws4_request&Action=ListUsers", ""),
        (f"{API}?AWSAccessKeyId=test", ""),
        (API, HEADER.format("test")),
        (API, "AWS test:0a"),
        ("/_aws/execute-api/a1b2c3", ""),
        ("/_aws/execute-api/a1b2c3/prod/api/v1/orders", ""),
        ("/_aws/execute-api//$default/", ""),
        ("/_aws/execute-api/a1b2c3?Action=ListUsers", ""),
        ("/_aws/lambda-url/a1b2c3/", ""),
    ],
)
def test_a_request_that_only_looks_like_one_of_the_api_does_not_reach_it(target: str, authorization: str) -> None:
    assert status("POST", target, host=OURS, authorization=authorization) == 403


def test_web_sockets_are_closed() -> None:
    assert status("GET", "/", kind="websocket", host=OURS) == 1008
