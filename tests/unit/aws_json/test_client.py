"""Calls over HTTP to a server of the test, compared with those of botocore's client in standard mode."""

import json
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from functools import cache
from itertools import product
from typing import Any

import botocore.auth
import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
)

from oms.core import clock
from oms.core.aws_json.client import Client
from tests.support.aws_server import CLOSE, Answer, Server, ok, refused, response, serving

GOOD = ok(b'{"Item":{"id":{"S":"1"}}}')
GET = {"TableName": "t", "Key": {"id": {"S": "1"}}}
BUSY = refused(400, "ThrottlingException")
CANCELLED = (
    b'{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"cancelled",'
    b'"CancellationReasons":[{"Code":"ConditionalCheckFailed","Item":{"id":{"S":"1"},"b":{"B":"AAE="}}},'
    b'{"Code":"None","Message":null}]}'
)
CHUNKS = b'9\r\n{"Item":{\r\n10\r\n"id":{"S":"1"}}}\r\n0\r\n\r\n'
OLD_CODE = "x-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender\r\n"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses of the clients, which take no time."""
    made: list[float] = []
    monkeypatch.setattr(clock, "sleep", made.append)
    return made


def own(server: Server, service: str = "dynamodb", *, attempts: int = 3, read_seconds: float = 5) -> Client:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", server.url)
        return Client(service, read_seconds=read_seconds, max_attempts=attempts)


@cache
def data_loader() -> Any:
    """Returns the loader of botocore's models, which keeps them."""
    return botocore.session.Session().get_component("data_loader")


def botocores(server: Server, service: str = "dynamodb", *, attempts: int = 3, read_seconds: float = 5) -> Any:
    retries: Any = {"mode": "standard", "total_max_attempts": attempts}
    config = Config(connect_timeout=1, read_timeout=read_seconds, retries=retries)
    session = botocore.session.Session()
    session.register_component("data_loader", data_loader())
    make: Any = session.create_client
    return make(service, region_name="eu-central-1", endpoint_url=server.url, config=config)


def outcome(call: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    """Returns the result of a call, or what callers see of its error."""
    try:
        return call(**parameters)
    except ClientError as error:
        # botocore leaves out members that the error's model does not list.
        seen = {name: value for name, value in error.response.items() if name not in ("message", "Message")}
        return str(error), error.operation_name, seen, OfCode(error)
    except Exception as error:
        return type(error)


class OfCode:
    """The class of an error. botocore has classes only for the codes that a service's model lists."""

    def __init__(self, error: ClientError) -> None:
        self.name = type(error).__name__
        self.code = error.response["Error"].get("QueryErrorCode", error.response["Error"]["Code"])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OfCode) and self.name == self.code and other.name in (self.code, "ClientError")


# ---- as botocore ----------------------------------------------------------------------------------------------------

BOTH = {
    "a result": [GOOD],
    "throttled once": [BUSY, GOOD],
    "throttled by a status": [refused(503, "Any"), GOOD],
    "failed with each transient status": [refused(500, "A"), refused(504, "A"), GOOD],
    "failed with a page": [Answer(response(502, b"<html>no</html>")), Answer(response(500, b"")), GOOD],
    "throttled for ever": [BUSY] * 3,
    "a failure for ever": [refused(500, "InternalServerError")] * 3,
    "a conflict between regions": [refused(400, "ReplicatedWriteConflictException"), ok()],
    "in progress": [refused(400, "TransactionInProgressException"), GOOD],
    "refused": [refused(400, "ValidationException")],
    "a condition": [refused(400, "ConditionalCheckFailedException")],
    "a status that is not retried": [refused(501, "Any")],
    "an error without a type": [Answer(response(400, b'{"Message":"no"}'))],
    "an error with a link": [Answer(response(400, b'{"__type":"Any:http://any/#x","message":"no"}'))],
    "an error without JSON": [Answer(response(400, b"no"))],
    "an error without text": [Answer(response(413, b""))],
    "cancelled": [Answer(response(400, CANCELLED))],
    "redirected": [Answer(response(307, b"{}", "location: http://127.0.0.1:1/\r\n"))],
    "closed before the response": [CLOSE, GOOD],
    "closed for ever": [CLOSE] * 3,
    "closed within the response": [replace(GOOD, data=GOOD.data[:-3], closes=True), GOOD],
    "damaged": [Answer(response(200, b'{"Item":{}}', "x-amz-crc32: 7\r\n")), GOOD],
    "no HTTP": [Answer(b"no\r\n\r\n", closes=True), GOOD],
    "nulls": [ok(b'{"Item":null,"ConsumedCapacity":{"TableName":"t"}}')],
    "binary values": [ok(b'{"Item":{"id":{"S":"1"},"b":{"B":"AAE="},"c":{"BS":["AA=="]},"d":{"M":{"B":{"S":"B"}}}}}')],
    "no text": [ok(b"")],
}


