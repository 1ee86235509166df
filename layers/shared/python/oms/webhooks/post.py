"""One HTTP POST to an untrusted server: to a checked address, within a deadline, with a limit for the response.

It follows no redirect, uses no proxy of the environment, does not retry, and keeps no connection open. The clients of
the standard library do some of these, and none of them limits the total time of a slow response.
"""

import http.client
import io
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from oms.webhooks import targets
from oms.webhooks.deadline import Deadline
from oms.webhooks.targets import Resolve, Target

TIMEOUT_SECONDS = 15.0
# For each address of a name, so that an address that does not respond leaves time for the next one.
CONNECT_TIMEOUT_SECONDS = 5.0
MAX_RESPONSE_BYTES = 16 * 1024
# The limit of all bytes that a connection receives. It includes the header, and the chunk sizes within the body.
_MAX_RECEIVED_BYTES = 128 * 1024


class NoResponseError(Exception):
    """The request had no response: connection, TLS or HTTP failed, or its deadline passed. The message says which."""


@dataclass(frozen=True)
class PostResponse:
    """An HTTP response. `body` has at most its first 16 KB."""

    status: int
    retry_after: str | None
    body: bytes


def post(
    target: Target,
    body: bytes,
    headers: Mapping[str, str],
    *,
    private: bool = False,
    seconds: float = TIMEOUT_SECONDS,
    resolve: Resolve = targets.resolve,
) -> PostResponse:
    """Sends the request, and returns the response. Raises ForbiddenTargetError before connecting, NoResponseError."""
    deadline = Deadline.within(seconds)
    try:
        addresses = deadline.bound(lambda: targets.addresses_of(target, private=private, resolve=resolve))
        with _connect(target, addresses, deadline) as connection:
            connection.settimeout(deadline.left())
            connection.sendall(_request(target, body, headers))
            return _read(connection, deadline)
    except TimeoutError as error:
        raise NoResponseError(f"no response within {seconds:g} s") from error
    except ssl.SSLError as error:
        raise NoResponseError(f"TLS failed: {error.reason or error}") from error
    except http.client.HTTPException as error:
        raise NoResponseError(f"not an HTTP response: {type(error).__name__}") from error
    except (OSError, ValueError) as error:
        raise NoResponseError(f"connection failed: {error}") from error


def _connect(target: Target, addresses: list[str], deadline: Deadline) -> socket.socket:
    """Returns a connection to the first of the addresses that accepts one. Raises the last address's error."""
    last: Exception = OSError("the name has no address")
    for address in addresses:
        try:
            connection = socket.create_connection(
                (address, target.port), timeout=min(CONNECT_TIMEOUT_SECONDS, deadline.left())
            )
        except TimeoutError:
            deadline.left()  # raises if the deadline of the whole request has passed
            last = NoResponseError(f"no connection within {CONNECT_TIMEOUT_SECONDS:g} s")
            continue
        except OSError as error:
            last = error
            continue
        if target.scheme == "http":
            return connection
        try:
            connection.settimeout(deadline.left())
            return tls_context().wrap_socket(connection, server_hostname=target.host)
        except BaseException:
            connection.close()
            raise
    raise last


@cache
def tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _request(target: Target, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = {"Host": target.authority, **headers, "Content-Length": str(len(body)), "Connection": "close"}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {target.path} HTTP/1.1\r\n{head}\r\n".encode("ascii") + body


def _read(connection: socket.socket, deadline: Deadline) -> PostResponse:
    reader = _BoundedReader(connection, deadline)
    response = _FinalResponse(reader, method="POST")  # type: ignore[arg-type]
    response.begin()
    if reader.left == 0:
        raise NoResponseError(f"more than {_MAX_RECEIVED_BYTES // 1024} KB before the response body")
    try:
        body = response.read(MAX_RESPONSE_BYTES)
    except http.client.IncompleteRead as error:
        body = error.partial
    # For a chunk of negative size, the library reads until the end.
    return PostResponse(response.status, response.getheader("Retry-After"), body[:MAX_RESPONSE_BYTES])


class _FinalResponse(http.client.HTTPResponse):
    """The final response, without the informational responses before it (RFC 9110, section 15.2).

    Of these, the library skips only 100, and has no public method to change that: `_read_status` is private, and
    `tests/unit/test_private_names.py` tests it.
    """

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 100 <= status < 200 or status == http.HTTPStatus.SWITCHING_PROTOCOLS:
                return version, status, reason
            http.client.parse_headers(self.fp)


class _BoundedReader(io.RawIOBase):
    """A reader of a connection that has one deadline for all reads, and a limit of bytes.

    `left` is the number of bytes that it still reads: at 0 it returns the end of the stream.
    """

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline = deadline
        self.left = _MAX_RECEIVED_BYTES

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(self._deadline.left())
        read = self._connection.recv_into(memoryview(buffer)[: self.left]) if self.left else 0
        self.left -= read
        return read
