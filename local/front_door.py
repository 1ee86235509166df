"""A server in front of the API, as CloudFront on AWS: plain paths on one port, viewer address and origin secret."""

import errno
import http.client
import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from email.errors import MissingHeaderBodySeparatorDefect
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

from local.console import ConsoleFiles
from local.errors import LocalCloudError
from local.gate import Gate

# API Gateway's limit for a request body. It answers 413 to larger ones.
MAX_BODY_BYTES = 10 * 1024 * 1024
UPSTREAM_SECONDS = 60
MAX_FAILURE_BYTES = 1000
# Headers of one connection, not of the message (RFC 9110, 7.6.1).
HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect")
)
# The front door answers this path with data about the system, for tools on this machine.
ABOUT_PATH = "/_local"
OWN_HOSTS = ("localhost", "127.0.0.1", "[::1]")
MAX_REQUEST_SECONDS = 30
CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,16})[ \t]*(;[^\r\n]*)?\r?\n")
ORIGIN_HEADER = "X-Origin-Secret"
VIEWER_ADDRESS = "CloudFront-Viewer-Address"
UPLOADS = "/uploads/"

# status, headers, body
type Answer = tuple[int, list[tuple[str, str]], bytes]


@dataclass(frozen=True)
class Exchange:
    """One request and its response, for the request log."""

    client: str
    method: str
    target: str
    status: int
    seconds: float
    request_id: str | None
    # The beginning of the response if its status is 500 or more, else None.
    failure: str | None


