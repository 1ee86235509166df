"""Faults: plans of what becomes of each AWS call, and the errors that DynamoDB answers with."""

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
    """The process is gone. Not an Exception, so that no code under test can catch it."""


# ---- plans ----------------------------------------------------------------------------------------------------------


def crash_before(number: int) -> Plan:
    def plan(call: Call) -> Any:
        if call.number == number:
            raise Crash
        return call.send()

    return plan


def crash_after(number: int) -> Plan:
    """The call is made, and its answer is never seen."""

    def plan(call: Call) -> Any:
        answer = call.send()
        if call.number == number:
            raise Crash
        return answer

    return plan


def refuse(operation: str, failure: Failure, *, times: int | None = None) -> Plan:
    """The first `times` calls of `operation` (None: all) fail, and nothing was done."""
    refused = 0

    def plan(call: Call) -> Any:
        nonlocal refused
        if call.operation == operation and (times is None or refused < times):
            refused += 1
            raise failure(call)
        return call.send()

    return plan


def lose_answer(operation: str, *, after: int = 0, failure: Failure | None = None) -> Plan:
    """The first `after` calls of `operation` fail; the next one is made, and its answer times out."""
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
    """Somebody else acts just before, or just after, a call."""

    def plan(call: Call) -> Any:
        if call.number == number and not after:
            interfere()
        answer = call.send()
        if call.number == number and after:
            interfere()
        return answer

    return plan


def crashes[T](begin: Callable[[], T], act: Callable[[T], object]) -> Iterator[tuple[str, T]]:
    """Crashes `act` before and after its first, second, … AWS call, each time on something new from `begin`.

    Gives the crash's name and what it happened to, once for each, and ends when `act` made all its calls.
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
    """The call never left: nothing answers, listens, or shows the right certificate at DynamoDB's address."""
    return lambda _: kind(endpoint_url="https://dynamodb.example", error="injected")


def failing(code: str) -> Failure:
    """DynamoDB refuses the whole call with this code."""
    return lambda call: ClientError({"Error": {"Code": code, "Message": "injected"}}, call.operation)


def conflicted(call: Call) -> Exception:
    """Another transaction is at work on an item: the first one of a transaction, or the one of a single write."""
    if call.operation == "TransactWriteItems":
        return reason_at(0, "TransactionConflict")(call)
    return failing("TransactionConflictException")(call)


def reason_at(position: int, code: str) -> Failure:
    """A transaction is cancelled because of one of its items."""

    def failure(call: Call) -> Exception:
        reasons = [Reason() for _ in call.parameters["TransactItems"]]
        reasons[position] = Reason(code)
        return cancelled(reasons)

    return failure


@dataclass(frozen=True)
class Reason:
    """Why one item of a transaction was refused, as DynamoDB words it. `item` is a raw image (ALL_OLD)."""

    code: str = "None"
    item: Mapping[str, Any] | None = None

    def as_answered(self) -> dict[str, Any]:
        return {"Code": self.code, "Message": "injected", **({"Item": self.item} if self.item else {})}


def cancelled(reasons: Sequence[Reason]) -> ClientError:
    """A cancelled TransactWriteItems; one reason for each of its items, in order."""
    answer: Any = {
        "Error": {"Code": "TransactionCanceledException", "Message": "injected"},
        "CancellationReasons": [reason.as_answered() for reason in reasons],
    }
    return ClientError(answer, "TransactWriteItems")
