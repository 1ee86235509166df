"""The filter pattern of CloudWatch Logs that selects the requests of a query.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from collections.abc import Iterable

from oms.request_log.models import MESSAGE
from oms.request_log.schemas import ListRequestsQuery


def pattern_of(query: ListRequestsQuery) -> str:
    """Returns the pattern. The types of the query's fields allow no character that has a meaning in a pattern."""
    conditions = [
        _is("message", [MESSAGE]),
        _is("key_id", query.key or ()),
        _any(_is(name, query.actor or ()) for name in ("user_id", "key_id")),
        _any(map(_has_status, query.status or ())),
        _is("method", query.method or ()),
        _is("path", [query.path] if query.path else ()),
        _is("operation", query.operation or ()),
        _is("request_id", [query.request_id] if query.request_id else ()),
    ]
    return f"{{ {' && '.join(filter(None, conditions))} }}"


def _is(name: str, values: Iterable[str]) -> str:
    return _any(f'$.{name} = "{value}"' for value in values)


def _has_status(status: str) -> str:
    if status.endswith("xx"):
        return f"($.status >= {status[0]}00 && $.status <= {status[0]}99)"
    return f"$.status = {status}"


def _any(conditions: Iterable[str]) -> str:
    found = [condition for condition in conditions if condition]
    return f"({' || '.join(found)})" if found else ""
