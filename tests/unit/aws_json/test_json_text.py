"""Texts of requests and responses, compared with botocore's serializer and parser for all operations of the system."""

import json
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore.model import ListShape, MapShape, OperationModel, Shape, StringShape, StructureShape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from oms.core.aws_json.json_text import decode, encode
from oms.core.aws_json.services import SERVICES

# Those that the system calls, and their neighbours.
OPERATIONS = {
    "dynamodb": [
        "BatchGetItem",
        "BatchWriteItem",
        "DeleteItem",
        "DescribeTable",
        "GetItem",
        "PutItem",
        "Query",
        "Scan",
        "TransactGetItems",
        "TransactWriteItems",
        "UpdateItem",
    ],
    "events": ["PutEvents"],
    "secretsmanager": ["GetSecretValue", "PutSecretValue"],
    "sqs": [
        "ChangeMessageVisibilityBatch",
        "DeleteMessage",
        "GetQueueAttributes",
        "ReceiveMessage",
        "SendMessage",
        "SendMessageBatch",
    ],
    "ssm": ["GetParameter", "PutParameter"],
}
CASES = [(service, operation) for service, operations in OPERATIONS.items() for operation in operations]


@cache
def operation_model(service: str, operation: str) -> OperationModel:
    return session().get_service_model(service).operation_model(operation)


@cache
def session() -> botocore.session.Session:
    return botocore.session.Session()


# Requests have many members, and items within items.
LARGE = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
# Surrogates have no UTF-8, and no client can send them.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ['"B"', '"BS"', "B", "\\", "\0"]
)


def values(shape: Shape, *, as_text: bool, depth: int = 0) -> st.SearchStrategy[Any]:
    """Returns values of a shape; `as_text`: as they are in a response's JSON."""
    if isinstance(shape, StructureShape):
        # In responses, times stay numbers, and binary values stay base64 except those of items.
        plain = ("timestamp", "blob") if as_text and shape.name != "AttributeValue" else ("timestamp",)
        names = [name for name, it in shape.members.items() if it.type_name not in plain]
        members = {name: values(shape.members[name], as_text=as_text, depth=depth + 1) for name in names}
        if shape.name == "AttributeValue":
            # Exactly one member, as DynamoDB has it, and an end.
            usable = [name for name in names if depth < 4 or name not in ("M", "L")]
            return st.one_of(*(st.fixed_dictionaries({name: members[name]}) for name in usable))
        return st.fixed_dictionaries({}, optional=members)
    if shape.name == "BinaryList" and as_text:
        return st.just([])  # reserved by SQS for later
    if isinstance(shape, ListShape):
        return st.lists(st.deferred(lambda: values(shape.member, as_text=as_text, depth=depth + 1)), max_size=2)
    if isinstance(shape, MapShape):
        keys = values(shape.key, as_text=as_text)
        return st.dictionaries(
            keys, st.deferred(lambda: values(shape.value, as_text=as_text, depth=depth + 1)), max_size=2
        )
    if shape.type_name == "blob":
        found = st.binary(max_size=8)
        return found.map(lambda it: json.loads(encode({"B": it}))["B"]) if as_text else found
    if isinstance(shape, StringShape) and shape.enum:
        return st.sampled_from(shape.enum)
    return SCALARS[shape.type_name]


SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": texts,
    "boolean": st.booleans(),
    "integer": st.integers(-(2**31), 2**31),
    "long": st.integers(-(2**63), 2**63),
    "double": st.floats(allow_nan=False, allow_infinity=False),
}


@pytest.mark.parametrize(("service", "operation"), CASES)
@settings(max_examples=20, deadline=None, suppress_health_check=LARGE)
@given(data=st.data())
def test_a_request_has_the_json_and_the_target_of_botocores(service: str, operation: str, data: st.DataObject) -> None:
    model = operation_model(service, operation)
    parameters = data.draw(values(model.input_shape, as_text=False))

    sent = create_serializer("json", include_validation=False).serialize_to_request(parameters, model)

    assert json.loads(encode(parameters)) == json.loads(sent["body"])
    known = SERVICES[service]
    assert sent["headers"] == {
        "X-Amz-Target": f"{known.target}.{operation}",
        "Content-Type": known.content_type,
        **({"x-amzn-query-mode": "true"} if known.headers else {}),
    }


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(st.characters())),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
        max_leaves=8,
    )
)
@example("\ud800")
def test_a_request_without_binary_values_has_the_same_json(value: Any) -> None:
    assert json.loads(encode({"value": value}, has_binary=False)) == json.loads(encode({"value": value}))


@pytest.mark.parametrize(("service", "operation"), CASES)
@settings(max_examples=20, deadline=None, suppress_health_check=LARGE)
@given(data=st.data())
def test_a_result_is_that_of_botocores(service: str, operation: str, data: st.DataObject) -> None:
    shape = operation_model(service, operation).output_shape
    members = data.draw(values(shape, as_text=True)) if shape else {}
    body = json.dumps(members, ensure_ascii=data.draw(st.booleans())).encode()

    assert decode(body, has_items=service == "dynamodb") == decoded_by_botocore(service, operation, body)


def decoded_by_botocore(service: str, operation: str, body: bytes) -> Any:
    shape = operation_model(service, operation).output_shape
    expected = create_parser("json").parse({"status_code": 200, "headers": {}, "body": body}, shape)
    expected.pop("ResponseMetadata")
    return expected


NAMED_AS_TYPES = {"B": {"S": "text"}, "BS": {"M": {"B": {"B": "aGk="}}}, "L": {"L": [{"M": {"BS": {"BS": ["aGk="]}}}]}}


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("BatchGetItem", {"UnprocessedKeys": {"orders": {"Keys": [], "ExpressionAttributeNames": {"B": "text"}}}}),
        ("BatchGetItem", {"Responses": {"BS": [{"B": {"B": "aGk="}}]}, "UnprocessedKeys": {}}),
        ("BatchGetItem", {"UnprocessedKeys": {"B": {"Keys": [{"BS": {"B": "aGk="}}]}}}),
        ("BatchWriteItem", {"UnprocessedItems": {"BS": [{"PutRequest": {"Item": {"B": {"B": "aGk="}}}}]}}),
        ("GetItem", {"Item": NAMED_AS_TYPES}),
        ("GetItem", {"Item": {"only": {"M": {"B": {"M": {"BS": {"L": [{"B": "aGk="}]}}}}}}}),
        ("Query", {"Items": [NAMED_AS_TYPES], "LastEvaluatedKey": {"B": {"B": "aGk="}}}),
        ("TransactGetItems", {"Responses": [{"Item": NAMED_AS_TYPES}, {}]}),
        (
            "UpdateItem",
            {"Attributes": NAMED_AS_TYPES, "ItemCollectionMetrics": {"ItemCollectionKey": {"B": {"B": ""}}}},
        ),
    ],
)
def test_a_name_that_is_also_a_type_is_not_taken_for_it(operation: str, members: dict[str, Any]) -> None:
    body = json.dumps(members).encode()

    assert decode(body, has_items=True) == decoded_by_botocore("dynamodb", operation, body)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, object()])
def test_a_value_without_a_form_in_json_is_refused(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        encode({"Limit": value})


@pytest.mark.parametrize("body", [b"{", b"[]", b"1", b"\xff", b'{"Item":{"id":{"B":"no base64"}}}'])
def test_an_unreadable_text_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|codec|base64|EOF|expected|Non-base64|padding"):
        decode(body, has_items=True)
