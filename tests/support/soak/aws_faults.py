"""Faults in the answers of AWS: a proxy before the emulator, which fails or delays a few percent of calls.

The proxy listens on the emulator's port of the other loopback address, [::1]. So it passes on each request unchanged,
with the Host header that the function signed, and the emulator still checks signatures and permissions. Operators'
commands and the checks at the end call the emulator directly.
"""

import http.client
import json
import random
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from local.system import LocalSystem

# The part of calls that begin a series of faults, and of repetitions of a failed call that continue it. Without series,
# the retry in the AWS client would hide almost all faults from the code.
_BEGINS, _CONTINUES = 0.015, 0.6
_WEIGHTS = {
    "throttled": 1,
    "conflict": 4,
    "partial": 4,
    "500": 2,
    "503": 2,
    "lost request": 3,
    "lost answer": 4,
    "late": 2,
    "slow": 2,
}
# A repetition of a transaction by the code has another token.
_TOKEN = re.compile(rb'"ClientRequestToken":\s*"[^"]*"')
# Longer than the time-out of DynamoDB's client (2 s) in half of the cases, so that a call takes effect after its retry.
_DELAY_SECONDS = (0.5, 3.5)
# A call that takes longer than this fails. The emulator answers each within a second.
_EMULATOR_SECONDS = 60
_NOT_PASSED_ON = frozenset({"connection", "expect", "keep-alive", "transfer-encoding", "content-length"})
_HAS_NO_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


# Faults that only some operations have: a part of them fails, while the call succeeds.
_ONLY_OF = {"conflict": {"TransactWriteItems"}, "partial": {"BatchGetItem", "SendMessageBatch", "PutEvents"}}


@dataclass(frozen=True)
class Call:
    """A call of AWS. `caller` is the function's access key, `operation` empty for services with REST paths."""

    service: str
    caller: str
    operation: str
    body: bytes


