"""A stub of DynamoDB over HTTP, in a process of its own: `python -m benchmarks.aws_stub`, which prints its port.

The tests' DynamoDB executes the requests, so each write takes effect and each read returns the stored items. The
responses have DynamoDB's form: its headers with the checksum of the body, and connections that stay open. It stores
secrets and parameters too, for Secrets Manager and SSM. SQS accepts each batch of messages, and drops it.
"""

import argparse
import json
import socket
import ssl
import threading
import time
import zlib
from base64 import b64decode
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.dynamodb.database import Database
from tests.support.dynamodb.errors import RefusedError
from tests.support.dynamodb.streams import as_json

_READS = ("GetItem", "BatchGetItem", "Query")
_REQUEST_ID = "0123456789ABCDEFGHIJKLMNOPQRSTUVVV4KQNSO5AEMVJF66Q9ASUAAJG"


class Stub:
    """The state of the stub. `answer` is called by one thread for each connection."""

    def __init__(self) -> None:
        self.database = Database()
        self._texts: dict[str, str] = {}
        self._reads: dict[tuple[str, bytes], bytes] = {}
        self._others: dict[str, Callable[[Any], Any]] = {
            "secretsmanager.GetSecretValue": lambda it: self._stored("SecretString", it["SecretId"]),
            "secretsmanager.PutSecretValue": lambda it: self._store(it["SecretId"], it["SecretString"]),
            "AmazonSQS.SendMessageBatch": lambda it: {"Successful": [{"Id": one["Id"]} for one in it["Entries"]]},
            "AmazonSSM.GetParameter": lambda it: {"Parameter": self._stored("Value", it["Name"])},
            "AmazonSSM.PutParameter": lambda it: self._store(it["Name"], it["Value"]),
        }

    def answer(self, target: str, body: bytes) -> tuple[int, bytes]:
        """Returns status and body. A read is executed once until the next write, so that the stub is quick."""
        service, _, operation = target.partition(".")
        if service != "DynamoDB_20120810":
            return self._other(target, body)
        known = self._reads.get((operation, body))
        if known is not None:
            return 200, known
        try:
            request = _from_wire(json.loads(body))
            # botocore sends it with each transaction; here no answer is lost, so none is repeated.
            request.pop("ClientRequestToken", None)
            given = self.database.execute(operation, request)
        except RefusedError as error:
            refusal = {"__type": f"com.amazonaws.dynamodb.v20120810#{error.code}", "message": error.message}
            return 400, _to_wire(refusal | dict(error.extra))
        answer = _to_wire(given)
        if operation in _READS:
            self._reads[operation, body] = answer
        else:
            self._reads.clear()
        return 200, answer

    def _other(self, target: str, body: bytes) -> tuple[int, bytes]:
        try:
            return 200, _to_wire(self._others[target](json.loads(body)))
        except KeyError:
            return 400, _to_wire({"__type": "ParameterNotFound"})

    def _store(self, name: str, value: str) -> dict[str, str]:
        self._texts[name] = value
        return {}

    def _stored(self, member: str, name: str) -> dict[str, str]:
        return {"Name": name, member: self._texts[name]}


def _to_wire(answer: Any) -> bytes:
    return json.dumps(as_json(answer), separators=(",", ":"), ensure_ascii=False).encode()


def _from_wire(value: Any) -> Any:
    """Returns a request as botocore's users write it: binary values as bytes instead of base64."""
    if isinstance(value, dict):
        if len(value) == 1 and isinstance(value.get("B"), str):
            return {"B": b64decode(value["B"])}
        return {name: _from_wire(it) for name, it in value.items()}
    return [_from_wire(it) for it in value] if isinstance(value, list) else value


def response(status: int, body: bytes, *, keep: bool = True) -> bytes:
    """Returns an HTTP response with DynamoDB's headers."""
    head = (
        f"HTTP/1.1 {status} {'OK' if status == 200 else 'Bad Request'}\r\n"
        "Server: Server\r\n"
        f"Date: {formatdate(time.time(), usegmt=True)}\r\n"
        "Content-Type: application/x-amz-json-1.0\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"Connection: {'keep-alive' if keep else 'close'}\r\n"
        f"x-amzn-RequestId: {_REQUEST_ID}\r\n"
        f"x-amz-crc32: {zlib.crc32(body)}\r\n\r\n"
    )
    return head.encode() + body


def _serve(stub: Stub, connection: socket.socket, *, keep: bool) -> None:
    """Answers the requests of one connection; without `keep`, only the first one."""
    with connection, connection.makefile("rb") as received:
        while line := received.readline():
            headers = {}
            while (line := received.readline()) not in (b"\r\n", b""):
                name, _, value = line.decode("latin-1").partition(":")
                headers[name.lower()] = value.strip()
            if headers.get("expect", "").lower() == "100-continue":
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = received.read(int(headers.get("content-length", 0)))
            connection.sendall(response(*stub.answer(headers["x-amz-target"], body), keep=keep))
            if not keep:
                return


def _accept(stub: Stub, accepted: socket.socket, tls: ssl.SSLContext | None, *, keep: bool) -> None:
    accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with suppress(ConnectionError):  # the worker has ended
        _serve(stub, tls.wrap_socket(accepted, server_side=True) if tls else accepted, keep=keep)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--certificate", type=Path, help="serve over TLS, with this chain and its key")
    parser.add_argument("--close", action="store_true", help="close each connection after one response")
    arguments = parser.parse_args()
    tls = None
    if arguments.certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(arguments.certificate)
    stub = Stub()
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        print(listening.getsockname()[1], flush=True)
        while True:
            accepted, _ = listening.accept()
            serve = partial(_accept, stub, accepted, tls, keep=not arguments.close)
            threading.Thread(target=serve, daemon=True).start()


if __name__ == "__main__":
    main()
