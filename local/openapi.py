"""The one OpenAPI document of all route groups: `python -m local.openapi` writes it, `--check` compares it.

Powertools makes a document of each resolver and merges them. What it cannot know of the protocol is added here, read
from the routes' own code where it can be: which headers a route takes and gives, and how any request can fail.
"""

import argparse
import ast
import importlib
import inspect
import json
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any, cast

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.api_gateway import Route
from aws_lambda_powertools.event_handler.openapi.merge import OpenAPIMerge
from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer, License
from pydantic import BaseModel

from oms.errors import OmsError
from oms.powertools import routes_of

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "functions" / "docs" / "openapi.json"
_BASE_PATH = "/api/v1/"

type Json = dict[str, Any]

_PARAMETERS: Json = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same key with the same body is carried out once, and answered as the first time.",
        "schema": {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$"},
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "description": "The ETag of the version that is to be changed; any other is refused with 412.",
        "schema": {"type": "string"},
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The ETag of the document that the client has: while it is the current one, the answer is 304.",
        "schema": {"type": "string"},
    },
}
_HEADERS: Json = {
    "ETag": {"description": "The version, in quotes", "schema": {"type": "string"}},
    "Location": {"description": "The path of what was created, or where to go on", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds after which to look or try again", "schema": {"type": "integer"}},
    "Idempotency-Replayed": {
        "description": "`true` where an earlier request with the same Idempotency-Key was the one carried out",
        "schema": {"type": "string", "const": "true"},
    },
    "RateLimit-Policy": {"description": 'Such as `"login";q=5;w=60`', "schema": {"type": "string"}},
    "RateLimit": {"description": 'Such as `"login";r=4;t=37`', "schema": {"type": "string"}},
}
# What a route uses of the protocol → what the document says of it.
_TAKES = {
    "api.idempotency_key": "IdempotencyKey",
    "api.version_check": "IfMatch",
    "api.public_document": "IfNoneMatch",
}
_GIVES = {
    "version=": ["ETag"],
    "location=": ["Location"],
    "replayed=": ["Idempotency-Replayed"],
    "retry_after=": ["Retry-After"],
    "api.public_document": ["ETag"],
    "api.show_allowance": ["RateLimit-Policy", "RateLimit"],
}
_SAYS = {"201": "Created", "202": "Accepted", "204": "Done", "303": "It is there"}


def merged() -> Json:
    """The document. Raises ValueError where two routes or two schemas of one name contradict each other."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    bearer = HTTPBearer(bearerFormat="JWT", description="The access token that a login answers")
    merge = OpenAPIMerge(
        title="Secure Order Management System",
        version=project["version"],
        description=project["description"],
        license_info=License(name="MIT", identifier="MIT"),
        security_schemes={"accessToken": bearer},
        on_conflict="error",
    )
    files = merge.discover(ROOT / "functions", ["handler.py", "passwords.py"], recursive=True)
    apps: list[APIGatewayHttpResolver] = [
        importlib.import_module(f"{file.parent.name}.{file.stem}").app for file in files
    ]
    for app in apps:
        app.configure_openapi(security_schemes={"accessToken": bearer})
    check_schema_names(json.loads(app.get_openapi_json_schema())["components"]["schemas"] for app in apps)
    document: Json = json.loads(merge.get_openapi_json_schema())
    components = document["components"]
    for app in apps:
        for route in documented(app):
            _complete(document["paths"][route.openapi_path][route.method.lower()], route, components["schemas"])
    _require_unique([operation["operationId"] for _, _, operation in operations(document)])
    _prune(document)
    _fill_responses(document)
    components |= {
        "parameters": _PARAMETERS,
        "headers": _HEADERS,
        "responses": {"Problem": _problem_response()},
    }
    components["schemas"]["Problem"] = _problem_schema()
    return document


def documented(app: APIGatewayHttpResolver) -> list[Route]:
    """Its routes without the pages for people."""
    return [route for route in routes_of(app) if route.include_in_schema]


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Each (path, method, operation)."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def check_schema_names(documents: Iterable[Json]) -> None:
    """Refuses a name that means two things: merging would keep the last and say nothing."""
    seen: Json = {}
    for schemas in documents:
        for name, schema in schemas.items():
            if seen.setdefault(name, schema) != schema:
                raise ValueError(f"the schema name {name} has two meanings")


def _complete(operation: Json, route: Route, schemas: Json) -> None:
    """Adds to a route's operation what its code says and Powertools does not see."""
    name = route.func.__name__
    operation["operationId"] = name if route.openapi_path.startswith(_BASE_PATH) else f"{name}_at_root"
    operation["summary"] = name.replace("_", " ").capitalize()
    if description := inspect.getdoc(route.func):
        operation["description"] = description
    operation["tags"] = [route.func.__module__.partition(".")[0]]

    used = protocol_used(cast(FunctionType, route.func))
    parameters = _described(operation.get("parameters", []), route, schemas)
    parameters += [{"$ref": f"#/components/parameters/{name}"} for use, name in _TAKES.items() if use in used]
    if parameters:
        operation["parameters"] = parameters
    if body := operation.get("requestBody"):
        schema = body["content"]["application/json"]["schema"]
        body["required"] = bool(schemas[_referred(schema)].get("required"))

    responses = operation["responses"]
    # Powertools' own answers to invalid requests and responses: here they are problems like all others.
    success = {status: answer for status, answer in responses.items() if status < "400"}
    for status, answer in success.items():
        headers = [header for use, given in _GIVES.items() if use in used for header in given]
        if headers:
            answer["headers"] = {header: {"$ref": f"#/components/headers/{header}"} for header in headers}
        answer["description"] = _SAYS.get(status, "The answer")
        if answer["content"]["application/json"]["schema"].get("type") == "null":
            del answer["content"]
    if "api.public_document" in used:
        tag = {"ETag": {"$ref": "#/components/headers/ETag"}}
        success["304"] = {"description": "The client has the current document", "headers": tag}
    operation["responses"] = success | {"default": {"$ref": "#/components/responses/Problem"}}


def protocol_used(function: FunctionType) -> set[str]:
    """What a route's code uses of the protocol, itself or through functions of its module.

    `api.version_check` for a name, `version=` for a keyword of an answer.
    """
    used: set[str] = set()
    for node in ast.walk(ast.parse(inspect.getsource(function))):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name("api")), keywords=keywords):
                used |= {f"{keyword.arg}=" for keyword in keywords}
            case ast.Attribute(value=ast.Name(module), attr=name):
                used.add(f"{module}.{name}")
            case ast.Name(name):
                other = function.__globals__.get(name)
                if isinstance(other, FunctionType) and other.__module__ == function.__module__:
                    used |= protocol_used(other)
    return used


