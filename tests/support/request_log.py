"""The log group of the functions with routes, in process. Once imported, it answers every call of CloudWatch Logs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest
from botocore.exceptions import ClientError

from local.emulator.log_events import newest_first
from oms.core import clock
from oms.http import api
from tests.support import aws_calls

# A test writes here, or lets `recorded` do it: the lines with the times of CloudWatch Logs.
EVENTS: list[dict[str, Any]] = []


def write(text: str) -> None:
    EVENTS.append({"timestamp": int(clock.now().timestamp() * 1000), "message": text.rstrip("\n")})


class _Stream:
    write = staticmethod(write)

    def flush(self) -> None:
        pass


@contextmanager
def recorded() -> Iterator[list[dict[str, Any]]]:
    """In this context, what the functions log is in the log group, which is empty at first."""
    EVENTS.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api.logger.registered_handler, "stream", _Stream())
        yield EVENTS
    EVENTS.clear()


def _answer(_client: aws_calls.AnyClient, operation: str, parameters: Mapping[str, Any]) -> Any:
    if operation != "FilterLogEvents":
        _refuse("UnknownOperationException", operation)
    try:
        return newest_first(EVENTS, parameters)
    except ValueError:
        _refuse("InvalidParameterException", operation)


def _refuse(code: str, operation: str) -> NoReturn:
    raise ClientError({"Error": {"Code": code, "Message": code}}, operation)


aws_calls.serve("logs", _answer)
