"""One HTTP POST to a stranger's server: to a checked address, in a bounded time, reading a bounded answer.

No redirects, no proxies from the environment, no retries, no connection kept: the standard library's clients do some of
these, and none of them bounds the time of an answer that drips.
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

SECONDS = 15.0
# For each address of a name: one that does not answer is not to take the time of the next.
CONNECT_SECONDS = 5.0
MOST_OF_AN_ANSWER = 16 * 1024
# Of all that a connection brings, whatever the library that reads it believes: the head, and marks within the body.
_MOST_BYTES = 128 * 1024


class NoAnswerError(Exception):
    """The request had no answer: no connection, no TLS, no HTTP, or not in time. The message says which."""


@dataclass(frozen=True)
class Answer:
    """`body` is what was read of it, 16 KB at most."""

    status: int
    retry_after: str | None
    body: bytes


def post(
    target: Target,
    body: bytes,
    headers: Mapping[str, str],
    *,
    private: bool = False,
    seconds: float = SECONDS,
    resolve: Resolve = targets.resolve,
) -> Answer:
    """The answer. Raises ForbiddenTargetError before any connection, NoAnswerError."""
    clock = Deadline.within(seconds)
    try:
        addresses = clock.bound(lambda: targets.addresses_of(target, private=private, resolve=resolve))
        with _connected(target, addresses, clock) as connection:
            connection.settimeout(clock.left())
            connection.sendall(_request(target, body, headers))
            return _read(connection, clock)
    except TimeoutError as error:
        raise NoAnswerError(f"no answer within {seconds:g} s") from error
    except ssl.SSLError as error:
        raise NoAnswerError(f"TLS failed: {error.reason or error}") from error
    except http.client.HTTPException as error:
        raise NoAnswerError(f"not an HTTP answer: {type(error).__name__}") from error
    except (OSError, ValueError) as error:
        raise NoAnswerError(f"connection failed: {error}") from error


def _connected(target: Target, addresses: list[str], clock: Deadline) -> socket.socket:
    """A connection to the first of the addresses that takes one."""
    last: Exception = OSError("the name has no address")
    for address in addresses:
        try:
            connection = socket.create_connection((address, target.port), timeout=min(CONNECT_SECONDS, clock.left()))
        except TimeoutError:
            clock.left()  # raises when it was all of the time that is over
            last = NoAnswerError(f"no connection within {CONNECT_SECONDS:g} s")
            continue
        except OSError as error:
            last = error
            continue
        if target.scheme == "http":
            return connection
        try:
            connection.settimeout(clock.left())
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


def _read(connection: socket.socket, clock: Deadline) -> Answer:
    bounded = _Bounded(connection, clock)
    response = _Final(bounded, method="POST")  # type: ignore[arg-type]
    response.begin()
    if bounded.left == 0:
        raise NoAnswerError(f"more than {_MOST_BYTES // 1024} KB before the answer's body")
    try:
        body = response.read(MOST_OF_AN_ANSWER)
    except http.client.IncompleteRead as error:
        body = error.partial
    # A chunk whose size is below zero makes the library read all that there is.
    return Answer(response.status, response.getheader("Retry-After"), body[:MOST_OF_AN_ANSWER])


class _Final(http.client.HTTPResponse):
    """The answer itself. Of what may come before it (RFC 9110, section 15.2) the library passes over 100 alone.

    It has no public name for that: `_read_status` is private, and `tests/unit/test_private_names.py` tests it.
    """

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 100 <= status < 200 or status == http.HTTPStatus.SWITCHING_PROTOCOLS:
                return version, status, reason
            http.client.parse_headers(self.fp)


class _Bounded(io.RawIOBase):
    """A connection whose reads all end at one moment, however slowly the bytes come, and after so many of them.

    `left` is how many may still come: at 0 it is at its end.
    """

    def __init__(self, connection: socket.socket, clock: Deadline) -> None:
        self._connection = connection
        self._clock = clock
        self.left = _MOST_BYTES

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(self._clock.left())
        read = self._connection.recv_into(memoryview(buffer)[: self.left]) if self.left else 0
        self.left -= read
        return read