def _described(parameters: list[Json], route: Route, schemas: Json) -> list[Json]:
    """Powertools gives the fields of a query model their basic types; the model's schema says all of it."""
    models = [parameter.field_info.annotation for parameter in route.dependant.query_params]
    fields: Json = {}
    for model in models:
        if isinstance(model, type) and issubclass(model, BaseModel):
            fields |= schemas[model.__name__]["properties"]
    for_managers = (route.openapi_extensions or {}).get("x-manager-parameters", ())
    for parameter in parameters:
        if parameter["name"] in fields:
            parameter["schema"] = _never_null(fields[parameter["name"]])
        if parameter["name"] in for_managers:
            parameter["description"] = "For managers and admins"
    return parameters


def _never_null(schema: Json) -> Json:
    """A query parameter is absent, not null."""
    kept = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    return kept[0] if len(kept) == 1 else schema


def _referred(schema: Json) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def references(node: Any) -> set[str]:
    """Every `$ref` in a part of the document."""
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(references(inner) for inner in node.values()))
    return set().union(*(references(inner) for inner in node)) if isinstance(node, list) else set()


def _reached(start: Any, schemas: Json) -> set[str]:
    """Names of the schemas that a part of the document leads to."""
    found: set[str] = set()
    pending = references(start)
    while pending:
        name = pending.pop().rpartition("/")[2]
        if name in schemas and name not in found:
            found.add(name)
            pending |= references(schemas[name])
    return found


def _prune(document: Json) -> None:
    schemas = document["components"]["schemas"]
    reached = _reached(document["paths"], schemas)
    document["components"]["schemas"] = {name: schemas[name] for name in sorted(reached)}


def _fill_responses(document: Json) -> None:
    """Every documented field of an answer is always there, defaults or not."""
    schemas = document["components"]["schemas"]
    answers = [operation["responses"] for _, _, operation in operations(document)]
    for name in _reached(answers, schemas):
        if properties := schemas[name].get("properties"):
            schemas[name]["required"] = list(properties)


def _require_unique(names: list[str]) -> None:
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ValueError(f"route functions share the names {sorted(repeated)}")


def error_types(root: type[OmsError] = OmsError) -> list[type[OmsError]]:
    """The whole tree of errors."""
    return [root, *(found for child in root.__subclasses__() for found in error_types(child))]


def _problem_response() -> Json:
    reference = {"$ref": "#/components/schemas/Problem"}
    return {"description": "A refusal (RFC 9457)", "content": {"application/problem+json": {"schema": reference}}}


def _problem_schema() -> Json:
    text = {"type": "string"}
    place = {"type": "string", "description": "Exactly one of pointer, parameter and header says where"}
    error = {
        "type": "object",
        "properties": {"pointer": place, "parameter": place, "header": place, "detail": text},
        "required": ["detail"],
        "minProperties": 2,
        "maxProperties": 2,
    }
    codes = sorted({error.code for error in error_types()})
    properties: Json = {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "description": "Where the problem is explained: a page of this API. Tell problems apart by `code`.",
        },
        "title": text,
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": text,
        "instance": {"type": "string", "format": "uri-reference", "description": "The path that was asked for"},
        "code": {"type": "string", "enum": codes, "description": "Stable: tell problems apart by it"},
        "request_id": text,
    }
    required = list(properties)
    properties["errors"] = {"type": "array", "minItems": 1, "items": error, "description": "What is wrong, for 422"}
    return {"type": "object", "title": "Problem", "properties": properties, "required": required}


def text() -> str:
    return json.dumps(merged(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes the merged OpenAPI document from the routes.")
    parser.add_argument("--check", action="store_true", help="only compare; fail where the committed one is stale")
    if not parser.parse_args().check:
        DOCUMENT.write_text(text())
        print(f"{DOCUMENT.relative_to(ROOT)} is written")
    elif DOCUMENT.read_text() != text():
        raise SystemExit("The OpenAPI document is stale: run `make openapi` and commit it.")


if __name__ == "__main__":
    main()
