"""The whole document: merged from the resolvers' documents, completed, ordered, and as text."""

import importlib
import json
import tomllib
from collections.abc import Iterable, Iterator
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.api_gateway import Route
from aws_lambda_powertools.event_handler.openapi.merge import OpenAPIMerge
from aws_lambda_powertools.event_handler.openapi.models import APIKey, APIKeyIn, HTTPBearer, SecurityScheme

from local.openapi import events, schemas
from local.openapi.operations import PARAMETERS, complete, tag_of
from local.openapi.paths import FUNCTIONS, ROOT, Json
from local.openapi.responses import HEADERS, components
from oms.http.cookies import REFRESH_TOKEN
from oms.http.powertools import routes_of

_OVERVIEW = ROOT / "local" / "openapi" / "overview.md"
_SECURITY: dict[str, SecurityScheme] = {
    "accessToken": HTTPBearer(
        bearerFormat="JWT",
        description="The `access_token` of `POST /api/v1/auth/login`, valid for `expires_in` seconds.",
    ),
    "serviceKey": HTTPBearer(
        bearerFormat="oms_<stage>_<id>_<secret>",
        description="The `key` of `POST /api/v1/admin/keys`, in place of an access token. It needs the scope that the "
        "operation names.",
    ),
    "refreshCookie": APIKey(
        name=REFRESH_TOKEN,
        in_=APIKeyIn.cookie,
        description="The refresh token in a cookie, which `POST /api/v1/auth/login` sets for pages of the API's own "
        'origin if the request has `"refresh_token_in": "cookie"`.',
    ),
}
_INFO: Json = {
    "title": "Secure Order Management System",
    "summary": "Orders, and stock that is never sold twice.",
    "contact": {"name": "The operator of this deployment"},
    "license": {"name": "MIT", "identifier": "MIT"},
}
_SERVERS = [
    {"url": "/", "description": "The deployment that serves this document."},
    {"url": "http://localhost:5000", "description": "The local cloud, as `make up` starts it."},
]
# The tags in the order of the rendered page.
TAGS = {
    "auth": "Accounts and sessions: register, sign in, refresh and revoke tokens, recover a password.",
    "inventory": "Products, their stock, and their categories.",
    "orders": "Orders: price, place and read them, and move them from `pending` to `delivered`, `returned` or "
    "`cancelled`.",
    "reports": "Sales and inventory figures, their export to files, and schedules that mail exports.",
    "imports": "Files whose rows create and change products, prices and stock.",
    "webhooks": "Subscriptions that receive events by HTTP, their deliveries, and replays.",
    "events": "The event feed: the events of webhooks except `webhook.test`, in order, for 90 days.",
    "shop": "The shop itself: its name, currency and time zone.",
    "admin": "For admins: users and their roles, service keys, the audit log, the stock check and statistics.",
    "docs": "Public documents of the deployment: health, this document, the event catalogue and the public keys.",
}


def merged() -> Json:
    """Returns the document. Raises ValueError if two routes or two schemas have the same name but differ."""
    merge = OpenAPIMerge(title=_INFO["title"], version="", security_schemes=_SECURITY, on_conflict="error")
    files = merge.discover(FUNCTIONS, ["handler.py", "passwords.py"], recursive=True)
    apps: list[APIGatewayHttpResolver] = [
        importlib.import_module(f"{file.parent.name}.{file.stem}").app for file in files
    ]
    for app in apps:
        app.configure_openapi(security_schemes=_SECURITY)
    check_schema_names(json.loads(app.get_openapi_json_schema())["components"]["schemas"] for app in apps)
    found: Json = json.loads(merge.get_openapi_json_schema())
    routes = sorted((route for app in apps for route in documented(app)), key=_order)
    paths: Json = {}
    for route in routes:
        operation = found["paths"][route.openapi_path][route.method.lower()]
        complete(operation, route, found["components"]["schemas"])
        paths.setdefault(route.openapi_path, {})[route.method.lower()] = operation
    document: Json = {
        "openapi": found["openapi"],
        "info": _info(),
        "servers": _SERVERS,
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": found["components"]["schemas"],
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "securitySchemes": found["components"]["securitySchemes"],
        },
    }
    _require_unique([operation["operationId"] for _, _, operation in operations(document)])
    components(document)
    schemas.complete(document)
    events.add(document)
    return document


def documented(app: APIGatewayHttpResolver) -> list[Route]:
    """Returns the resolver's routes, except pages for browsers."""
    return [route for route in routes_of(app) if route.include_in_schema]


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Yields each (path, method, operation)."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def check_schema_names(documents: Iterable[Json]) -> None:
    """Raises ValueError if two different schemas have the same name. The merge would silently keep the last one."""
    seen: Json = {}
    for found in documents:
        for name, schema in found.items():
            if seen.setdefault(name, schema) != schema:
                raise ValueError(f"the schema name {name} has two meanings")


def references(node: Any) -> set[str]:
    """Returns every `$ref` in a part of the document."""
    return schemas.references(node)


def text() -> str:
    return json.dumps(merged(), indent=2, ensure_ascii=False) + "\n"


def _info() -> Json:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return _INFO | {"description": _OVERVIEW.read_text(), "version": version}


def _order(route: Route) -> tuple[Any, ...]:
    """Returns the sort key: by tag, then by order in the module. Routes at the root come last."""
    module = route.func.__module__
    tag = list(TAGS).index(tag_of(route.openapi_path))
    at_root = not route.openapi_path.startswith("/api/")
    return tag, module != "auth.passwords", at_root, route.func.__code__.co_firstlineno


def _require_unique(names: list[str]) -> None:
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ValueError(f"route functions share the names {sorted(repeated)}")
