"""The tests' one hook into botocore: every AWS call of this process passes here, and a test decides over it.

The hook is `BaseClient._make_api_call`, a private name of botocore: where an operation becomes a request, above
botocore's own retries. So a call here is what the code asked for, and an error here is what is left when botocore has
given up. `test_aws_calls` says what breaks when that name goes.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import ReadTimeoutError

READS = frozenset({"BatchGetItem", "GetItem", "GetParameter", "GetSecretValue", "Query"})


@dataclass(frozen=True)
class Call:
    """One AWS call. `number` counts from 1 since the plan began; `send` makes it for real."""

    number: int
    service: str
    operation: str
    parameters: Mapping[str, Any]
    send: Callable[[], Any] = field(repr=False, compare=False)

    @property
    def writes(self) -> bool:
        return self.operation not in READS


type Plan = Callable[[Call], Any]
"""What becomes of a call: its answer, or an exception."""

type Observer = Callable[[str, str, Mapping[str, Any]], None]
"""Gets each call: the service, the operation and its parameters."""

type _Answer = Callable[[BaseClient, str, Mapping[str, Any]], Any]

_botocore: _Answer = BaseClient._make_api_call  # type: ignore[attr-defined]
# The last to intercept decides first, and may pass the call on to the one before.
_answers: list[_Answer] = [_botocore]
_observers: list[Observer] = []


def _answer(client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> Any:
    for observe in _observers:
        observe(client.meta.service_model.service_name, operation, parameters)
    return _answers[-1](client, operation, parameters)


BaseClient._make_api_call = _answer  # type: ignore[attr-defined]


@contextmanager
def observed(observe: Observer) -> Iterator[None]:
    """While it lasts, `observe` gets each call, once, before anything becomes of it."""
    _observers.append(observe)
    try:
        yield
    finally:
        _observers.remove(observe)


def to_botocore(client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> Any:
    """The call as botocore makes it, past all that is here."""
    return _botocore(client, operation, parameters)


def serve(service: str, answer: _Answer) -> None:
    """From now on `answer` gets, below all plans, the calls of a service that would go to AWS; not to a local cloud."""
    below = _answers[0]

    def served(client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> Any:
        meta = client.meta
        if meta.service_model.service_name == service and meta.endpoint_url.endswith(".amazonaws.com"):
            return answer(client, operation, parameters)
        return below(client, operation, parameters)

    _answers[0] = served


@contextmanager
def intercepted(plan: Plan = lambda call: call.send()) -> Iterator[list[Call]]:
    """While it lasts, `plan` decides over every AWS call of the process. Gives the calls made so far."""
    calls: list[Call] = []
    below = _answers[-1]

    def planned(client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> Any:
        service = client.meta.service_model.service_name
        call = Call(len(calls) + 1, service, operation, parameters, lambda: below(client, operation, parameters))
        calls.append(call)
        return plan(call)

    _answers.append(planned)
    try:
        yield calls
    finally:
        _answers.remove(planned)


@contextmanager
def recorded() -> Iterator[list[str]]:
    """The calls made meanwhile, as `dynamodb.UpdateItem`; botocore's own retries are not calls."""
    names: list[str] = []

    def note(call: Call) -> Any:
        names.append(f"{call.service}.{call.operation}")
        return call.send()

    with intercepted(note):
        yield names


def answer_lost(operation: str, *, nth: int = 1) -> AbstractContextManager[None]:
    """The nth call of `operation` is carried out, and its answer never comes."""
    return _once(operation, nth, after=_time_out)


def overtaken(operation: str, by: Callable[[], object], *, nth: int = 1) -> AbstractContextManager[None]:
    """Something else happens just before the nth call of `operation`."""
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
