"""Public documents of the API: health, OpenAPI, event catalogue and keys. It also responds to unknown paths."""

import json
from pathlib import Path
from typing import Any, Literal

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from pydantic import ConfigDict, Field

from docs import pages
from oms.core.schemas import NextCursor
from oms.core.schemas import Response as ResponseSchema
from oms.core.settings import settings
from oms.http import api
from oms.http.access_rules import PUBLIC
from oms.http.serving import RESOLVER_OPTIONS, serve
from oms.identity import keyring

app = APIGatewayHttpResolver(**RESOLVER_OPTIONS)

_OPENAPI = Path(__file__).with_name("openapi.json")
# Seconds for which caches may keep the public documents.
_MAX_AGE_SECONDS = 300
_EVENTS = Path(__file__).with_name("event-catalogue.json")


class HealthResponse(ResponseSchema):
    """The health of the API."""

    status: Literal["ok"] = Field(description="Always `ok`.")
    version: str = Field(description="The deployed version.", examples=["0.1.0"])


class JsonWebKey(ResponseSchema):
    """A public key on an elliptic curve (RFC 7517)."""

    kty: Literal["EC"] = Field(description="The kind of key.")
    crv: Literal["P-256"] = Field(description="The curve.")
    x: str = Field(
        description="The x coordinate, in base64url.", examples=["f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"]
    )
    y: str = Field(
        description="The y coordinate, in base64url.", examples=["x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"]
    )
    kid: str = Field(description="The id of the key, as in the header of a token.", examples=["2026-01-31-a"])
    use: Literal["sig"] = Field(description="The use of the key: signatures.")
    alg: Literal["ES256"] = Field(description="The algorithm of the signatures.")


class JsonWebKeySet(ResponseSchema):
    """The public keys (RFC 7517)."""

    keys: list[JsonWebKey] = Field(description="The current, previous and next keys that sign access tokens.")


class EventTypeResponse(ResponseSchema):
    """An event type."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    type: str = Field(description="The name of the type.", examples=["order.created"])
    description: str = Field(description="When it is published.", examples=["An order was placed."])
    role: Literal["manager", "admin"] = Field(description="The lowest role that may receive it.")
    schema_: dict[str, Any] = Field(
        alias="schema", description="The JSON Schema of the events of this type.", examples=[{"type": "object"}]
    )
    sample: dict[str, Any] = Field(description="An event of this type.", examples=[{"type": "order.created"}])


class EventCatalogue(ResponseSchema):
    """All event types."""

    items: list[EventTypeResponse] = Field(description="The event types.")
    next_cursor: NextCursor


@app.get("/health", **PUBLIC)
@app.get("/api/v1/health", **PUBLIC)
def get_health() -> Response[HealthResponse]:
    """Check that the API is up.

    Responds 200 without reading a table.
    """
    return api.ok(HealthResponse(status="ok", version=settings().version))


@app.get("/openapi.json", **PUBLIC)
@app.get("/api/v1/openapi.json", **PUBLIC)
def get_openapi() -> Response[dict[str, Any]]:
    """Get this document.

    Returns the OpenAPI document of the whole API.
    """
    return api.public_document(json.loads(_OPENAPI.read_text()), max_age=_MAX_AGE_SECONDS)


@app.get("/event-catalogue", **PUBLIC)
@app.get("/api/v1/event-catalogue", **PUBLIC)
def get_event_catalogue() -> Response[EventCatalogue]:
    """Get the event catalogue.

    Lists each event type with its description, the role that may receive it, its JSON Schema and a sample.
    """
    return api.public_document(json.loads(_EVENTS.read_text()), max_age=_MAX_AGE_SECONDS)


@app.get("/.well-known/jwks.json", **PUBLIC)
@app.get("/api/v1/.well-known/jwks.json", **PUBLIC)
def get_jwks() -> Response[JsonWebKeySet]:
    """Get the public keys.

    Returns the keys that verify access tokens (RFC 7517).
    """
    jwks = keyring.public_jwks()
    # Caches must not keep an empty set: keys are created soon after the first deployment.
    return api.public_document(jwks, max_age=_MAX_AGE_SECONDS if jwks["keys"] else None)


# The OpenAPI document leaves out pages for people.
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