PARAMETERS: dict[str, tuple[str, dict[str, Any]]] = {
    "cancelled": ("transact_write_items", {"TransactItems": [{"Put": {"TableName": "t", "Item": {}}}]}),
    "a conflict between regions": ("delete_item", GET),
}


# The one difference: see `test_a_damaged_result_is_never_returned`.
@pytest.mark.parametrize(("name", "attempts"), sorted({*product(BOTH, [1, 3])} - {("damaged", 1)}))
def test_a_call_has_the_outcome_the_attempts_and_the_pauses_of_botocores(
    monkeypatch: pytest.MonkeyPatch, pauses: list[float], name: str, attempts: int
) -> None:
    script = BOTH[name]
    operation, parameters = PARAMETERS.get(name, ("get_item", GET))
    random.seed(7)
    with serving(script) as server:
        found, requests, paused = (
            outcome(getattr(own(server, attempts=attempts), operation), parameters),
            server.requests,
            [*pauses],
        )
    pauses.clear()
    with serving(script) as server:
        client = botocores(server, attempts=attempts)
        monkeypatch.setattr(time, "sleep", lambda seconds: pauses.append(seconds) if seconds else None)
        random.seed(7)
        expected = outcome(getattr(client, operation), parameters)

        assert found == expected
        assert [without_token(it.body) for it in requests] == [without_token(it.body) for it in server.requests]
    assert paused == pauses


def without_token(body: bytes) -> dict[str, Any]:
    return {name: value for name, value in json.loads(body).items() if name != "ClientRequestToken"}


@pytest.mark.parametrize("headers", [OLD_CODE, "x-amzn-query-error: no\r\n", ""])
def test_an_error_of_sqs_has_the_code_and_the_class_of_botocores(headers: str) -> None:
    script = [refused(400, "QueueDoesNotExist", headers)] * 2
    with serving(script) as server:
        clients = own(server, "sqs"), botocores(server, "sqs")
        found, expected = (outcome(it.send_message, {"QueueUrl": server.url, "MessageBody": "x"}) for it in clients)
        caught = clients[0].exceptions.QueueDoesNotExist

    assert found == expected
    assert issubclass(caught, ClientError)


