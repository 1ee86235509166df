"""The clients of the soak: each sends requests until the end, and repeats those whose result is unknown."""

import json
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import httpx

from tests.support import contract
from tests.support.soak.faults import Faults
from tests.support.soak.requests import Known, Request, Requests, learn

_MAX_TRIES = 8
# The system's own response while calls of DynamoDB are slow. It is documented, and a repetition must succeed.
BUSY = 503
# Statuses after which a client repeats a request, as the document says.
_AGAIN = frozenset({429, 500, 502, 503, 504})
# The part of successful requests with a key that a client sends again, as if their responses had been lost.
_LOST = 0.05


def _has_busy_rows(request: Request, text: str) -> bool:
    """Returns whether the result of a row is unknown, so that the request has to be sent again."""
    if request.operation != "change_stocks" or not text.startswith("{"):
        return False
    return any(it["code"] == "unavailable" for it in json.loads(text).get("items", ()))


@dataclass
class Tally:
    """The responses of one client, by operation and status, and those that no client may get."""

    responses: Counter[tuple[str, int]] = field(default_factory=Counter)
    injected: int = 0
    repeated: int = 0
    problems: list[str] = field(default_factory=list)


class Client:
    """A client with the tokens of all roles. Each `x-role` of the document is one of them, or "public"."""

    def __init__(self, base_url: str, tokens: Mapping[str, str], requests: Requests, faults: Faults, seed: int) -> None:
        self.tally = Tally()
        self._tokens, self._requests, self._faults = tokens, requests, faults
        self._chance = random.Random(seed)
        # The limits count by address: each client is on a machine of its own.
        transport = httpx.HTTPTransport(local_address=f"127.0.1.{seed % 200 + 1}")
        self._http = httpx.Client(base_url=base_url, transport=transport, timeout=90, trust_env=False)

    def run(self, stop: Event) -> Tally:
        with self._http:
            while not stop.is_set():
                self.send(self._requests.draw(self._chance))
        return self.tally

    @property
    def known(self) -> Known:
        return self._requests.known

    def send(self, request: Request) -> None:
        """Sends the request, and again while its result is unknown and a repetition has the same effect."""
        for number in range(_MAX_TRIES):
            status, text = self._try(request)
            if (status in _AGAIN or _has_busy_rows(request, text)) and request.idempotent:
                time.sleep(min(2.0, 0.1 * 2**number))
                continue
            if status and status < 300:
                content = json.loads(text) if text.startswith("{") else None
                learn(self.known, request, status, content)
                # A repetition of many changes also tries the rows that were refused, with another result.
                if request.key and request.operation != "change_stocks" and self._chance.random() < _LOST:
                    self._repeat(request, status, content)
            return
        self.tally.problems.append(f"{request.operation}: no result after {_MAX_TRIES} tries, the last was {status}")

    def _repeat(self, request: Request, status: int, content: Any) -> None:
        """Sends a successful request again, which must have the same result."""
        self.tally.repeated += 1
        again, text = self._try(request)
        if again in _AGAIN:
            return
        same = json.loads(text) if text.startswith("{") else None
        identity = [it.get("id") if isinstance(it, dict) else it for it in (content, same)]
        if again != status or identity[0] != identity[1]:
            self.tally.problems.append(f"{request.operation}: {status} {identity[0]}, repeated: {again} {text[:200]}")

    def _try(self, request: Request) -> tuple[int, str]:
        """Returns status and text of one response; 500 if the connection broke."""
        headers = {"Idempotency-Key": request.key} if request.key else {}
        token = request.token or self._tokens.get(request.role)
        if token and request.role != "public":
            headers["Authorization"] = f"Bearer {token}"
        began = time.monotonic()
        try:
            answer = self._http.request(request.method, request.path, json=request.body, headers=headers)
        except httpx.TransportError as error:
            self._failed(request, began, repr(error))
            return 500, ""
        self.tally.responses[request.operation, answer.status_code] += 1
        if answer.status_code >= 500 and answer.status_code != BUSY:
            self._failed(request, began, f"{answer.status_code} {answer.text[:300]}")
        else:
            try:
                contract.check(request.method, request.path, answer.status_code, answer.headers, answer.text)
            except AssertionError as error:
                self.tally.problems.append(f"{request.operation}: {str(error)[:500]}")
        return answer.status_code, answer.text

    def _failed(self, request: Request, began: float, what: str) -> None:
        if self._faults.explains(began, time.monotonic()):
            self.tally.injected += 1
        else:
            self.tally.problems.append(f"{request.operation}: {what}, while no fault was injected")
