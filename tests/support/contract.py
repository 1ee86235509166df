"""Compares each answer that a test gets with the served OpenAPI document: its status, its headers and its body.

`tests.support.invocation` calls it for every request to a handler, and the integration tests' HTTP clients for every
response of the local cloud. The document is read more strictly than clients should read it: an object has the fields
that are documented and no others, a header that is not listed in `_UNDOCUMENTED` has to be declared.

Statuses that are documented and never seen are a report only, as no suite makes each queue fail behind each route:
`RECORD_ANSWERS=<folder>` keeps the responses of a run, `python -m tests.support.contract <folder>` lists the statuses
and the codes of problems that are declared and were not seen.
"""

import json
import os
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema_rs

DOCUMENT = Path(__file__).parents[2] / "functions/docs/openapi.json"
_BASE = "urn:openapi"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
# Headers of every HTTP server, which no client of the API needs.
_UNDOCUMENTED = re.compile(
    "cache-control|connection|content-.*|date|keep-alive|server|strict-transport-security|transfer-encoding|vary|"
    "x-content-type-options|access-control-.*|apigw-.*|x-amz.*"
)
# Pages for people, and the files that they load, are not operations.
_PAGES = re.compile("(/api/v1)?/docs(/[^/]+)?")
_OF_PAGES = re.compile("text/(html|css|javascript)(;.*)?")
_PROBLEM = "application/problem+json"
# A refusal is this system's or the gateway's; the document has both in one schema, for generators of clients.
_REFUSALS = {_PROBLEM: "#/components/schemas/Problem", "application/json": "#/components/schemas/GatewayProblem"}
# The codes of refusals of requests that match no operation.
_GENERIC = {
    404: {"not-found"},
    405: {"method-not-allowed"},
    422: {"validation-failed"},  # a query of a page
    429: {"too-many-requests"},
    500: {"internal-error"},
    503: {"unavailable"},
}
_NEEDED = {405: "allow", 429: "retry-after", 503: "retry-after"}

type Json = dict[str, Any]

# The statuses that were answered, with the codes of problems, by operation: `200`, `409 insufficient-stock`.
seen: dict[str, set[str]] = {}


def check(method: str, path: str, status: int, headers: Mapping[str, str], text: str) -> None:
    """Raises AssertionError if the document does not describe the answer to a request."""
    named = {name.lower(): value for name, value in headers.items()}
    page = _PAGES.fullmatch(path) and status in (200, 304)
    faults = list(_faults_of_page(status, named) if page else _faults(method, path, status, named, text))
    assert not faults, f"{method} {path} → {status} differs from the document: {'; '.join(faults)}\n{text[:2000]}"


def _faults_of_page(status: int, headers: Mapping[str, str]) -> Iterator[str]:
    if status == 200 and not _OF_PAGES.fullmatch(headers.get("content-type", "")):
        yield f"the content type {headers.get('content-type')} is none of a page"


def _faults(method: str, path: str, status: int, headers: Mapping[str, str], text: str) -> Iterator[str]:
    place, response = _documented(method, path, status, _code(text))
    if response is None:
        yield "the status is not declared"
        return
    declared = {name.lower(): _resolved(header) for name, header in response.get("headers", {}).items()}
    for name in headers.keys() - declared.keys():
        if not _UNDOCUMENTED.fullmatch(name):
            yield f"the header {name} is not declared"
    for name, header in declared.items():
        if name in headers:
            yield from (f"the header {name}: {it}" for it in _faults_of_header(headers[name], header["schema"]))
        elif header.get("required"):
            yield f"the header {name} is missing"
    media_type = headers.get("content-type", "").partition(";")[0].strip()
    if media_type == _PROBLEM:
        for name in ("x-request-id", *([_NEEDED[status]] if status in _NEEDED else [])):
            if name not in headers:
                yield f"the header {name} is missing"
    if method == "HEAD":
        if text:
            yield "there is a body"
        return
    yield from _faults_of_body(place, status, response.get("content", {}), media_type, text)
    if media_type == _PROBLEM:
        yield from _faults_of_problem(status, _codes(response) or _GENERIC.get(status, set()), text)


def _faults_of_problem(status: int, codes: Collection[str], text: str) -> Iterator[str]:
    try:
        problem = json.loads(text)
    except ValueError:
        return  # seen already
    if "code" in problem and problem["code"] not in codes:
        yield f"the code {problem['code']} is none of {', '.join(sorted(codes)) or 'this status'}"
    if "status" in problem and problem["status"] != status:
        yield f"the body says the status {problem['status']}"


def _faults_of_body(place: str, status: int, content: Json, media_type: str, text: str) -> Iterator[str]:
    if not content:
        if text:
            yield "there is a body, and none is declared"
        return
    if media_type not in content:
        yield f"the content type {media_type} is not declared"
        return
    schema = f"{place}/content/{_escaped(media_type)}/schema"
    validator = _validator(_REFUSALS[media_type] if status >= 400 else schema)
    try:
        body = json.loads(text)
    except ValueError as error:
        yield f"the body is not JSON: {error}"
        return
    if not validator.is_valid(body):
        for error in validator.iter_errors(body):
            yield f"#/{'/'.join(map(str, error.instance_path))}: {error.message}"


