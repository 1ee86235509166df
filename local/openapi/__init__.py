"""The one OpenAPI document of all route groups: `python -m local.openapi` writes it, `--check` compares it.

Powertools makes a document of each resolver and merges them. What it cannot know of the protocol is added here, read
from the routes' own code where it can be.

    document    the whole: merged, completed, and as text
    operations  what is said of a route: texts, who may call it, parameters, headers
    failures    which errors a route can raise, read from its code
    responses   the answers to failures: headers, problems and their codes
    schemas     what pydantic's schemas lack or say too much of
    events      `webhooks`: what subscribers receive
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
