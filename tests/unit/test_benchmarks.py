"""The parts of the benchmarks that decide its figures: attribution, ratios, tables, and the stub's answers."""

import base64
import json
import zlib
from pathlib import Path

import pytest

from benchmarks import cold, requests
from benchmarks.attribution import CLIENT, ITEMS, JSON, LOGS, OTHER, OWN, TOKEN, VALIDATION, part_of_stack
from benchmarks.aws_stub import Stub, response
from benchmarks.tables import against_aim, as_markdown, write_between_marks
from benchmarks.turns import Block

PACKAGES, LIBRARY = "/x/.venv/lib/python3.13/site-packages", "/usr/lib/python3.13"
SHARED, FUNCTIONS = "/x/layers/shared/python/oms", "/x/functions"
TABLE = {
    "TableName": "things",
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}


@pytest.mark.parametrize(
    ("part", "innermost_first"),
    [
        (CLIENT, [f"{LIBRARY}/http/client.py", f"{PACKAGES}/urllib3/connection.py", f"{PACKAGES}/botocore/client.py"]),
        (CLIENT, [f"{LIBRARY}/json/decoder.py", f"{SHARED}/core/aws_json/json_text.py", f"{SHARED}/core/dynamodb.py"]),
        (CLIENT, [f"{LIBRARY}/json/decoder.py", f"{PACKAGES}/botocore/parsers.py", f"{SHARED}/core/dynamodb.py"]),
        (ITEMS, [f"{LIBRARY}/copy.py", f"{PACKAGES}/pynamodb/attributes.py", f"{SHARED}/core/dynamodb.py"]),
        (TOKEN, [f"{PACKAGES}/jwt/api_jwt.py", f"{SHARED}/identity/tokens.py", f"{SHARED}/identity/access.py"]),
        (TOKEN, [f"{LIBRARY}/json/decoder.py".replace("json", "base64"), f"{SHARED}/identity/tokens.py"]),
        (VALIDATION, [f"{PACKAGES}/pydantic/main.py", f"{SHARED}/orders/views.py"]),
        (JSON, [f"{LIBRARY}/json/encoder.py", f"{PACKAGES}/aws_lambda_powertools/event_handler/api_gateway.py"]),
        (JSON, [f"{LIBRARY}/json/encoder.py", f"{SHARED}/http/api.py"]),
        (LOGS, [f"{LIBRARY}/json/encoder.py", f"{PACKAGES}/aws_lambda_powertools/logging/formatter.py"]),
        (OWN, [f"{SHARED}/orders/service.py", f"{FUNCTIONS}/orders/handler.py"]),
        (OWN, [f"{FUNCTIONS}/orders/handler.py", f"{PACKAGES}/aws_lambda_powertools/event_handler/api_gateway.py"]),
        (OTHER, [f"{LIBRARY}/json/decoder.py", "/x/benchmarks/oms_worker.py"]),
    ],
)
def test_a_sample_belongs_to_the_innermost_known_package(part: str, innermost_first: list[str]) -> None:
    assert part_of_stack(iter(innermost_first)) == part


def test_the_ratio_compares_blocks_of_the_same_turn_with_their_servers() -> None:
    ours = [Block(4.0, 0.0), Block(8.0, 0.0), Block(40.0, 0.0)]
    theirs = [Block(1.0, 1.0), Block(3.0, 1.0), Block(12.0, 8.0)]

    assert requests.ratio(ours, theirs) == 2.0


def test_a_missed_aim_is_named_as_a_multiple() -> None:
    assert against_aim(0.8, 0.8) == "0.80"
    assert against_aim(2.0, 0.8) == "2.00, 2.5 × the aim"
    blocks = {requests.PROJECT: [Block(2.0, 0.0)], requests.POSTGRESQL: [Block(0.6, 0.4)]}
    *_, last = requests.table({"get": blocks})
    assert last == ["ratio to Flask + PostgreSQL (+ its server)", "2.00/2.00, 2.5 × the aim"]


def test_tables_replace_those_of_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- tables: x -->\nold\n<!-- end of tables -->\nafter\n")

    write_between_marks(page, as_markdown([["a", "b"], ["1", "22"]]))

    expected = "before\n<!-- tables: x -->\n\n| a | b  |\n|---|----|\n| 1 | 22 |\n\n<!-- end of tables -->\nafter\n"
    assert page.read_text() == expected
    page.write_text("no place")
    with pytest.raises(ValueError, match="has 0 places"):
        write_between_marks(page, "text")


def test_a_cold_start_imports_the_function_and_no_benchmark_of_its_name(tmp_path: Path) -> None:
    names = {path.stem for path in Path(cold.__file__).parent.glob("*.py")}
    (function,) = names & {path.name for path in (cold.ROOT / "functions").iterdir()}
    (tmp_path / function).mkdir()
    (tmp_path / function / "handler.py").write_text("lambda_handler = print")

    assert cold.start(f"{function}.handler", [tmp_path], "http://127.0.0.1:1", None)["modules"] > 0


def test_the_stub_stores_what_is_written_in_dynamodbs_form() -> None:
    stub = Stub()
    item = {"id": {"S": "1"}, "secret": {"B": base64.b64encode(b"\x00\xff").decode()}}

    def call(operation: str, **request: object) -> tuple[int, dict[str, object]]:
        body = json.dumps({"TableName": "things", **request}).encode()
        status, answer = stub.answer(f"DynamoDB_20120810.{operation}", body)
        return status, json.loads(answer)

    assert call("CreateTable", **TABLE)[0] == 200
    assert call("GetItem", Key={"id": {"S": "1"}}) == (200, {})
    assert call("PutItem", Item=item) == (200, {})
    assert call("GetItem", Key={"id": {"S": "1"}}) == (200, {"Item": item})
    status, refusal = call("PutItem", Item=item, ConditionExpression="attribute_not_exists(id)")
    assert (status, refusal["__type"]) == (400, "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException")


def test_the_stubs_responses_have_length_and_checksum() -> None:
    head, _, body = response(200, b'{"Item":{}}').partition(b"\r\n\r\n")
    status, *headers = head.decode().split("\r\n")

    assert (status, body) == ("HTTP/1.1 200 OK", b'{"Item":{}}')
    assert {"Content-Length: 11", f"x-amz-crc32: {zlib.crc32(body)}", "Connection: keep-alive"} <= set(headers)
