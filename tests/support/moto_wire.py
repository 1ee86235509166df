"""moto as the AWS of `oms.core.aws_json`: it knows only botocore's requests, so these requests are given to it as such.

Each request is also checked against botocore's model of the service, because the client checks no parameters.
"""

import json
from functools import cache
from typing import Any

import botocore.session
from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from moto.core.models import botocore_stubber

from oms.core.aws_json.connections import Pool, Response

_exchange = Pool.exchange


def answer_by_moto() -> None:
    """From now on, moto answers the requests to AWS; not those to servers of this machine."""
    Pool.exchange = _answer  # type: ignore[method-assign]


def _answer(pool: Pool, message: bytes, read_seconds: float) -> Response:
    url = pool.address.url
    if not url.endswith(".amazonaws.com"):
        return _exchange(pool, message, read_seconds)
    head, _, body = message.partition(b"\r\n\r\n")
    headers = HTTPHeaders()
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(": ")
        headers[name] = value
    service = url.split("/")[2].split(".")[0]
    _check(service, headers["x-amz-target"].rpartition(".")[2], json.loads(body))
    request = AWSPreparedRequest("POST", f"{url}/", headers, body, stream_output=False)
    answered = botocore_stubber.process_request(request)
    assert answered is not None, f"moto has no {service}"
    status, answer_headers, answer_body = answered
    text = answer_body.encode() if isinstance(answer_body, str) else answer_body
    return Response(status, {name.lower(): str(value) for name, value in answer_headers.items()}, text)


def _check(service: str, operation: str, parameters: dict[str, Any]) -> None:
    shape = _model(service).operation_model(operation).input_shape
    report = ParamValidator().validate(parameters, shape)
    assert not report.has_errors(), f"{service}.{operation}: {report.generate_report()}"


@cache
def _model(service: str) -> ServiceModel:
    return botocore.session.Session().get_service_model(service)
