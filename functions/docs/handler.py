"""What the API says of itself, and the answer to every path that no route group has."""

import json
from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from docs import pages
from oms import api
from oms.api import PUBLIC
from oms.identity import keyring
from oms.schemas import Response as ResponseSchema
from oms.serving import RESOLVER_OPTIONS, serve
from oms.settings import settings

app = APIGatewayHttpResolver(**RESOLVER_OPTIONS)

_OPENAPI = Path(__file__).with_name("openapi.json")
# Seconds for which caches may keep the public documents.
_MAX_AGE = 300
_EVENTS = Path(__file__).with_name("event-catalogue.json")


class HealthResponse(ResponseSchema):
    status: str
    version: str


@app.get("/health", **PUBLIC)
@app.get("/api/v1/health", **PUBLIC)
def get_health() -> Response[HealthResponse]:
    return api.ok(HealthResponse(status="ok", version=settings().version))


@app.get("/openapi.json", **PUBLIC)
@app.get("/api/v1/openapi.json", **PUBLIC)
def get_openapi() -> Response[dict[str, Any]]:
    return api.public_document(json.loads(_OPENAPI.read_text()), max_age=_MAX_AGE)


@app.get("/event-catalogue", **PUBLIC)
@app.get("/api/v1/event-catalogue", **PUBLIC)
def get_event_catalogue() -> Response[dict[str, Any]]:
    """Each type of event: what it says, who may have it, its JSON Schema, and a sample."""
    return api.public_document(json.loads(_EVENTS.read_text()), max_age=_MAX_AGE)


@app.get("/.well-known/jwks.json", **PUBLIC)
@app.get("/api/v1/.well-known/jwks.json", **PUBLIC)
def get_jwks() -> Response[dict[str, Any]]:
    jwks = keyring.public_jwks()
    # That there is none yet is not to be remembered.
    return api.public_document(jwks, max_age=_MAX_AGE if jwks["keys"] else None)


# Pages for people are no operations: the document leaves them out.
_PAGE: dict[str, Any] = {**PUBLIC, "include_in_schema": False}


@app.get("/docs", **_PAGE)
@app.get("/api/v1/docs", **_PAGE)
def get_reference_page() -> Response[str]:
    return pages.reference()


@app.get("/docs/errors", **_PAGE)
@app.get("/api/v1/docs/errors", **_PAGE)
def get_error_page() -> Response[str]:
    return pages.errors()


@app.get("/docs/<name>", **_PAGE)
@app.get("/api/v1/docs/<name>", **_PAGE)
def get_page_file(name: str) -> Response[str]:
    return pages.file(name)


lambda_handler = serve(app)
