"""The front door forwards requests unchanged, except the headers that only a front may set."""

import http.client
import json
import re
import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from local.front_door import MAX_BODY_BYTES
from local.system import LocalSystem
from tests.support.local_cloud.limits import remaining, within_a_window
from tests.support.local_cloud.shop import WAIT_SECONDS


def test_a_connection_is_kept_and_head_has_no_body(system: LocalSystem) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", system.front_door.port, timeout=WAIT_SECONDS)
    connection.request("GET", "/health")
    body = connection.getresponse().read()
    kept = connection.sock
    connection.request("HEAD", "/health")
    head = connection.getresponse()

    assert body
    assert head.status == 200
    assert head.read() == b""
    assert connection.sock is kept
    connection.close()


def test_a_body_in_chunks_arrives_whole(client: Callable[..., httpx.Client]) -> None:
    pieces = (piece for piece in (b'{"refresh', b'_token": "no-', b'such-token"}'))

    answer = client().post("/api/v1/auth/refresh", content=pieces, headers={"Content-Type": "application/json"})

    assert answer.status_code == 401, "read as JSON, and refused for its content"


def test_a_body_over_the_gateways_limit_is_refused_at_once(client: Callable[..., httpx.Client]) -> None:
    answer = client().post("/api/v1/orders", content=b"x" * (MAX_BODY_BYTES + 1))

    assert answer.status_code == 413


@pytest.mark.full
@pytest.mark.parametrize("base", ["", "/api/v1"])
def test_the_reference_page_and_all_that_it_loads_are_served(client: Callable[..., httpx.Client], base: str) -> None:
    page = client().get(f"{base}/docs")

    loaded = re.findall(r'(?:src|rel="stylesheet" href)="(docs/[^"]+)"', page.text)
    answers = [client().get(f"{base}/{path}") for path in [*loaded, "openapi.json", "docs/errors"]]
    assert len(loaded) == 4
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    assert [answer.status_code for answer in [page, *answers]] == [200] * 7
    assert "SwaggerUIBundle" in next(it.text for it in answers if it.url.path.endswith("-bundle.js"))


CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    ("target", "header", "body"),
    [
        ("/api/v1/orders", "Content-Length: -1", "zz"),
        ("/api/v1/orders", "Content-Length: many", "zz"),
        ("/api/v1/orders", "Content-Length: +2", "zz"),
        ("/api/v1/orders", "Content-Length: 1_0", "zz"),
        ("/api/v1/orders", "Content-Length: 2\r\nContent-Length: 3", "zz"),
        ("/api/v1/orders", f"Content-Length: 2\r\n{CHUNKED}", "0\r\n\r\n"),
        ("/api/v1/orders", "Transfer-Encoding: xchunked", "0\r\n\r\n"),
        ("/api/v1/orders", "Transfer-Encoding: gzip, chunked", "0\r\n\r\n"),
        ("/api/v1/orders", CHUNKED, "zz\r\n"),
        ("/api/v1/orders", CHUNKED, "-1\r\n{}\r\n0\r\n\r\n"),
        ("/api/v1/orders", CHUNKED, "0x2\r\n{}\r\n0\r\n\r\n"),
        ("/api/v1/orders", CHUNKED, "2\r\n{}}}\r\n0\r\n\r\n"),
        ("/api/v1/orders\xe9", "Content-Length: 0", ""),
        ("/api/v1/orders\x7f", "Content-Length: 0", ""),
        ("/api/v1/orders", "X-H\xe9ader: 1", ""),
        ("http://[", "Content-Length: 0", ""),
    ],
)
def test_an_invalid_request_is_refused(system: LocalSystem, target: str, header: str, body: str) -> None:
    head = f"POST {target} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n"
    following = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", system.front_door.port), timeout=WAIT_SECONDS) as connection:
        connection.sendall(f"{head}{body}{following}".encode("latin-1"))
        answers = b"".join(iter(lambda: connection.recv(65536), b""))

    assert answers.split(b" ")[1] in (b"400", b"403")
    assert answers.count(b"HTTP/1.1 ") == 1, "no part of it is read as another request"


