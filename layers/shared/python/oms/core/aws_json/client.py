"""Clients with the interface of botocore's: `Client("sqs", …).send_message(QueueUrl=…, MessageBody=…)`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple
from uuid import uuid4
from zlib import crc32

from botocore.exceptions import ChecksumError, ClientError, ConnectionError, HTTPClientError, NoRegionError

from oms.core import aws, clock
from oms.core.aws_json import tracing
from oms.core.aws_json.connections import Pool, Response
from oms.core.aws_json.json_text import decode, decode_error, encode, error_class
from oms.core.aws_json.retries import CODES, STATUSES, Retries, pause_seconds
from oms.core.aws_json.services import SERVICES, Address, endpoint_url
from oms.core.aws_json.signing import Signer, credential_source
from oms.core.settings import settings

# The reads of DynamoDB: their keys and values are texts and numbers.
_READS = frozenset(("BatchGetItem", "GetItem", "Query", "Scan"))


@dataclass(frozen=True)
class Meta:
    """The client's `meta`, with botocore's names."""

    service_name: str
    region_name: str
    endpoint_url: str


class Exceptions:
    """The client's `exceptions`: a class for each code, for `except client.exceptions.ParameterNotFound`."""

    def from_code(self, code: str) -> type[ClientError]:
        return error_class(code)

    def __getattr__(self, name: str) -> type[ClientError]:
        if name.startswith("_"):
            raise AttributeError(name)
        return error_class(name)


class _Route(NamedTuple):
    """The way to one endpoint. `start` is the part of a request that is always the same."""

    pool: Pool
    signer: Signer
    start: str


class _Outcome(NamedTuple):
    """The outcome of one attempt: a response, decoded, or a failure that left none."""

    found: dict[str, Any]
    failure: Exception | None = None
    may_retry: bool = False


class Client:
    """A client of one service. Each operation of the service is a method, with the name that botocore gives it.

    `read_seconds` limits each wait for a part of a response, and `max_attempts` the attempts of a call. With
    `decodes=False`, results are `{"body": b"…", "ResponseMetadata": {…}}`, with the JSON as the service sent it.
    Parameters are not checked before they are sent. Any thread may use the client.

    Calls raise ClientError and botocore's errors of connections and credentials. An unreadable response raises
    HTTPClientError, because the call may have taken effect.
    """

    def __init__(
        self, service: str, *, read_seconds: float, max_attempts: int, connect_seconds: float = 1, decodes: bool = True
    ) -> None:
        """Raises NoRegionError, and botocore's errors of endpoints."""
        region = aws.region()
        if not region:
            raise NoRegionError
        self._service = SERVICES[service]
        self.meta = Meta(service, region, endpoint_url(self._service, region))
        self.exceptions = Exceptions()
        self.connect_seconds = connect_seconds
        self.read_seconds = read_seconds
        self.decodes = decodes
        self.retries = Retries(max_attempts)
        self._credentials = credential_source()
        self._routes: dict[str | None, _Route] = {}

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        if name.startswith("_"):
            raise AttributeError(name)
        operation = "".join(word.capitalize() for word in name.split("_"))

        def call(**parameters: Any) -> dict[str, Any]:
            return self._make_api_call(operation, parameters)

        setattr(self, name, call)  # found by the next call
        return call

    def _make_api_call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Makes a call, and shows it in X-Ray. PynamoDB and the tests know it by this name, which is botocore's."""
        return tracing.traced(self._call, self, operation, parameters)

    def _call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Makes a call, with its retries."""
        token = self._service.tokens.get(operation)
        if token and token not in parameters:
            parameters = {**parameters, token: str(uuid4())}
        body, trace = encode(parameters, has_binary=operation not in _READS), tracing.header()
        attempts, cost = 1, 0
        while True:
            found, failure, may_retry = self._attempt(operation, body, trace)
            flags = {}
            if attempts >= self.retries.max_attempts:
                flags["MaxAttemptsReached"] = True
            elif may_retry:
                retry_cost = self.retries.take(failure)
                if retry_cost:
                    if pause := pause_seconds(attempts, failure):
                        clock.sleep(pause)
                    attempts, cost = attempts + 1, retry_cost
                    continue
                flags["RetryQuotaReached"] = True
            break
        if failure:
            raise failure
        metadata = found["ResponseMetadata"]
        metadata |= flags | {"RetryAttempts": attempts - 1}
        if metadata["HTTPStatusCode"] >= 300:
            error = found["Error"]
            raise error_class(error.get("QueryErrorCode", error["Code"]))(found, operation)  # type: ignore[arg-type]
        self.retries.refund(cost)
        return found

    def _attempt(self, operation: str, body: bytes, trace: str | None) -> _Outcome:
        try:
            response = self._send(operation, body, trace)
            _check_sum(response)
        except (ConnectionError, HTTPClientError) as error:
            return _Outcome({}, error, may_retry=True)
        may_retry = False
        if response.status >= 300:
            found = decode_error(response)
            may_retry = response.status in STATUSES or found["Error"]["Code"] in CODES
        elif self.decodes:
            try:
                found = decode(response.body, has_items=self._service.name == "dynamodb")
            except ValueError as error:
                return _Outcome({}, HTTPClientError(error=error))
        else:
            found = {"body": response.body}
        metadata = {"HTTPStatusCode": response.status, "HTTPHeaders": response.headers}
        if "x-amzn-requestid" in response.headers:
            metadata["RequestId"] = response.headers["x-amzn-requestid"]
        found["ResponseMetadata"] = metadata
        return _Outcome(found, may_retry=may_retry)

    def _send(self, operation: str, body: bytes, trace: str | None) -> Response:
        credentials = self._credentials()
        account_id = credentials.account_id
        route = self._routes.get(account_id) or self._find_route(account_id)
        target = {"x-amz-target": f"{self._service.target}.{operation}", **self._service.headers}
        signed = route.signer.sign(target, body, credentials)
        traced = f"x-amzn-trace-id: {trace}\r\n" if trace else ""
        head = f"{route.start}{signed}{traced}content-length: {len(body)}\r\n\r\n"
        return route.pool.exchange(head.encode() + body, self.read_seconds)

    def _find_route(self, account_id: str | None) -> _Route:
        service, region = self._service, self.meta.region_name
        address = Address(endpoint_url(service, region, account_id) if account_id else self.meta.endpoint_url)
        start = (
            f"POST {address.path} HTTP/1.1\r\nhost: {address.authority}\r\ncontent-type: {service.content_type}\r\n"
            f"user-agent: oms/{settings().version}\r\naccept-encoding: identity\r\n"
        )
        signer = Signer(
            service.name, region, authority=address.authority, path=address.path, content_type=service.content_type
        )
        route = _Route(_pool(address.url, self.connect_seconds), signer, start)
        self._routes[account_id] = route
        return route


@cache
def _pool(url: str, connect_seconds: float) -> Pool:
    """Returns the connections to an endpoint, which all its clients share."""
    return Pool(Address(url), connect_seconds)


def _check_sum(response: Response) -> None:
    """Raises HTTPClientError if a response of DynamoDB was damaged on the way."""
    expected = response.headers.get("x-amz-crc32")
    if expected is not None and expected != str(actual := crc32(response.body)):
        raise HTTPClientError(
            error=ChecksumError(checksum_type="crc32", expected_checksum=expected, actual_checksum=str(actual))
        )