def _code(text: str) -> str | None:
    """Returns the code of the problem that the body has."""
    found = re.search(r'"code": ?"([a-z-]+)"', text) if text.startswith("{") else None
    return found and found[1]


def _documented(method: str, path: str, status: int, code: str | None) -> tuple[str, Json | None]:
    """Returns the response object and the pointer to it; those of `default` if the request matches no operation."""
    name = "get" if method == "HEAD" else method.lower()
    template = next((template for template, pattern in _paths() if pattern.fullmatch(path)), None)
    if template is not None:
        operation = _document()["paths"][template].get(name)
        if operation and not (method == "HEAD" and operation.get("x-head") is False):
            seen.setdefault(operation["operationId"], set()).add(_label(status, code if status >= 400 else None))
            place = f"#/paths/{_escaped(template)}/{name}/responses/{status}"
            return _followed(place, operation["responses"].get(str(status)))
    if status == 412 and _PAGES.fullmatch(path):
        return _followed("", {"$ref": "#/components/responses/StaleVersion"})
    return _followed("", {"$ref": "#/components/responses/Problem"} if status >= 400 else None)


def _followed(place: str, response: Json | None) -> tuple[str, Json | None]:
    if response and "$ref" in response:
        return response["$ref"], _resolved(response)
    return place, response


def _resolved(node: Json) -> Json:
    """Returns the node that a reference leads to."""
    if "$ref" not in node:
        return node
    place: Any = _document()
    for part in node["$ref"].removeprefix("#/").split("/"):
        place = place[part]
    return place


@cache
def _paths() -> list[tuple[str, re.Pattern[str]]]:
    """Returns fixed paths first, as they are never an id."""
    templates = sorted(_document()["paths"], key=lambda template: ("{" in template, template))
    return [(template, re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template)))) for template in templates]


@cache
def _document() -> Json:
    return _closed(json.loads(DOCUMENT.read_text()))


def _closed(node: Any) -> Any:
    """Returns the schema, whose objects have no other fields than the documented ones."""
    if isinstance(node, list):
        return [_closed(it) for it in node]
    if not isinstance(node, dict):
        return node
    closed = {name: _closed(it) for name, it in node.items()}
    if isinstance(node.get("properties"), dict) and node.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


@cache
def _registry() -> Any:
    return jsonschema_rs.Registry([(_BASE, {"$schema": _DIALECT, **_document()})])


@cache
def _validator(pointer: str) -> Any:
    """Of a schema in the document; compiled once."""
    schema = {"$ref": f"{_BASE}{quote(pointer, safe='#/~')}"}
    return jsonschema_rs.Draft202012Validator(schema, registry=_registry(), validate_formats=True)


@cache
def _header_validator(schema: str) -> Any:
    return jsonschema_rs.Draft202012Validator(json.loads(schema), validate_formats=True)


def _faults_of_header(value: str, schema: Json) -> Iterator[str]:
    read: str | int = int(value) if schema["type"] == "integer" and value.isdecimal() else value
    yield from (error.message for error in _header_validator(json.dumps(schema)).iter_errors(read))


class RecordedAnswers:
    """A plugin of pytest that stores, for each process of a run, the statuses that were seen."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def pytest_sessionfinish(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"{os.getpid()}.json"
        file.write_text(json.dumps({name: sorted(answers) for name, answers in seen.items()}))


def unseen(folder: Path) -> dict[str, list[str]]:
    """Returns by operation the declared statuses and codes that no process of the run has seen."""
    found: dict[str, set[str]] = {}
    for file in folder.glob("*.json"):
        for name, answers in json.loads(file.read_text()).items():
            found.setdefault(name, set()).update(answers)
    operations = [it for methods in _document()["paths"].values() for it in methods.values()]
    declared = {it["operationId"]: list(_declared(it)) for it in operations}
    return {
        name: left
        for name, answers in declared.items()
        if (left := [it for it in answers if it not in found.get(name, ())])
    }


def _declared(operation: Json) -> Iterator[str]:
    """Yields the answers of an operation except 429 and 5xx, which are also the gateway's own."""
    for status, response in operation["responses"].items():
        if status.isdecimal() and status not in ("429", "500", "503"):
            yield from (_label(int(status), code) for code in _codes(_resolved(response)) or [None])


def _codes(response: Json) -> list[str]:
    """Returns the codes of problems in a response's description; none for the text of `default`."""
    return re.findall(r"^(?:- )?`([a-z-]+)`[:,]", response["description"], re.MULTILINE)


def _label(status: int, code: str | None) -> str:
    return f"{status} {code}" if code else str(status)


if __name__ == "__main__":
    for name, answers in unseen(Path(sys.argv[1])).items():
        print(f"{name}: {', '.join(answers)}")