@pytest.mark.parametrize("line", [b"GET\xa0/health\xa0HTTP/1.1", b"GET\t/health\tHTTP/1.1", b"G\xcbT /health HTTP/1.1"])
def test_a_request_line_with_other_white_space_or_bytes_is_answered_with_400(system: LocalSystem, line: bytes) -> None:
    with socket.create_connection(("127.0.0.1", system.front_door.port), timeout=WAIT_SECONDS) as connection:
        connection.sendall(line + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 400 ")


def test_head_has_the_length_of_get_and_an_empty_answer_no_type(client: Callable[..., httpx.Client]) -> None:
    for path in ("/health", "/api/v1/openapi.json"):
        shown, head = (
            client().request(method, path, headers={"Accept-Encoding": "gzip"}) for method in ("GET", "HEAD")
        )
        assert head.headers["Content-Length"] == shown.headers["Content-Length"] != "0"
        assert (head.content, head.headers.get("Content-Encoding")) == (b"", shown.headers.get("Content-Encoding"))
    known = client().get("/openapi.json", headers={"If-None-Match": shown.headers["ETag"]})
    empty = client().post("/api/v1/auth/password/forgot", json={"email": "nobody@demo.example"})

    assert (known.status_code, empty.status_code) == (304, 202)
    for answer in (known, empty):
        assert answer.content == b""
        assert "Content-Type" not in answer.headers


def test_a_body_that_ends_early_is_refused(system: LocalSystem) -> None:
    for head in ("Content-Length: 10\r\n\r\n{}", f"{CHUNKED}\r\n\r\nA\r\n{{}}"):
        with socket.create_connection(("127.0.0.1", system.front_door.port), timeout=WAIT_SECONDS) as connection:
            connection.sendall(f"POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\n{head}".encode())
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("path", ["/api/v1/orders", "/_local"])
def test_no_part_of_a_body_that_is_refused_is_taken_for_a_request(system: LocalSystem, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {MAX_BODY_BYTES + 1}\r\n\r\n"
    taken = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", system.front_door.port), timeout=WAIT_SECONDS) as connection:
        connection.sendall(f"{head}{taken}".encode())
        answers = b"".join(iter(lambda: connection.recv(65536), b""))

    assert answers.startswith(b"HTTP/1.1 413 ")
    assert answers.count(b"HTTP/1.1 ") == 1


def test_unusual_methods_reach_the_api(client: Callable[..., httpx.Client]) -> None:
    answer = client().request("PURGE", "/api/v1/orders")

    assert answer.status_code == 405
    assert "Allow" in answer.headers


def test_a_client_cannot_speak_as_the_front(system: LocalSystem, client: Callable[..., httpx.Client]) -> None:
    """Forged headers are dropped: the limits use the address of the connection."""
    forged = {"CloudFront-Viewer-Address": "203.0.113.9:1", "X-Origin-Secret": "guessed", "X-Forwarded-For": "1.2.3.4"}
    wrong = {"email": "nobody@demo.example", "password": "wrong-password"}

    addresses = (f"127.0.3.{number}" for number in range(1, 255))

    def ask() -> list[httpx.Response]:
        one, other = client(next(addresses)), client(next(addresses))
        asked = ((one, {}), (one, forged), (other, forged))
        return [http.post("/api/v1/auth/login", json=wrong, headers=headers) for http, headers in asked]

    before, after, of_another = (remaining(answer) for answer in within_a_window(ask))

    assert after == before - 1
    assert of_another == before
    assert system.base_url.startswith("http://localhost:")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_it_shows_this_machines_tools_the_system(system: LocalSystem, host: str) -> None:
    about = answered(system, f"Host: {host}:{system.front_door.port}")

    assert about.status == 200
    description = json.loads(about.read())
    secret_file = Path(description.pop("secret_file"))
    assert description == {"endpoint_url": system.endpoint_url, "log_groups": system.log_groups()}
    assert secret_file.read_text() == system.access.secret
    assert secret_file.parent.stat().st_mode & 0o077 == 0, "no other user may read it"


@pytest.mark.parametrize("headers", ["Host: evil.example", "Host: localhost.evil.example", "Host: localhost:80", ""])
def test_it_answers_nothing_under_another_hosts_name(system: LocalSystem, headers: str) -> None:
    """A web page may have its own host's name point at 127.0.0.1 (DNS rebinding)."""
    about = answered(system, headers)

    assert about.status == 403
    assert b"endpoint" not in about.read()


def test_its_answers_are_no_part_of_the_api(system: LocalSystem, client: Callable[..., httpx.Client]) -> None:
    assert client().post("/_local").headers["Allow"] == "GET"
    assert client().get("/_local?x=1").status_code == 200
    assert client().get("/_locals").json()["code"] == "not-found", "the API's own answer"
    with httpx.Client(base_url=system.direct_url, trust_env=False) as direct:
        assert direct.get("/_local").status_code == 404


def answered(system: LocalSystem, headers: str) -> http.client.HTTPResponse:
    with socket.create_connection(("127.0.0.1", system.front_door.port), timeout=WAIT_SECONDS) as connection:
        head = "\r\n".join(filter(None, ("GET /_local HTTP/1.1", headers, "Connection: close")))
        connection.sendall(f"{head}\r\n\r\n".encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer
