"""A server in AWS's place, which answers requests by a script: `with serving([ok(b"{}"), CLOSE]) as server`."""

import socket
import ssl
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from zlib import crc32

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Answer:
    """The bytes sent for a request, after a pause. With `closes`, the connection ends then."""

    data: bytes = b""
    closes: bool = False
    pause_seconds: float = 0
    # The parts are sent one by one, so that the client gets them one by one.
    part_bytes: int | None = None


CLOSE = Answer(closes=True)


def response(status: int, body: bytes, headers: str = "", *, version: str = "HTTP/1.1") -> bytes:
    return f"{version} {status} Any\r\ncontent-length: {len(body)}\r\n{headers}\r\n".encode() + body


def ok(body: bytes = b"{}", *, closes: bool = False) -> Answer:
    checked = f"x-amzn-RequestId: 7\r\nx-amz-crc32: {crc32(body)}\r\n"
    return Answer(response(200, body, checked), closes=closes)


def refused(status: int, code: str, headers: str = "") -> Answer:
    return Answer(response(status, b'{"__type":"com.amazonaws#%s","message":"no"}' % code.encode(), headers))


@dataclass(frozen=True)
class Request:
    """A received request: the number of its connection, and its parts. The names of headers are in lower case."""

    connection: int
    start: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    """The state of the server. Without answers left, it closes each connection."""

    url: str
    answers: deque[Answer]
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def serve(self, connection: socket.socket, number: int) -> None:
        with connection, connection.makefile("rb") as received:
            while start := received.readline():
                headers = {}
                while (line := received.readline()) not in (b"\r\n", b""):
                    name, _, value = line.decode("latin-1").partition(":")
                    headers[name.lower()] = value.strip()
                body = received.read(int(headers.get("content-length", 0)))
                self.requests.append(Request(number, start.decode().strip(), headers, body))
                answer = self.answers.popleft() if self.answers else CLOSE
                _wait(answer.pause_seconds)
                size = answer.part_bytes or max(len(answer.data), 1)
                for at in range(0, len(answer.data), size):
                    connection.sendall(answer.data[at : at + size])
                    _wait(0.002 if answer.part_bytes else 0)
                if answer.closes:
                    with suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)
                    return


def _wait(seconds: float) -> None:
    """Waits also where a test replaces `time.sleep`."""
    threading.Event().wait(seconds)


@contextmanager
def serving(answers: Iterable[Answer] = (), certificate: Path | None = None) -> Iterator[Server]:
    """Serves on a free port of 127.0.0.1; with a certificate's file, over TLS."""
    tls = None
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    opened: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        scheme = "https" if tls else "http"
        server = Server(f"{scheme}://127.0.0.1:{listening.getsockname()[1]}", deque(answers))

        def accept() -> None:
            while True:
                try:
                    accepted, _ = listening.accept()
                except OSError:
                    return
                server.connections += 1
                opened.append(accepted)
                threading.Thread(target=handle, args=(accepted, server.connections), daemon=True).start()

        def handle(accepted: socket.socket, number: int) -> None:
            with suppress(OSError):  # the client has gone, or refused the certificate
                accepted = tls.wrap_socket(accepted, server_side=True) if tls else accepted
                opened.append(accepted)
                server.serve(accepted, number)

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield server
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for it in opened:
                it.close()


@dataclass(frozen=True)
class Certificates:
    """Files of an authority's certificate, and of a server's with its key."""

    authority: Path
    server: Path


def write_certificates(folder: Path, *, address: str = "127.0.0.1", days: int = 1) -> Certificates:
    """Writes a new authority, and a certificate for an address that ends after `days`."""
    keys = {it: ec.generate_private_key(ec.SECP256R1()) for it in ("Authority", "Server")}
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority")])
    end = datetime.now(UTC) + timedelta(days=days)

    def certificate(name: str, extension: x509.ExtensionType) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(issuer)
            .public_key(keys[name].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - timedelta(days=9))
            .not_valid_after(end if name == "Server" else end + timedelta(days=9))
            .add_extension(extension, critical=name == "Authority")
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(keys[name].public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(keys["Authority"].public_key()), critical=False
            )
        )
        return builder.sign(keys["Authority"], SHA256()).public_bytes(Encoding.PEM)

    written = Certificates(folder / "authority.pem", folder / "server.pem")
    written.authority.write_bytes(certificate("Authority", x509.BasicConstraints(ca=True, path_length=None)))
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
    key = keys["Server"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    written.server.write_bytes(certificate("Server", names) + key)
    return written
