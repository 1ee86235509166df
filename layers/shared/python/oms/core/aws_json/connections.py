"""Kept-alive HTTP/1.1 connections to AWS. Failures are botocore's exceptions.

Responses with a Content-Length, as AWS sends them, are read here: `http.client` takes more time for one than all other
work of a call. Responses of another form are read by `http.client`.
"""

import io
import select
import socket
import ssl
from base64 import b64encode
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, RemoteDisconnected
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from botocore.exceptions import (
    BotoCoreError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)

from oms.core.aws_json.services import Address
from oms.core.aws_json.tls import trust

_MAX_IDLE = 20
_CHUNK_BYTES = 1 << 18
_MAX_HEAD_BYTES = 1 << 16
_END_OF_HEAD = b"\r\n\r\n"


class Response(NamedTuple):
    """An HTTP response. The names of its headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Pool:
    """The connections to one endpoint, for all threads.

    The connection that was used last is taken first. So those that are not needed stay idle, and AWS closes them.
    """

    def __init__(self, address: Address, connect_seconds: float) -> None:
        self.address = address
        self._connect_seconds = connect_seconds
        self._idle: list[_Connection] = []  # its methods are atomic
        self._proxy = _proxy_of(address)

    def exchange(self, message: bytes, read_seconds: float) -> Response:
        """Sends a request, and returns its response.

        `read_seconds` limits each wait for a part of the response. Raises botocore's exceptions of connections. Their
        `kwargs` have `was_idle=True` if AWS had closed a kept-alive connection.
        """
        url, idle = self.address.url, self._take()
        connection = idle or self._connect()
        try:
            response = connection.exchange(message, read_seconds)
        except TimeoutError as error:
            raise ReadTimeoutError(endpoint_url=url, error=error) from error
        except (OSError, HTTPException) as error:
            kind = SSLError if isinstance(error, ssl.SSLError) else ConnectionClosedError
            was_idle = idle is not None and not connection.has_answered
            raise kind(endpoint_url=url, error=error, was_idle=was_idle) from error
        finally:
            if connection.is_reusable and len(self._idle) < _MAX_IDLE:
                self._idle.append(connection)
            else:
                connection.close()
        return response

    def _take(self) -> "_Connection | None":
        """Returns an idle connection that AWS has not closed."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.is_open():
                return connection
            connection.close()

    def _connect(self) -> "_Connection":
        url = self.address.url
        try:
            if self.address.is_encrypted:
                return _Connection(trust().connect(self._open, self.address.host))
            return _Connection(self._open())
        except BotoCoreError:
            raise
        except TimeoutError as error:  # of the TLS handshake; botocore raises the same
            raise ReadTimeoutError(endpoint_url=url, error=error) from error
        except ssl.SSLError as error:
            raise SSLError(endpoint_url=url, error=error) from error
        except OSError as error:
            raise ConnectionClosedError(endpoint_url=url, error=error) from error

    def _open(self) -> socket.socket:
        """Returns a TCP connection to the endpoint, or through a proxy."""
        address, proxy = self.address, self._proxy
        try:
            connection = _through(proxy, address) if proxy else HTTPConnection(address.host, address.port)
            connection.timeout = self._connect_seconds
            connection.connect()
        except TimeoutError as error:
            raise ConnectTimeoutError(endpoint_url=address.url, error=error) from error
        except OSError as error:
            if proxy:
                raise ProxyConnectionError(proxy_url=str(urlsplit(proxy).hostname), error=error) from error
            raise EndpointConnectionError(endpoint_url=address.url, error=error) from error
        return connection.sock


class _Connection:
    """A connection to AWS, used by one thread at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._readable = select.poll()
        self._readable.register(sock, select.POLLIN)
        self.is_reusable = True
        self.has_answered = False

    def is_open(self) -> bool:
        """Returns whether AWS has kept the idle connection open: otherwise its end can be read."""
        return not self._readable.poll(0)

    def close(self) -> None:
        self._sock.close()

    def exchange(self, message: bytes, read_seconds: float) -> Response:
        """Sends a request, and returns its response. Raises OSError and HTTPException."""
        self.is_reusable = self.has_answered = False
        self._sock.settimeout(read_seconds)
        # AWS may have refused the request, and closed the connection after its response.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._sock.sendall(message)
        data = self._receive()
        self.has_answered = True
        while (end := data.find(_END_OF_HEAD)) < 0 and len(data) < _MAX_HEAD_BYTES:
            data += self._receive()
        plain = _read_head(data[:end]) if end >= 0 else None
        if plain is None:
            return _read_by_library(data, self._sock)
        status, headers, length = plain
        body = self._read_body(data[end + len(_END_OF_HEAD) :], length)
        self.is_reusable = len(body) == length and "close" not in headers.get("connection", "").lower()
        return Response(status, headers, body[:length])

    def _read_body(self, start: bytes, length: int) -> bytes:
        parts, missing = [start], length - len(start)
        while missing > 0:
            part = self._receive()
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _receive(self) -> bytes:
        data = self._sock.recv(_CHUNK_BYTES)
        if not data:
            raise RemoteDisconnected("the connection ended before the response did")
        return data


def _read_head(head: bytes) -> tuple[int, dict[str, str], int] | None:
    """Returns the status, the headers and the length of the body; None if the response has another form."""
    start, *lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    length, status = headers.get("content-length", ""), start[9:12]
    # Repeated headers, responses without a body, interim ones, and other versions are for the library.
    is_plain = (
        start.startswith("HTTP/1.1 ") and status.isdecimal() and int(status) >= 200 and status not in ("204", "304")
    )
    if not is_plain or not length.isdecimal() or len(headers) != len(lines) or "transfer-encoding" in headers:
        return None
    return int(status), headers, int(length)


def _read_by_library(start: bytes, sock: socket.socket) -> Response:
    """Returns the response that begins with `start`. The connection cannot be used again."""
    found = HTTPResponse(_Continued(start, sock), method="POST")  # type: ignore[arg-type]  # it calls only makefile
    found.begin()
    body = found.read()
    return Response(found.status, {name.lower(): value for name, value in found.getheaders()}, body)


class _Continued(io.RawIOBase):
    """The bytes of a response that were read already, and then those of the socket."""

    def __init__(self, start: bytes, sock: socket.socket) -> None:
        self._start = start
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._start:
            return self._sock.recv_into(buffer)
        part, self._start = self._start[: len(buffer)], self._start[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)


def _proxy_of(address: Address) -> str | None:
    """Returns the proxy of the environment (HTTPS_PROXY, NO_PROXY) for an encrypted endpoint."""
    proxy = getproxies().get("https") if address.is_encrypted else None
    if not proxy or proxy_bypass(address.authority):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _through(proxy: str, address: Address) -> HTTPConnection:
    """Returns a connection, not opened, that will ask a proxy for a tunnel. Raises OSError."""
    parts = urlsplit(proxy)
    if parts.scheme != "http":
        raise OSError("only proxies of the form http://host:port are supported")
    headers = {}
    if parts.username and parts.password:
        login = f"{unquote(parts.username)}:{unquote(parts.password)}"
        headers["Proxy-Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
    connection = HTTPConnection(parts.hostname or "", parts.port or 80)
    connection.set_tunnel(address.host, address.port, headers)
    return connection
