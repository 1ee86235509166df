"""The recorder of AWS calls: which calls are those of a function."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from oms.core.dynamodb import in_parallel
from oms.core.secret_store import read_secret
from oms.core.settings import settings
from orders import handler as orders
from tests.support.aws_calls import Call, intercepted, observed
from tests.support.invocation import Person, invoke
from tests.support.recorder import Recorder, enter

ORIGIN = settings().origin_secret


@pytest.fixture
def recorder(cloud: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    monkeypatch.setattr(orders, "lambda_handler", orders.lambda_handler)  # put back afterwards
    found = Recorder()
    found.mark_functions()
    with observed(found.observe):
        yield found


def test_a_call_is_recorded_with_its_function_resource_and_leading_key(recorder: Recorder, customer: Person) -> None:
    assert recorder.calls == set(), "tests have made calls, and no function has"

    assert invoke(orders, "GET", "/api/v1/orders", token=customer.token).status == 200

    found = {(it.function, it.action, it.resource, it.context) for it in recorder.calls}
    assert ("Orders", "dynamodb:BatchGetItem", "{identity}", (("dynamodb:LeadingKeys", "user#…"),)) in found
    assert ("Orders", "dynamodb:Query", "{orders}/index/by_customer", (("dynamodb:LeadingKeys", "…"),)) in found
    assert {it.function for it in recorder.calls} == {"Orders"}


def test_calls_of_a_test_during_a_function_are_not_the_functions(recorder: Recorder, customer: Person) -> None:
    def meddle(call: Call) -> Any:
        boto3.client("dynamodb").delete_item(TableName="orders", Key={"id": {"S": "none"}})
        return call.send()

    with intercepted(lambda call: call.send() if call.operation == "DeleteItem" else meddle(call)):
        assert invoke(orders, "GET", "/api/v1/orders", token=customer.token).status == 200

    assert {it.action for it in recorder.calls} == {"dynamodb:BatchGetItem", "dynamodb:Query"}


def test_the_calls_of_a_functions_threads_are_the_functions(recorder: Recorder) -> None:
    enter("Orders", lambda *_: in_parallel(read_secret, [ORIGIN, ORIGIN]), None, None)

    assert {(it.function, it.resource) for it in recorder.calls} == {("Orders", f"{{{ORIGIN}}}")}
