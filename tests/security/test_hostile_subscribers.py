"""A23: a subscriber that drips, never ends or answers a gigabyte is cut off at the limits."""

import socket
import ssl
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from oms.core import clock
from oms.webhooks import post
from oms.webhooks.post import MAX_RESPONSE_BYTES, NoResponseError, PostResponse
from oms.webhooks.targets import parse

SECONDS = 0.6
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"

type Behave = Callable[[socket.socket], None]
type Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that reads one request and then calls `behave`; returns its URL."""
    listeners: list[socket.socket] = []

    def start(behave: Behave, tls: ssl.SSLContext | None = None) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def run() -> None:
            with suppress(OSError):
                plain, _ = listener.accept()
                with tls.wrap_socket(plain, server_side=True) if tls else plain as connection:
                    received = b""
                    while b"\r\n\r\n" not in received:
                        received += connection.recv(65536)
                    behave(connection)

        threading.Thread(target=run, daemon=True).start()
        return f"http{'s' if tls else ''}://127.0.0.1:{listener.getsockname()[1]}/hook"

    yield start
    for listener in listeners:
        listener.close()


def send(url: str, body: bytes = b"{}", seconds: float = 30) -> PostResponse:
    return post.post(parse(url, private=True), body, {"webhook-id": "1"}, private=True, seconds=seconds)


def answering(*parts: bytes, pause: float = 0) -> Behave:
    def behave(connection: socket.socket) -> None:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)

    return behave


def endless(*first: bytes, drop: bytes, pause: float) -> Behave:
    def behave(connection: socket.socket) -> None:
        connection.sendall(b"".join(first))
        while True:
            connection.sendall(drop)
            time.sleep(pause)

    return behave


DRIPS = {
    "status line": endless(drop=b"H", pause=0.05),
    "headers": endless(HEAD, drop=b"X-Drip: 1\r\n", pause=0.05),
    "one header": endless(HEAD + b"X: ", drop=b"x", pause=0.05),
    "body": endless(HEAD + b"Content-Length: 1000\r\n\r\n", drop=b"x", pause=0.05),
    "chunks": endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", drop=b"1\r\nx\r\n", pause=0.05),
    "continues": endless(drop=b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.05),
    "hints": endless(drop=b"HTTP/1.1 103 Early Hints\r\n\r\n", pause=0.05),
    "a flood of hints": endless(drop=b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 1000, pause=0),
    "nothing": answering(b"", pause=60),
}


@pytest.mark.timeout(30)  # a multiple of the limit, for a busy machine; the servers never end on their own
@pytest.mark.parametrize("behave", DRIPS.values(), ids=DRIPS.keys())
def test_a23_a_dripping_answer_is_cut_off_in_time(serve: Serve, behave: Behave) -> None:
    with pytest.raises(NoResponseError):
        send(serve(behave), seconds=SECONDS)


def test_a23_an_attempt_has_15_seconds_for_everything(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the test moves by a second at each read."""
    ticks = count()
    monkeypatch.setattr(clock, "monotonic", lambda: float(next(ticks)))
    target = parse(serve(endless(HEAD, drop=b"X-Drip: 1\r\n", pause=0.01)), private=True)

    with pytest.raises(NoResponseError, match="no response within 15 s"):
        post.post(target, b"{}", {}, private=True)

    assert next(ticks) <= 20


X = b"x" * 65536
BODIES = {
    "as long as it says": (b"Content-Length: 1073741824\r\n\r\n", X),
    "of no length": (b"\r\n", X),
    "of a length below zero": (b"Content-Length: -1\r\n\r\n", X),
    "in chunks": (CHUNKED, b"10000\r\n" + X + b"\r\n"),
    "in one chunk": (CHUNKED + b"40000000\r\n", X),
    "in a chunk of a size below zero": (CHUNKED + b"-1\r\n", X),
    "in many of them": (CHUNKED, b"-1\r\n" * 8192),
    "behind its end": (CHUNKED + b"0\r\n", b"X-Trailer: 1\r\n" * 4096),
}


@contextmanager
def a_gigabyte(serve: Serve, first: bytes, drop: bytes) -> Iterator[str]:
    """Serves a gigabyte at this URL; the sender may read only a part of it, in little memory."""
    sent = 0

    def behave(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(first)
        while sent < 1 << 30:
            connection.sendall(drop)
            sent += len(drop)

    url = serve(behave)
    tracemalloc.start()
    try:
        yield url
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 4 << 20, "of memory"
    assert sent < 64 << 20, "the connection was closed, not drained"


@pytest.mark.parametrize(("head", "drop"), BODIES.values(), ids=BODIES.keys())
def test_a23_of_a_gigabyte_16_kb_are_read(serve: Serve, head: bytes, drop: bytes) -> None:
    with a_gigabyte(serve, HEAD + head, drop) as url:
        answer = send(url)

    assert answer.status == 200
    assert len(answer.body) <= MAX_RESPONSE_BYTES
    if X in drop and b"chunked" not in head:
        assert len(answer.body) == MAX_RESPONSE_BYTES


NO_ANSWERS = {
    "a status line": (b"", X),
    "a header": (HEAD + b"X: ", X),
    "long headers": (HEAD, b"X: " + b"x" * 60_000 + b"\r\n"),
    "many headers": (HEAD, b"X-Many: 1\r\n" * 4096),
    "what comes before an answer": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 1000),
    "the size of a chunk": (HEAD + CHUNKED, b"0" * 65536),
    "a line behind the body": (HEAD + CHUNKED + b"0\r\nX: ", X),
}


