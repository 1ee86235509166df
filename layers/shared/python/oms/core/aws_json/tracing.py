"""The trace of a call: its subsegment, which the X-Ray SDK makes as for botocore's clients, and its header."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from oms.core.settings import aws_variable

# Lambda's variable with the trace of the current request.
_TRACE = "_X_AMZN_TRACE_ID"
# The SDK's recorder; None if calls are not shown.
_recorder: Any = None


def trace_calls() -> None:
    """Lets X-Ray show all later calls of the process that belong to a sampled request."""
    from aws_xray_sdk.core import xray_recorder

    global _recorder
    _recorder = xray_recorder


def trace_botocore() -> None:
    """Lets X-Ray show the calls of botocore's clients too, if it shows calls."""
    if _recorder:
        from aws_xray_sdk.core import patch

        patch(("botocore",))


def traced(
    call: Callable[[str, dict[str, Any]], dict[str, Any]], client: Any, operation: str, parameters: dict[str, Any]
) -> dict[str, Any]:
    """Makes a call, and sends its subsegment to X-Ray.

    Other requests are not sampled: for them the SDK would do the same work, and send nothing.
    """
    if sampled_entity() is None:
        return call(operation, parameters)
    from aws_xray_sdk.ext.boto_utils import aws_meta_processor

    result: dict[str, Any] = _recorder.record_subsegment(
        call,
        client,
        (operation, parameters),
        {},
        name=client.meta.service_name,
        namespace="aws",
        meta_processor=aws_meta_processor,
    )
    return result


def header() -> str | None:
    """Returns the value of X-Amzn-Trace-Id: the subsegment, else the function's trace.

    By the second, Lambda finds functions that call each other for ever. botocore sends it too.
    """
    entity = sampled_entity()
    if entity is not None:
        from aws_xray_sdk.ext.util import inject_trace_header

        headers: dict[str, str] = {}
        inject_trace_header(headers, entity)
        return next(iter(headers.values()))
    trace = aws_variable(_TRACE) if aws_variable("AWS_LAMBDA_FUNCTION_NAME") else None
    return quote(trace, safe="-=;:+&[]{}\"',") if trace else None


def trace_id() -> str | None:
    """Returns the id of Lambda's trace of the current request."""
    trace = aws_variable(_TRACE)
    return trace.partition(";")[0].removeprefix("Root=") if trace else None


def sampled_entity() -> Any:
    """Returns the current segment or subsegment of a sampled request, else None."""
    entity = _recorder.get_trace_entity() if _recorder else None
    return entity if entity and entity.sampled else None
