"""The OpenAPI document of all route groups: `python -m local.openapi` writes it, `--check` compares it.

Powertools generates a document for each resolver and merges them. This package adds the rest of the protocol, mostly
from the routes' own code.

    document    the whole document: merged, completed, and as text
    operations  the operations of routes: texts, access, parameters, headers
    failures    the errors that a route can raise, found in its code
    responses   the responses to failures: headers, problems and their codes
    schemas     corrections of pydantic's schemas
    events      `webhooks`: the events that subscribers receive
    overview.md `info.description`: the protocol in a page
"""

from local.openapi.document import check_schema_names, documented, merged, operations, references, text
from local.openapi.operations import protocol_used
from local.openapi.paths import DOCUMENT
from local.openapi.problem import error_types

__all__ = [
    "DOCUMENT",
    "check_schema_names",
    "documented",
    "error_types",
    "merged",
    "operations",
    "protocol_used",
    "references",
    "text",
]
