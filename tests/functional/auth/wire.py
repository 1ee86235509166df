"""What goes over botocore: a record of the calls, and answers that get lost on their way back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient
from botocore.exceptions import ReadTimeoutError


@contextmanager
def recorded() -> Iterator[list[str]]:
    """The calls made meanwhile, as `dynamodb.UpdateItem`; botocore's own retries are not calls."""
    calls: list[str] = []
    real = BaseClient._make_api_call  # type: ignore[attr-defined]

    def send(client: Any, operation: str, arguments: Any) -> Any:
        calls.append(f"{client.meta.service_model.service_name}.{operation}")
        return real(client, operation, arguments)

    with patch.object(BaseClient, "_make_api_call", send):
        yield calls


@contextmanager
def answer_lost(operation: str, *, nth: int = 1) -> Iterator[None]:
    """The nth call of `operation` is carried out, and its answer never comes."""
    with _once(operation, nth, after=_time_out):
        yield


@contextmanager
def overtaken(operation: str, by: Callable[[], object], *, nth: int = 1) -> Iterator[None]:
    """Something else happens just before the nth call of `operation`."""
    with _once(operation, nth, before=by):
        yield


def _time_out() -> None:
    raise ReadTimeoutError(endpoint_url="https://dynamodb")


@contextmanager
def _once(
    operation: str, nth: int, *, before: Callable[[], object] = lambda: None, after: Callable[[], None] = lambda: None
) -> Iterator[None]:
    seen = 0
    real = BaseClient._make_api_call  # type: ignore[attr-defined]

    def send(client: Any, name: str, arguments: Any) -> Any:
        nonlocal seen
        seen += name == operation
        if name != operation or seen != nth:
            return real(client, name, arguments)
        before()
        answer = real(client, name, arguments)
        after()
        return answer

    with patch.object(BaseClient, "_make_api_call", send):
        yield
    assert seen >= nth, f"{operation} was called {seen} times"
