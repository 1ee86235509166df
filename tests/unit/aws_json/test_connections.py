"""TLS and proxies, with servers of the test: whom the client trusts, and what it sends through a proxy."""

import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import certifi
import pytest
from botocore.exceptions import InvalidConfigError, ProxyConnectionError, ReadTimeoutError, SSLError

from oms.core.aws_json import client, tls
from oms.core.aws_json.client import Client
from tests.support.aws_server import Certificates, Server, ok, serving, write_certificates


@pytest.fixture(autouse=True)
def fresh() -> None:
    """No context and no connections from before: each test has its own certificates."""
    tls.trust.cache_clear()
    client._pool.cache_clear()


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return write_certificates(tmp_path)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Callable[[Server], Any]:
    def make(server: Server) -> Any:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        return Client("dynamodb", read_seconds=2, max_attempts=1).list_tables()

    return make


# ---- TLS ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_a_configured_authority_is_trusted(
    monkeypatch: pytest.MonkeyPatch, certificates: Certificates, call: Callable[[Server], Any], variable: str
) -> None:
    monkeypatch.setenv(variable, str(certificates.authority))
    with serving([ok()], certificates.server) as server:
        assert call(server)["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_an_unknown_authority_is_refused(certificates: Certificates, call: Callable[[Server], Any]) -> None:
    with serving([ok()], certificates.server) as server:
        with pytest.raises(SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            call(server)
        assert server.requests == [], "nothing was sent to an unknown server"


@pytest.mark.parametrize(("address", "days"), [("127.0.0.2", 1), ("127.0.0.1", -1)], ids=["other address", "expired"])
def test_a_certificate_of_another_host_or_time_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, call: Callable[[Server], Any], address: str, days: int
) -> None:
    certificates = write_certificates(tmp_path, address=address, days=days)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificates.authority))
    with serving([ok()], certificates.server) as server:
        with pytest.raises(SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            call(server)
        assert server.requests == []


def test_a_bundle_that_cannot_be_read_is_an_error_of_the_configuration(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, call: Callable[[Server], Any]
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "none.pem"))
    with serving() as server, pytest.raises(InvalidConfigError, match="Invalid CA bundle"):
        call(Server(server.url.replace("http:", "https:"), server.answers))


def test_the_other_authorities_are_read_when_a_certificate_needs_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certificates: Certificates, call: Callable[[Server], Any]
) -> None:
    """Amazon's authorities are read first; a certificate of another one of the bundle is trusted nevertheless."""
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(Path(certifi.where()).read_text() + certificates.authority.read_text())
    monkeypatch.setattr(tls, "_default_bundle", lambda: str(bundle))
    with serving([ok()] * 2, certificates.server) as server:
        call(server)
        assert server.connections == 2, "the first handshake was refused by the client"
        client._pool.cache_clear()
        call(server)
        assert server.connections == 3, "they are kept"


def test_the_bundle_has_amazons_authorities() -> None:
    """Without them, each cold start would read all authorities."""
    context = tls.Trust(certifi.where(), by_need=True)._context

    names = {dict(pair for (pair,) in it["subject"])["commonName"] for it in context.get_ca_certs()}
    assert names >= {f"Amazon Root CA {number}" for number in (1, 2, 3, 4)}
    assert all(it.startswith(("Amazon Root CA", "Starfield Services Root")) for it in names)


def test_a_handshake_that_takes_too_long_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(ReadTimeoutError):
            Client("dynamodb", read_seconds=2, max_attempts=1, connect_seconds=0.1).list_tables()


# ---- proxies --------------------------------------------------------------------------------------------------------


@contextmanager
def proxy(status: str = "200 OK") -> Iterator[tuple[int, list[str]]]:
    """Runs a proxy. Yields its port, and the requests that it gets."""
    seen: list[str] = []

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)

    def run() -> None:
        with suppress(OSError):
            accepted, _ = listening.accept()
            with accepted:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += accepted.recv(65536)
                seen.append(head.decode())
                accepted.sendall(f"HTTP/1.1 {status}\r\n\r\n".encode())
                if status.startswith("200"):
                    port = int(head.split()[1].rpartition(b":")[2])
                    with socket.create_connection(("127.0.0.1", port)) as target:
                        threading.Thread(target=pump, args=(target, accepted), daemon=True).start()
                        pump(accepted, target)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = threading.Thread(target=run, daemon=True)
        running.start()
        yield listening.getsockname()[1], seen
        listening.shutdown(socket.SHUT_RDWR)


def test_calls_go_through_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, certificates: Certificates, call: Callable[[Server], Any]
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificates.authority))
    with serving([ok()], certificates.server) as server, proxy() as (port, seen):
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:p%40ss@127.0.0.1:{port}")

        call(server)

    (head,) = seen
    assert head.startswith(f"CONNECT 127.0.0.1:{server.port} HTTP/1.")
    assert f"Proxy-Authorization: Basic {b64encode(b'user:p@ss').decode()}\r\n" in head
    assert "amz" not in head.lower(), "the proxy sees no part of a request"


def test_a_host_of_no_proxy_is_called_directly(
    monkeypatch: pytest.MonkeyPatch, certificates: Certificates, call: Callable[[Server], Any]
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificates.authority))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving([ok()], certificates.server) as server:
        call(server)


@pytest.mark.parametrize("kind", ["refused", "down", "encrypted"])
def test_a_proxy_that_gives_no_tunnel_is_an_error(
    monkeypatch: pytest.MonkeyPatch, certificates: Certificates, call: Callable[[Server], Any], kind: str
) -> None:
    with serving([ok()], certificates.server) as server, proxy("407 Log in") as (port, _):
        urls = {"refused": f"http://u:secret@127.0.0.1:{port}", "down": "http://127.0.0.1:1", "encrypted": "https://p"}
        monkeypatch.setenv("HTTPS_PROXY", urls[kind])
        with pytest.raises(ProxyConnectionError) as caught:
            call(server)

        assert server.requests == []
    assert "secret" not in str(caught.value)