@pytest.mark.parametrize(("first", "drop"), NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
def test_a23_a_head_longer_than_any_server_sends_is_not_an_answer(serve: Serve, first: bytes, drop: bytes) -> None:
    with a_gigabyte(serve, first, drop) as url, pytest.raises(NoResponseError):
        send(url)


def test_a_head_as_long_as_a_server_may_send_is_taken(serve: Serve) -> None:
    long = b"".join(b"X-%d: " % number + b"x" * 8000 + b"\r\n" for number in range(8))

    assert send(serve(answering(HEAD + long + b"Content-Length: 4\r\n\r\nfine"))).body == b"fine"


@pytest.mark.timeout(30)
def test_a_request_that_is_never_read_is_cut_off_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listener, pytest.raises(NoResponseError):
        send(f"http://127.0.0.1:{listener.getsockname()[1]}/", body=b"x" * (1 << 24), seconds=SECONDS)


@pytest.mark.parametrize(
    "answer", [b"", b"\r\n", b"garbage\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 99999 X\r\n\r\n", b"\x16\x03\x01"]
)
def test_bytes_that_are_not_http_are_not_an_answer(serve: Serve, answer: bytes) -> None:
    with pytest.raises(NoResponseError):
        send(serve(answering(answer)))


def test_an_address_that_refuses_connections_is_distinguished_from_one_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(post, "CONNECT_TIMEOUT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as waiting:
        for _ in range(3):  # the backlog is full, and a new connection gets no answer
            knocking = waiting.enter_context(socket.socket())
            knocking.setblocking(False)
            knocking.connect_ex(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"

        with pytest.raises(NoResponseError, match=r"^no connection within 0\.3 s$"):
            send(url)
        with pytest.raises(NoResponseError, match=r"^no response within 0\.2 s$"):
            send(url, seconds=0.2)


def test_a_redirect_is_an_answer_and_is_not_followed(serve: Serve) -> None:
    followed = serve(answering(HEAD + b"Content-Length: 0\r\n\r\n"))

    answer = send(serve(answering(b"HTTP/1.1 302 Found\r\nLocation: " + followed.encode() + b"\r\n\r\n")))

    assert answer.status == 302


def test_an_answer_is_what_was_said(serve: Serve) -> None:
    head = b"HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nContent-Length: 5\r\n\r\n"

    assert send(serve(answering(head, b"sorry", pause=0.05))) == PostResponse(503, "120", b"sorry")


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ([b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"], 204),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n"] * 2, 204),
        ([b"HTTP/1.1 199 Whatever\r\n\r\n"], 204),
        ([b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"], 101),
    ],
)
@pytest.mark.parametrize("pause", [0, 0.05])
def test_interim_answers_are_ignored(serve: Serve, said: list[bytes], status: int, pause: float) -> None:
    final = b"HTTP/1.1 204 No Content\r\nRetry-After: 7\r\n\r\n"

    answer = send(serve(answering(*said, final, pause=pause)))

    assert (answer.status, answer.body) == (status, b"")
    assert answer.retry_after == (None if status == 101 else "7")


def test_a_body_that_ends_too_soon_has_the_bytes_that_arrived(serve: Serve) -> None:
    assert send(serve(answering(HEAD + b"Content-Length: 10\r\n\r\nhalf"))).body == b"half"


def test_the_environments_proxies_are_not_asked(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert send(serve(answering(HEAD + b"Content-Length: 0\r\n\r\n"))).status == 200


def test_the_request_is_as_it_was_signed(serve: Serve) -> None:
    seen: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        connection, _ = listener.accept()
        with connection:
            seen.append(connection.recv(65536))
            connection.sendall(HEAD + b"Content-Length: 0\r\n\r\n")

    thread = threading.Thread(target=run)
    thread.start()
    port = listener.getsockname()[1]
    send(f"http://localhost:{port}/hook?a=1", '{"name":"Zoë"}'.encode())
    thread.join()
    listener.close()

    head, _, body = b"".join(seen).partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"POST /hook?a=1 HTTP/1.1"
    assert f"Host: localhost:{port}".encode() in head
    assert body == '{"name":"Zoë"}'.encode()


def self_signed(folder: Path) -> Path:
    """Returns a certificate for localhost and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    path = folder / "certificate.pem"
    path.write_bytes(pem)
    return path


@pytest.mark.parametrize("trusted", [True, False])
def test_only_a_trusted_certificate_of_that_name_gets_the_request(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    certificate = self_signed(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    client = ssl.create_default_context(cafile=str(certificate) if trusted else None)
    monkeypatch.setattr(post, "tls_context", lambda: client)
    url = serve(answering(HEAD + b"Content-Length: 0\r\n\r\n"), server)

    if trusted:
        assert send(url.replace("127.0.0.1", "localhost")).status == 200
    else:
        with pytest.raises(NoResponseError, match="CERTIFICATE_VERIFY_FAILED"):
            send(url.replace("127.0.0.1", "localhost"))
    with pytest.raises(NoResponseError, match="CERTIFICATE_VERIFY_FAILED"):
        send(serve(answering(HEAD), server))


def test_certificates_and_names_are_checked_by_default() -> None:
    assert post.tls_context().verify_mode == ssl.CERT_REQUIRED
    assert post.tls_context().check_hostname
