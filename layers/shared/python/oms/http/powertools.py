"""The only module that uses private names of Powertools: `_static_routes`, `_dynamic_routes` and
`_response_validation_middleware` of a resolver, and `_route` of its context.

Powertools has no public list of a resolver's routes, and no option for the encoding of responses.
`tests/unit/test_private_names.py` fails if the names, or the order in which the resolver tries the routes, change, and
`tests/unit/http/test_response_encoding.py` if responses are not encoded here.
"""

from collections.abc import Callable
from functools import cache
from itertools import count
from typing import Any, cast

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, ApiGatewayResolver, Response
from aws_lambda_powertools.event_handler.api_gateway import Route
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.event_handler.middlewares.openapi_validation import OpenAPIResponseValidationMiddleware
from aws_lambda_powertools.event_handler.openapi.exceptions import ResponseValidationError
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_json

from oms.core.schemas import Shown
from oms.core.settings import settings


def routes_by_precedence(app: APIGatewayHttpResolver) -> tuple[list[Route], list[Route]]:
    """Returns the routes without variables in their paths, which the resolver tries first, and those with variables."""
    return app._static_routes, app._dynamic_routes


def routes_of(app: APIGatewayHttpResolver) -> list[Route]:
    """Returns all routes, in the order in which the resolver tries them."""
    fixed, variable = routes_by_precedence(app)
    return [*fixed, *variable]


class JsonText(str):
    """The JSON of a response's content whose class has been checked."""


class ResponseEncoder(OpenAPIResponseValidationMiddleware):
    """Encodes a route's response in one step, as the class that the route declares.

    Powertools' own middleware converts the model to a dictionary, which the resolver encodes then. Other
    content, such as a public document, is left to Powertools.
    """

    def handler(self, app: ApiGatewayResolver, next_middleware: NextMiddleware) -> Response[Any]:
        route = app.context["_route"]
        response = next_middleware(app)
        if isinstance(response.body, BaseModel | Shown):
            response.body = encode(route.dependant.return_param.type_, response.body)
        elif not isinstance(response.body, JsonText):
            app.append_context(_route=route)  # a request within this one, as tests of races make, has cleared it
            return super().handler(app, cast(NextMiddleware, lambda _: response))
        return response


def encode(declared: Any, content: BaseModel | Shown[Any]) -> JsonText:
    """Returns the JSON of the fields of the declared class. A subclass may have others, which must not be shown.

    The object of a model must be of that class. Of the responses that are only `Shown`, a sample is compared with the
    class. Raises ResponseValidationError.
    """
    if isinstance(content, BaseModel):
        return JsonText(_by_schema(declared, content).decode())
    text = to_json(content)
    if next(_unchecked) % settings().response_check_every == 0 and text != _by_schema(declared, text):
        error = {"loc": ("response",), "type": "differs_from_schema"}
        raise ResponseValidationError(errors=[error], body=content, source="app")
    return JsonText(text.decode())


def _by_schema(declared: Any, content: BaseModel | bytes) -> bytes:
    """Returns an object, or JSON, as the declared class writes it. Raises ResponseValidationError."""
    adapter = _adapter(declared)
    try:
        valid = adapter.validate_json(content) if isinstance(content, bytes) else adapter.validate_python(content)
    except ValidationError as error:
        raise ResponseValidationError(errors=error.errors(), body=content, source="app") from error
    return adapter.dump_json(valid, by_alias=True)


_unchecked = count(1)
_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)


def encode_responses(app: APIGatewayHttpResolver) -> None:
    """Replaces Powertools' validation of responses by `ResponseEncoder`."""
    app._response_validation_middleware = ResponseEncoder(has_response_validation_error=True)
