"""The Python client on the functions in process, and on scripted answers."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from oms_client import AsyncOmsClient, OmsClient, RetryPolicy, ServiceKey
from oms_client.cli import run
from oms_client.cli.state import State
from tests.support.gateway import call
from tests.support.invocation import Person

URL = "https://oms.test"


class Functions(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Gives each request to the function of its route. `sent` has the requests."""

    def __init__(self) -> None:
        self.sent: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        text = request.read().decode() or None
        path = request.url.raw_path.decode()
        answer = call(request.method, path, text, headers=dict(request.headers), media_type=None)
        headers = [*answer.headers.items(), *(("Set-Cookie", it) for it in answer.cookies)]
        return httpx.Response(answer.status, headers=headers, content=answer.content, request=request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


def client_of(who: Person | str, transport: httpx.BaseTransport | None = None, **options: Any) -> OmsClient:
    """Returns a client of a signed-in user, or with a service key."""
    return OmsClient(URL, credentials=_credentials(who), transport=transport or Functions(), **options)


def async_client_of(who: Person | str, **options: Any) -> AsyncOmsClient:
    return AsyncOmsClient(URL, credentials=_credentials(who), transport=Functions(), **options)


def _credentials(who: Person | str) -> ServiceKey:
    # The header of an access token is that of a key.
    return ServiceKey(who if isinstance(who, str) else who.token)


type Script = Sequence[httpx.Response | Exception]


def scripted(answers: Script, sent: list[httpx.Request]) -> httpx.MockTransport:
    """Returns a transport that gives these answers in turn, and appends each request to `sent`."""
    rest: Iterator[httpx.Response | Exception] = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        found = next(rest)
        if isinstance(found, Exception):
            raise found
        return httpx.Response(found.status_code, headers=found.headers, content=found.content)

    return httpx.MockTransport(answer)


def without_waiting(monkeypatch: Any, random: Callable[[], float] = lambda: 1.0) -> tuple[RetryPolicy, list[float]]:
    """Returns a policy whose jitter is not random, and the list of the seconds that the client would have slept."""
    slept: list[float] = []
    monkeypatch.setattr("oms_client.sending.time.sleep", slept.append)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("oms_client.sending.anyio.sleep", sleep)
    return RetryPolicy(random=random), slept


def problem(status: int, code: str, *, headers: dict[str, str] | None = None, **members: Any) -> httpx.Response:
    content = {"type": f"/docs/errors#{code}", "title": "T", "status": status, "detail": "D", "instance": "/"}
    content |= {"code": code, "request_id": "r"} | members
    return httpx.Response(status, json=content, headers=headers)


@dataclass
class Terminal:
    """Runs commands of `oms`, with its own folder for profiles."""

    transport: httpx.BaseTransport
    capture: pytest.CaptureFixture[str]
    out: str = ""
    err: str = ""
    retries: RetryPolicy | None = None

    def run(self, *arguments: str) -> int:
        code = run(arguments, State(self.transport, self.retries))
        out, self.err = self.capture.readouterr()
        # The functions write their log to the same output.
        self.out = "".join(it for it in out.splitlines(keepends=True) if not it.startswith(('{"level":', '{"_aws":')))
        return code

    @property
    def lines(self) -> list[Any]:
        """The lines of the output, as JSON."""
        return [json.loads(it) for it in self.out.splitlines()]
