"""The tests' one hook into AWS clients: every AWS call of this process passes here, and a test decides its result.

The hook is `_make_api_call` of both kinds of clients: botocore's `BaseClient`, whose private name it is, and the
system's own `oms.core.aws_json.client.Client`. There an operation becomes a request, above the client's retries. So a
call here is a call of the code, and an error here is the one that remains after the retries. `test_aws_calls` fails if
the method of a client has another name.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import ReadTimeoutError

from oms.core.aws_json.client import Client

READS = frozenset({"BatchGetItem", "GetItem", "GetParameter", "GetSecretValue", "Query"})


@dataclass(frozen=True)
class Call:
    """One AWS call. `number` counts from 1 since the plan began; `send` carries it out."""

    number: int
    service: str
    operation: str
    parameters: Mapping[str, Any]
    send: Callable[[], Any] = field(repr=False, compare=False)

    @property
    def writes(self) -> bool:
        return self.operation not in READS


type Plan = Callable[[Call], Any]
"""Decides the result of a call: its answer, or an exception."""

type Observer = Callable[[str, str, Mapping[str, Any]], None]
"""Gets each call: the service, the operation and its parameters."""

type AnyClient = BaseClient | Client
type _Answer = Callable[[Any, str, Mapping[str, Any]], Any]

_botocore: _Answer = BaseClient._make_api_call  # type: ignore[attr-defined]
_own: _Answer = Client._make_api_call  # type: ignore[assignment]


def _send(client: AnyClient, operation: str, parameters: Mapping[str, Any]) -> Any:
    """Makes the call with the client's own method."""
    method = _own if isinstance(client, Client) else _botocore
    return method(client, operation, parameters)


# The last to intercept decides first, and may pass the call on to the one before.
_answers: list[_Answer] = [_send]
_observers: list[Observer] = []


def _answer(client: AnyClient, operation: str, parameters: Mapping[str, Any]) -> Any:
    for observe in _observers:
        observe(_service_of(client), operation, parameters)
    return _answers[-1](client, operation, parameters)


BaseClient._make_api_call = _answer  # type: ignore[attr-defined]
Client._make_api_call = _answer  # type: ignore[method-assign]


def _service_of(client: AnyClient) -> str:
    return client.meta.service_name if isinstance(client, Client) else client.meta.service_model.service_name


@contextmanager
def observed(observe: Observer) -> Iterator[None]:
    """In this context, `observe` gets each call once, before its result is decided."""
    _observers.append(observe)
    try:
        yield
    finally:
        _observers.remove(observe)


def to_client(client: AnyClient, operation: str, parameters: Mapping[str, Any]) -> Any:
    """Makes the call with the client's own method, without plans and observers."""
    return _send(client, operation, parameters)


def serve(service: str, answer: _Answer) -> None:
    """Lets `answer` handle, below all plans, every later call of a service to AWS; not those to a local cloud."""
    below = _answers[0]

    def served(client: AnyClient, operation: str, parameters: Mapping[str, Any]) -> Any:
        if _service_of(client) == service and client.meta.endpoint_url.endswith(".amazonaws.com"):
            return answer(client, operation, parameters)
        return below(client, operation, parameters)

    _answers[0] = served


@contextmanager
def intercepted(plan: Plan = lambda call: call.send()) -> Iterator[list[Call]]:
    """In this context, `plan` decides the result of every AWS call of the process. Yields the calls made so far."""
    calls: list[Call] = []
    below = _answers[-1]

    def planned(client: AnyClient, operation: str, parameters: Mapping[str, Any]) -> Any:
        def send() -> Any:
            return below(client, operation, parameters)

        call = Call(len(calls) + 1, _service_of(client), operation, parameters, send)
        calls.append(call)
        answer = plan(call)
        if isinstance(client, Client) and not client.decodes and "body" not in answer:
            return {"body": json.dumps(answer).encode()}
        return answer

    _answers.append(planned)
    try:
        yield calls
    finally:
        _answers.remove(planned)


@contextmanager
def recorded() -> Iterator[list[str]]:
    """Records the calls in this context, as `dynamodb.UpdateItem`; botocore's own retries are not calls."""
    names: list[str] = []

    def note(call: Call) -> Any:
        names.append(f"{call.service}.{call.operation}")
        return call.send()

    with intercepted(note):
        yield names


def answer_lost(operation: str, *, nth: int = 1) -> AbstractContextManager[None]:
    """Carries out the nth call of `operation` and loses its answer."""
    return _once(operation, nth, after=_time_out)


def changed_meanwhile(operation: str, by: Callable[[], object], *, nth: int = 1) -> AbstractContextManager[None]:
    """Calls `interfere` just before the nth call of `operation`."""
    return _once(operation, nth, before=by)


def _time_out() -> None:
    raise ReadTimeoutError(endpoint_url="https://dynamodb")


@contextmanager
def _once(
    operation: str, nth: int, *, before: Callable[[], object] = lambda: None, after: Callable[[], None] = lambda: None
) -> Iterator[None]:
    seen = 0

    def plan(call: Call) -> Any:
        nonlocal seen
        seen += call.operation == operation
        if call.operation != operation or seen != nth:
            return call.send()
        before()
        answer = call.send()
        after()
        return answer

    with intercepted(plan):
        yield
    assert seen >= nth, f"{operation} was called {seen} times"