class _RefusedError(Exception):
    """A response of the front door, after which it closes the connection."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class FrontDoor:
    """The server of the front door. It binds its port when it is created, so that a used port is found early. It serves
    after `open`.
    """

    def __init__(self, port: int, log: Callable[[Exchange], None]) -> None:
        # 127.0.0.1 can be bound while a program listens on ::1 or on all addresses, but browsers and curl would then
        # reach that program.
        if any(_is_answered(address, port) for address in ("::1", "127.0.0.1")):
            raise _unusable(port, os.strerror(errno.EADDRINUSE))
        try:
            self._server = _Server(("127.0.0.1", port), _Handler)
        except OSError as error:
            raise _unusable(port, str(error.strerror)) from error
        self._server.log = log
        self.port = int(self._server.server_address[1])
        self.base_url = f"http://localhost:{self.port}"
        self._thread: threading.Thread | None = None

    def open(
        self,
        endpoint_url: str,
        path: str,
        origin_secret: str,
        about: Mapping[str, object],
        ended: Callable[[], str | None],
    ) -> None:
        """Serves the API at `path` of the emulator's gateway, and `about` to tools on this machine.

        `ended` returns the reason if the emulator has ended, else None.
        """
        self._server.upstream = urlsplit(endpoint_url).netloc
        self._server.ended = ended
        self._server.path = path
        self._server.origin_secret = origin_secret
        self._server.about = json.dumps(about).encode()
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="front-door", daemon=True
        )
        self._thread.start()

    def serve(self, files: ConsoleFiles) -> None:
        """Serves the back office at the paths that are not the API's."""
        self._server.files = files

    def upload_to(self, bucket: str) -> None:
        """Sends uploads by a signed link to this bucket of the emulator."""
        self._server.uploads = bucket

    @property
    def idle(self) -> bool:
        """Whether no request is in progress."""
        return self._server.gate.idle

    def paused(self) -> AbstractContextManager[None]:
        """Waits until requests in progress are answered. New requests wait until the end of the context."""
        return self._server.gate.closed(MAX_REQUEST_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    log: Callable[[Exchange], None]
    upstream: str
    path: str
    origin_secret: str
    about: bytes
    files: ConsoleFiles | None = None
    uploads: str | None = None
    ended: Callable[[], str | None]

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.gate = Gate()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores clients that closed their connection."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024
    server: _Server

    def __getattr__(self, name: str) -> Any:
        # `http.server` calls a separate method for each verb, but all verbs are forwarded.
        if name.startswith("do_"):
            return self._exchange
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:
        """Does nothing, because the server's `log` has each request after its response."""

    def _exchange(self) -> None:
        started = time.monotonic()
        # Not `self.path`, since `http.server` merges leading slashes and also splits the line at other white space.
        words = self.requestline.split(" ")
        target = words[1] if len(words) == 3 else self.requestline
        try:
            path = self._checked_path(target)
            status, headers, answer = self._answer_to(path)
        except _RefusedError as refused:
            # The rest of the unread body must not be read as the next request.
            self.close_connection = True
            path, (status, headers, answer) = target, _message(refused.status, str(refused))
        self._send(status, headers, answer)
        if _is_about(path):
            return
        request_id = next((value for name, value in headers if name.lower() == "x-request-id"), None)
        self.server.log(
            Exchange(
                client=self.client_address[0],
                method=self.command,
                target=target,
                status=status,
                seconds=time.monotonic() - started,
                request_id=request_id,
                failure=answer[:MAX_FAILURE_BYTES].decode(errors="replace") if status >= 500 else None,
            )
        )

    def _checked_path(self, target: str) -> str:
        """Returns the path and query of the request. Raises _RefusedError for a malformed request or another host name.

        A page with DNS rebinding, whose host name resolves to 127.0.0.1, sends requests under that name.
        """
        # The parser ignores all header lines after a malformed one.
        cut_off = any(isinstance(defect, MissingHeaderBodySeparatorDefect) for defect in self.headers.defects)
        line = self.requestline
        if cut_off or not (line.isascii() and line.isprintable() and line.count(" ") == 2):
            raise _RefusedError(400, "Bad Request")
        hosts = self.headers.get_all("Host", [])
        authorities, path = {host.lower() for host in hosts}, target if target.startswith("/") else f"/{target}"
        if target.startswith(("http://", "https://")):  # the absolute form (RFC 9112, 3.2.2)
            authority, _, rest = target.partition("://")[2].partition("/")
            authorities, path = authorities | {authority.lower()}, f"/{rest}"
        port = self.server.server_address[1]
        allowed = {name for own in OWN_HOSTS for name in (own, f"{own}:{port}")}
        if len(hosts) != 1 or not authorities <= allowed:
            raise _RefusedError(403, f"Forbidden: use http://localhost:{port}")
        return path

    def _answer_to(self, path: str) -> Answer:
        try:
            if (body := self._body()) is None:
                raise _RefusedError(413, "Request Entity Too Large")
            if _is_about(path):
                return self._about()
            if self.server.files and self.command in ("GET", "HEAD") and (file := self.server.files.at(path)):
                return file.answer(self.headers.get("Accept-Encoding", ""), self.headers.get("If-None-Match", ""))
            with self.server.gate.passing():
                return self._forward(path, body)
        except ValueError as error:  # in a header or in the body
            raise _RefusedError(400, "Bad Request") from error

    def _body(self) -> bytes | None:
        """Returns the request's body, or None above the gateway's limit. Raises ValueError if its length is invalid."""
        encodings = self.headers.get_all("Transfer-Encoding", [])
        lengths = self.headers.get_all("Content-Length", [])
        if encodings:
            if lengths or [encoding.strip().lower() for encoding in encodings] != ["chunked"]:
                raise ValueError(encodings)
            return self._chunks()
        if not lengths:
            return b""
        if len(lengths) > 1 or not (lengths[0].isascii() and lengths[0].isdecimal()):
            raise ValueError(lengths)
        length = int(lengths[0])
        return self._exactly(length) if length <= MAX_BODY_BYTES else None

    def _chunks(self) -> bytes | None:
        body = bytearray()
        while size := self._chunk_size():
            if len(body) + size > MAX_BODY_BYTES:
                return None
            body += self._exactly(size)
            if self.rfile.readline(3) not in (b"\r\n", b"\n"):
                raise ValueError("a chunk is longer than its size")
        while self.rfile.readline(65537).strip():
            pass  # trailers are ignored
        return bytes(body)

    def _chunk_size(self) -> int:
        line = self.rfile.readline(1000)
        if not (match := CHUNK_SIZE.fullmatch(line)):
            raise ValueError(line)
        return int(match[1], 16)

    def _exactly(self, size: int) -> bytes:
        read = self.rfile.read(size)
        if len(read) < size:
            raise ValueError("the body ends before its announced size")
        return read

    def _about(self) -> Answer:
        if self.command != "GET":
            status, headers, body = _message(405, "Method Not Allowed")
            return status, [*headers, ("Allow", "GET")], body
        if ended := self.server.ended():
            return _message(503, ended)
        return 200, [("Content-Type", "application/json"), ("Cache-Control", "no-store")], self.server.about

    def _forward(self, path: str, body: bytes) -> Answer:
        # One connection for each request: a reused connection can close during a POST, which must not be sent twice.
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=UPSTREAM_SECONDS)
        try:
            is_upload = self.command == "PUT" and self.server.uploads and path.startswith(UPLOADS)
            root = f"/{self.server.uploads}" if is_upload else self.server.path
            upstream.putrequest(self.command, root + path, skip_accept_encoding=True)
            for name, value in self._upload_headers(body) if is_upload else self._request_headers(body):
                upstream.putheader(name, value)
            upstream.endheaders(body or None)
            response = upstream.getresponse()
            headers = [(name, value) for name, value in response.getheaders() if name.lower() not in HOP_BY_HOP]
            return response.status, headers, response.read()
        except (OSError, http.client.HTTPException):
            return _message(503, self.server.ended() or "Service Unavailable")
        finally:
            upstream.close()

    def _request_headers(self, body: bytes) -> list[tuple[str, str]]:
        dropped = HOP_BY_HOP | {"host", "content-length", ORIGIN_HEADER.lower()}
        headers = [
            (name, value)
            for name, value in self.headers.items()
            if name.lower() not in dropped and not name.lower().startswith("cloudfront-")
        ]
        if body or "Content-Length" in self.headers:
            headers.append(("Content-Length", str(len(body))))
        address, port = self.client_address[:2]
        return [*headers, (VIEWER_ADDRESS, f"{address}:{port}"), (ORIGIN_HEADER, self.server.origin_secret)]

    def _upload_headers(self, body: bytes) -> list[tuple[str, str]]:
        """Returns the headers that are signed. The emulator refuses the others that a page sends."""
        return [("Content-Type", self.headers.get("Content-Type", "")), ("Content-Length", str(len(body)))]

    def _send(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        has_body = self.command != "HEAD" and status not in (204, 304)
        # The response to a HEAD keeps the length from the system. The emulator adds a type and a length to other empty
        # responses.
        own = set() if self.command == "HEAD" else {"content-length"} if body else {"content-length", "content-type"}
        for name, value in headers:
            if name.lower() not in own:
                self.send_header(name, value)
        if has_body:
            self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if has_body:
            self.wfile.write(body)
        self.wfile.flush()


def _is_answered(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


def _unusable(port: int, reason: str) -> LocalCloudError:
    return LocalCloudError(f"Port {port} cannot be used ({reason}): choose another with `make up PORT={port + 1}`.")


def _is_about(path: str) -> bool:
    return path.partition("?")[0] == ABOUT_PATH


def _message(status: int, text: str) -> Answer:
    """Returns a response in the form of API Gateway's own responses."""
    return status, [("Content-Type", "application/json")], json.dumps({"message": text}).encode()