class Answer(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class AwsFaults:
    """Draws the fault of each call while `active`. `counts` has the number of each kind, `calls` that of all calls."""

    def __init__(self, seed: int) -> None:
        self.active = False
        self.counts: Counter[str] = Counter()
        self._chance = random.Random(seed)
        self._series: dict[tuple[str, str, bytes], str] = {}
        self._lock = threading.Lock()
        self.calls = 0

    def draw(self, call: Call) -> str | None:
        """Returns the fault of this call, or None."""
        if not self.active:
            return None
        with self._lock:
            self.calls += 1
            key = (call.caller, call.operation, _TOKEN.sub(b"", call.body))
            kind = self._series.pop(key, None)
            if kind and self._chance.random() >= _CONTINUES:
                kind = None
            elif kind is None and self._chance.random() < _BEGINS:
                kind = self._chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
            if kind and call.operation not in _ONLY_OF.get(kind, {call.operation}):
                kind = "throttled"
            if kind:
                self._series[key] = kind
                self.counts[f"{call.service} {kind}"] += 1
        return kind

    def delay_seconds(self) -> float:
        with self._lock:
            return self._chance.uniform(*_DELAY_SECONDS)


def refusal(call: Call, kind: str) -> Answer:
    """Returns the answer with which AWS refuses a call, or all parts of it, as each service writes it."""
    if kind == "partial":
        return Answer(200, [_JSON], json.dumps(_refused_parts(call)).encode())
    if call.service == "s3":
        status, code = (500, "InternalError") if kind == "500" else (503, "SlowDown")
        text = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>injected</Message></Error>'
        return Answer(status, [("Content-Type", "application/xml")], text.encode())
    status, code = _REFUSALS[kind]
    if kind == "throttled":
        status, code = _THROTTLED.get(call.service, (status, code))
    content: dict[str, Any] = {"__type": f"com.amazonaws.{call.service}#{code}", "message": "injected"}
    if kind == "conflict":
        number = len(json.loads(call.body)["TransactItems"])
        conflict = {"Code": "TransactionConflict", "Message": "injected"}
        content["CancellationReasons"] = [conflict, *({"Code": "None"} for _ in range(number - 1))]
    return Answer(status, [_JSON, ("x-amzn-errortype", code)], json.dumps(content).encode())


def _refused_parts(call: Call) -> dict[str, Any]:
    sent = json.loads(call.body)
    if call.operation == "BatchGetItem":
        return {"Responses": {}, "UnprocessedKeys": sent["RequestItems"]}
    if call.operation == "SendMessageBatch":
        failed = [{"Id": it["Id"], "Code": "InternalError", "SenderFault": False} for it in sent["Entries"]]
        return {"Successful": [], "Failed": failed}
    entries = [{"ErrorCode": "InternalFailure", "ErrorMessage": "injected"} for _ in sent["Entries"]]
    return {"FailedEntryCount": len(entries), "Entries": entries}


_JSON = ("Content-Type", "application/x-amz-json-1.0")
_REFUSALS = {
    "throttled": (400, "ThrottlingException"),
    "conflict": (400, "TransactionCanceledException"),
    "500": (500, "InternalServerError"),
    "503": (503, "ServiceUnavailable"),
}
_THROTTLED = {
    "dynamodb": (400, "ProvisionedThroughputExceededException"),
    "sqs": (403, "RequestThrottled"),
    "ses": (429, "TooManyRequestsException"),
    "scheduler": (429, "ThrottlingException"),
}


@contextmanager
def before_the_emulator(system: LocalSystem, faults: AwsFaults) -> Iterator[None]:
    """Leads the calls of all functions through the proxy."""
    with proxied(urlsplit(system.endpoint_url).port or 80, faults) as url:
        for name in system.deployment.functions:
            system.update_environment(name, AWS_ENDPOINT_URL=url)
        yield


@contextmanager
def proxied(port: int, faults: AwsFaults) -> Iterator[str]:
    """Yields the URL of a proxy before a server at this port of 127.0.0.1. It asks `faults` about each call."""

    class Handler(_Handler):
        drawn = faults
        emulator = ("127.0.0.1", port)

    server = _Server(("::1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://[::1]:{port}"
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6
    request_queue_size = 256
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Prints nothing: workers that are killed break their connections."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    drawn: AwsFaults
    emulator: tuple[str, int]

    def _exchange(self) -> None:
        call = self._call()
        kind = self.drawn.draw(call) if call.caller else None
        if kind in _REFUSALS or kind == "partial":
            self._answer(refusal(call, kind))
            return
        if kind == "late":
            time.sleep(self.drawn.delay_seconds())
        answer = None if kind == "lost request" else self._ask_emulator(call.body)
        if kind == "slow":
            time.sleep(self.drawn.delay_seconds())
        if answer is None or kind == "lost answer":
            self.close_connection = True
        else:
            self._answer(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _exchange  # noqa: N815

    def _call(self) -> Call:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        _, _, scope = self.headers.get("Authorization", "").partition("Credential=")
        caller, _, _, service, *_ = (scope or "////").split("/")
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        return Call(service, caller, operation or self.command, body)

    def _ask_emulator(self, body: bytes) -> Answer | None:
        """Returns the emulator's answer; None if it closed the connection."""
        emulator = http.client.HTTPConnection(*self.emulator, timeout=_EMULATOR_SECONDS)
        with suppress(OSError, http.client.HTTPException):
            emulator.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _NOT_PASSED_ON:
                    emulator.putheader(name, value)
            emulator.putheader("Content-Length", str(len(body)))
            emulator.endheaders(body)
            response = emulator.getresponse()
            answer = Answer(response.status, response.getheaders(), response.read())
            emulator.close()
            return answer
        return None

    def _answer(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        length = str(len(answer.body))
        for name, value in answer.headers:
            if self.command == "HEAD" and name.lower() == "content-length":
                length = value
            if name.lower() not in _NOT_PASSED_ON:
                self.send_header(name, value)
        if answer.status not in _HAS_NO_BODY:
            self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(answer.body)
        self.wfile.flush()
