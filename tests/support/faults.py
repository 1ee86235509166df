"""Faults: plans that decide the result of each AWS call, and the errors of DynamoDB."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
    SSLError,
)

from tests.support.aws_calls import Call, Plan, intercepted

type Failure = Callable[[Call], Exception]


class Crash(BaseException):
    """The process has died. Not an Exception, so that no code under test can catch it."""


# ---- plans ----------------------------------------------------------------------------------------------------------


def crash_before(number: int) -> Plan:
    def plan(call: Call) -> Any:
        if call.number == number:
            raise Crash
        return call.send()

    return plan


def crash_after(number: int) -> Plan:
    """Crashes after the nth call is carried out, so that its answer is never seen."""

    def plan(call: Call) -> Any:
        answer = call.send()
        if call.number == number:
            raise Crash
        return answer

    return plan


def refuse(operation: str, failure: Failure, *, times: int | None = None) -> Plan:
    """Lets the first `times` calls of `operation` (None: all) fail without an effect."""
    refused = 0

    def plan(call: Call) -> Any:
        nonlocal refused
        if call.operation == operation and (times is None or refused < times):
            refused += 1
            raise failure(call)
        return call.send()

    return plan


def lose_answer(operation: str, *, after: int = 0, failure: Failure | None = None) -> Plan:
    """Lets the first `after` calls of `operation` fail; the next one is carried out, and its answer times out."""
    seen = 0

    def plan(call: Call) -> Any:
        nonlocal seen
        if call.operation != operation:
            return call.send()
        seen += 1
        if seen <= after and failure:
            raise failure(call)
        answer = call.send()
        if seen == after + 1:
            raise timed_out(call)
        return answer

    return plan


def between(number: int, interfere: Callable[[], object], *, after: bool) -> Plan:
    """Calls `interfere` just before, or just after, a call."""

    def plan(call: Call) -> Any:
        if call.number == number and not after:
            interfere()
        answer = call.send()
        if call.number == number and after:
            interfere()
        return answer

    return plan


def crashes[T](begin: Callable[[], T], act: Callable[[T], object]) -> Iterator[tuple[str, T]]:
    """Crashes `act` before and after its first, second, … AWS call, each time with a new result of `begin`.

    Yields the crash's name and the result of `begin` for each, and ends when `act` made all its calls.
    """
    for number in range(1, 100):
        for name, plan in (("before", crash_before(number)), ("after", crash_after(number))):
            subject = begin()
            try:
                with intercepted(plan):
                    act(subject)
            except Crash:
                yield f"{name} call {number}", subject
            else:
                return
    raise AssertionError("the operation does not end")


# ---- errors ---------------------------------------------------------------------------------------------------------


def timed_out(_call: Call) -> Exception:
    return ReadTimeoutError(endpoint_url="https://dynamodb.example")


def unconnected(kind: type[ConnectTimeoutError | EndpointConnectionError | SSLError]) -> Failure:
    """Errors without a request: nothing answers, listens, or has the right certificate at DynamoDB's address."""
    return lambda _: kind(endpoint_url="https://dynamodb.example", error="injected")


def failing(code: str, *, status: int = 400) -> Failure:
    """Returns the error with which DynamoDB, or another service, refuses the whole call."""
    error: Any = {"Error": {"Code": code, "Message": "injected"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return lambda call: ClientError(error, call.operation)


def conflicted(call: Call) -> Exception:
    """Returns the error for a running transaction on an item: the first of a transaction, or that of a single write."""
    if call.operation == "TransactWriteItems":
        return reason_at(0, "TransactionConflict")(call)
    return failing("TransactionConflictException")(call)


def reason_at(position: int, code: str) -> Failure:
    """Returns the error of a transaction that is cancelled because of one of its items."""

    def failure(call: Call) -> Exception:
        reasons = [Reason() for _ in call.parameters["TransactItems"]]
        reasons[position] = Reason(code)
        return cancelled(reasons)

    return failure


@dataclass(frozen=True)
class Reason:
    """The reason for which DynamoDB refuses one item of a transaction. `item` is a raw image (ALL_OLD)."""

    code: str = "None"
    item: Mapping[str, Any] | None = None

    def as_answered(self) -> dict[str, Any]:
        return {"Code": self.code, "Message": "injected", **({"Item": self.item} if self.item else {})}


def cancelled(reasons: Sequence[Reason]) -> ClientError:
    """Returns the error of a cancelled TransactWriteItems; one reason for each of its items, in order."""
    answer: Any = {
        "Error": {"Code": "TransactionCanceledException", "Message": "injected"},
        "CancellationReasons": [reason.as_answered() for reason in reasons],
    }
    return ClientError(answer, "TransactWriteItems")