def test_a_client_that_often_fails_stops_its_retries_as_botocores(
    monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    """The quota of 500 is for all calls of a client: 100 retries of 5. A good call gives 1 back."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
    script = [refused(500, "A")] * 202 + [GOOD] * 5 + [refused(500, "A"), GOOD, refused(500, "A"), refused(500, "A")]
    outcomes = []
    for make in (own, botocores):
        with serving(script) as server:
            client = make(server, attempts=2)
            outcomes.append([outcome(client.get_item, GET) for _ in range(102 + 5 + 2)])

    assert outcomes[0] == outcomes[1]
    assert outcomes[0][101][2]["ResponseMetadata"]["RetryQuotaReached"]


def test_a_response_that_takes_too_long_is_retried_as_botocores(
    monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    late = replace(GOOD, pause_seconds=0.5)
    for make in (own, botocores):
        with serving([late, late]) as server:
            with pytest.raises(ReadTimeoutError):
                make(server, attempts=2, read_seconds=0.1).get_item(**GET)
            assert len(server.requests) == 2
            assert server.connections == 2, "a late response would be read as that of the next request"


def test_a_server_that_does_not_listen_is_an_error_of_its_endpoint(pauses: list[float]) -> None:
    with serving() as server:
        client = own(server)
    with pytest.raises(EndpointConnectionError, match=server.url):
        client.get_item(**GET)
    assert len(pauses) == 2


def test_an_unreadable_result_is_not_retried(pauses: list[float]) -> None:
    for body in (b"{", b"[]", b"\xff"):
        with serving([Answer(response(200, body))]) as server:
            with pytest.raises(HTTPClientError):
                own(server).get_item(**GET)
            assert len(server.requests) == 1


def test_a_damaged_result_is_never_returned(pauses: list[float]) -> None:
    """botocore returns it after the last attempt."""
    damaged = Answer(response(200, b"{}", "x-amz-crc32: 7\r\n"))
    with serving([damaged] * 2) as server, pytest.raises(HTTPClientError, match="crc32"):
        own(server, attempts=2).get_item(**GET)


# ---- requests -------------------------------------------------------------------------------------------------------


def test_a_request_has_botocores_headers_and_a_valid_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "T")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "f")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1;Parent=2\r\nx: y")
    with serving([GOOD, GOOD]) as server:
        own(server).get_item(**GET)
        botocores(server).get_item(**GET)
        sent, expected = server.requests

    own_names = {"host", "accept-encoding"} & set(sent.headers)
    differing = {"user-agent", "authorization", "x-amz-date", "amz-sdk-invocation-id", "amz-sdk-request"}
    differing |= {"content-length", "x-amz-user-agent"}
    both = {name: value for name, value in expected.headers.items() if name not in differing}
    assert {name: value for name, value in sent.headers.items() if name not in differing} == both, own_names
    assert sent.start == expected.start

    signed = sent.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    headers = {
        name: sent.headers[name] for name in signed if name not in ("host", "x-amz-date", "x-amz-security-token")
    }
    request = AWSRequest("POST", server.url + "/", headers, data=sent.body)
    moment = datetime.strptime(sent.headers["x-amz-date"], "%Y%m%dT%H%M%SZ")  # noqa: DTZ007 - as botocore's
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.auth, "get_current_datetime", lambda: moment)
        SigV4Auth(Credentials("A", "S", "T"), "dynamodb", "eu-central-1").add_auth(request)
    assert request.headers["Authorization"] == sent.headers["authorization"]


def test_a_repeated_write_has_the_same_token(pauses: list[float]) -> None:
    with serving([BUSY, GOOD, GOOD]) as server:
        client = own(server)
        client.transact_write_items(TransactItems=[])
        client.transact_write_items(TransactItems=[])
        first, again, other = (it.body for it in server.requests)

    assert first == again != other


# ---- connections ----------------------------------------------------------------------------------------------------


def test_calls_use_one_connection_and_clients_of_an_endpoint_share_it() -> None:
    with serving([GOOD, BUSY, GOOD]) as server:
        own(server, attempts=2).get_item(**GET)
        outcome(own(server, attempts=1).get_item, GET)
        own(server, attempts=1, read_seconds=1).get_item(**GET)

        assert [it.connection for it in server.requests] == [1, 1, 1]


def test_a_connection_that_aws_closed_is_replaced_without_a_retry() -> None:
    with serving([replace(GOOD, closes=True), GOOD]) as server:
        client = own(server, attempts=1)
        client.get_item(**GET)
        time.sleep(0.05)

        assert client.get_item(**GET)["ResponseMetadata"]["RetryAttempts"] == 0


def test_a_connection_that_aws_closes_while_a_request_is_sent_is_a_retry_without_a_pause(pauses: list[float]) -> None:
    """AWS may have processed the request, so it counts as an attempt, as with botocore."""
    with serving([GOOD, CLOSE, GOOD, CLOSE]) as server:
        client = own(server, attempts=2)
        client.get_item(**GET)

        assert client.get_item(**GET)["ResponseMetadata"]["RetryAttempts"] == 1
        assert pauses == []
        with pytest.raises(ConnectionClosedError):
            own(server, attempts=1).get_item(**GET)


@pytest.mark.parametrize(
    "answer",
    [
        replace(GOOD, data=GOOD.data.replace(b"HTTP/1.1 200 Any\r\n", b"HTTP/1.1 200 Any\r\nConnection: Close\r\n")),
        replace(GOOD, data=GOOD.data.replace(b"HTTP/1.1", b"HTTP/1.0"), closes=True),
        Answer(b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD.data),
        Answer(b"HTTP/1.1 200 Any\r\n\r\n" + b'{"Item":{"id":{"S":"1"}}}', closes=True),
        Answer(b"HTTP/1.1 200 Any\r\ntransfer-encoding: chunked\r\n\r\n" + CHUNKS),
        Answer(b"HTTP/1.1 200 Any\r\na: 1\r\na: 2\r\n" + GOOD.data.partition(b"\r\n")[2]),
        replace(GOOD, data=GOOD.data + b"HTTP/1.1 200 Any\r\ncontent-length: 2\r\n\r\n{}"),
    ],
    ids=["close", "1.0", "interim", "until the end", "chunked", "repeated", "followed by another"],
)
def test_a_response_of_another_form_is_read_and_its_connection_is_not_used_again(answer: Answer) -> None:
    with serving([answer, GOOD]) as server:
        client = own(server, attempts=1)

        assert client.get_item(**GET)["Item"] == client.get_item(**GET)["Item"] == {"id": {"S": "1"}}
        assert [it.connection for it in server.requests] == [1, 2]


def test_a_response_in_parts_is_read_whole() -> None:
    large = ok(b'{"Item":{"id":{"S":"%s"}}}' % (b"x" * 2_000_000))
    with serving([replace(GOOD, part_bytes=3), large]) as server:
        client = own(server)

        assert client.get_item(**GET)["Item"] == {"id": {"S": "1"}}
        assert len(client.get_item(**GET)["Item"]["id"]["S"]) == 2_000_000
        assert server.connections == 1


def test_threads_get_their_own_responses() -> None:
    with serving() as server:
        client = own(server, attempts=1)
        server.answers.extend(replace(ok(b"{}"), pause_seconds=0.001) for _ in range(200))
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda number: client.get_item(TableName=str(number), Key={}), range(200)))

        assert len({it.body for it in server.requests}) == 200
        assert server.connections <= 8


def test_an_undecoded_result_is_the_text_that_aws_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving([GOOD, refused(400, "ResourceNotFoundException")]) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        client = Client("dynamodb", read_seconds=1, max_attempts=1, decodes=False)

        assert client.query(TableName="t")["body"] == b'{"Item":{"id":{"S":"1"}}}'
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.query(TableName="t")
