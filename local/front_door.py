"""Plays CloudFront before the API: plain paths on one port, the viewer's address, and the origin secret."""

import errno
import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

from local.errors import LocalCloudError
from local.gate import Gate

# API Gateway's limit for a request body; it answers 413 itself.
MAX_BODY = 10 * 1024 * 1024
UPSTREAM_SECONDS = 60
FAILURE_SHOWN = 1000
# Of one connection, not of the message (RFC 9110, 7.6.1).
HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect")
)
# Where the front door tells about the system behind it; never passed on.
ABOUT_PATH = "/_local"
OWN_HOSTS = ("localhost", "127.0.0.1", "[::1]")
# The longest that a request may take, in seconds.
LONGEST_REQUEST = 30
ORIGIN_HEADER = "X-Origin-Secret"
VIEWER_ADDRESS = "CloudFront-Viewer-Address"


@dataclass(frozen=True)
class Exchange:
    """One request and its answer, for the request log."""

    client: str
    method: str
    target: str
    status: int
    seconds: float
    request_id: str | None
    # The start of the answer when the system failed, None otherwise.
    failure: str | None


class FrontDoor:
    """Takes its port at once, so that a taken one is known before anything is built; serves after `open`."""

    def __init__(self, port: int, log: Callable[[Exchange], None]) -> None:
        # Beside a program on ::1 or on all addresses 127.0.0.1 can be bound, but browsers and curl would find that one.
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

    def open(self, endpoint_url: str, path: str, origin_secret: str, about: Mapping[str, object]) -> None:
        """Serves the API at `path` of the emulator's gateway, and `about` to this machine's tools."""
        self._server.upstream = urlsplit(endpoint_url).netloc
        self._server.path = path
        self._server.origin_secret = origin_secret
        self._server.about = json.dumps(about).encode()
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="front-door", daemon=True
        )
        self._thread.start()

    @property
    def idle(self) -> bool:
        """No request is under way."""
        return self._server.gate.idle

    def paused(self) -> AbstractContextManager[None]:
        """Requests that come meanwhile wait, those under way are answered first: nothing in between is seen."""
        return self._server.gate.closed(LONGEST_REQUEST)

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

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.gate = Gate()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024
    server: _Server

    def __getattr__(self, name: str) -> Any:
        # http.server looks for one method per verb; every verb is passed on.
        if name.startswith("do_"):
            return self._exchange
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are logged when answered, by the server's own log."""

    def _exchange(self) -> None:
        started = time.monotonic()
        # As it came: `self.path` has its leading slashes collapsed.
        target = self.requestline.split(" ")[1]
        try:
            body = self._body()
        except ValueError:
            self.send_error(400)
            return
        if body is None:
            # It was not read, and is no next request.
            self.close_connection = True
            status, headers, answer = _too_large()
        elif _path_of(target).partition("?")[0] == ABOUT_PATH:
            self._answer(*self._about())
            return
        else:
            with self.server.gate.passing():
                status, headers, answer = self._forward(target, body)
        self._answer(status, headers, answer)
        request_id = next((value for name, value in headers if name.lower() == "x-request-id"), None)
        self.server.log(
            Exchange(
                client=self.client_address[0],
                method=self.command,
                target=target,
                status=status,
                seconds=time.monotonic() - started,
                request_id=request_id,
                failure=answer[:FAILURE_SHOWN].decode(errors="replace") if status >= 500 else None,
            )
        )

    def _body(self) -> bytes | None:
        """The request's body; None when it is over the gateway's limit. ValueError when its length makes no sense."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._chunks()
        length = int(self.headers.get("Content-Length") or 0)
        if length < 0:
            raise ValueError(length)
        return self.rfile.read(length) if length <= MAX_BODY else None

    def _chunks(self) -> bytes | None:
        body = bytearray()
        while size := int(self.rfile.readline(100).split(b";")[0], 16):
            if len(body) + size > MAX_BODY:
                return None
            body += self.rfile.read(size)
            self.rfile.readline(3)
        while self.rfile.readline(65537).strip():
            pass  # trailers
        return bytes(body)

    def _about(self) -> tuple[int, list[tuple[str, str]], bytes]:
        # A web page whose host name was pointed at 127.0.0.1 (DNS rebinding) asks under that name.
        hosts = self.headers.get_all("Host", [])
        allowed = {name for own in OWN_HOSTS for name in (own, f"{own}:{self.server.server_address[1]}")}
        if len(hosts) != 1 or hosts[0].lower() not in allowed:
            return 403, [("Content-Type", "application/json")], b'{"message":"Forbidden"}'
        if self.command != "GET":
            return 405, [("Content-Type", "application/json"), ("Allow", "GET")], b'{"message":"Method Not Allowed"}'
        return 200, [("Content-Type", "application/json"), ("Cache-Control", "no-store")], self.server.about

    def _forward(self, target: str, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        # A connection for each request: a kept one may close under a POST, which must not be sent twice.
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=UPSTREAM_SECONDS)
        try:
            upstream.putrequest(self.command, self.server.path + _path_of(target), skip_accept_encoding=True)
            for name, value in self._request_headers(body):
                upstream.putheader(name, value)
            upstream.endheaders(body or None)
            response = upstream.getresponse()
            headers = [(name, value) for name, value in response.getheaders() if name.lower() not in HOP_BY_HOP]
            return response.status, headers, response.read()
        except (OSError, http.client.HTTPException):
            return 503, [("Content-Type", "application/json")], b'{"message":"Service Unavailable"}'
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

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        has_body = self.command != "HEAD" and status not in (204, 304)
        for name, value in headers:
            if name.lower() != "content-length" or not has_body:
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


def _path_of(target: str) -> str:
    """Path and query of a target in absolute form (RFC 9112, 3.2.2); others are passed as they are."""
    if target.startswith(("http://", "https://")):
        parts = urlsplit(target)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return target if target.startswith("/") else f"/{target}"


def _too_large() -> tuple[int, list[tuple[str, str]], bytes]:
    return 413, [("Content-Type", "application/json")], b'{"message":"Request Entity Too Large"}'
