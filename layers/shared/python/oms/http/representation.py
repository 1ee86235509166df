"""The last step of an answer: conditional requests, compression, and what a status does not allow (RFC 9110).

Answers to GET alone are compressed. Those that show a secret (tokens, a webhook's secret) answer a POST, and no browser
adds the access token to another site's request, so the length of an answer says nothing to a stranger (BREACH).
"""

import base64
import gzip
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

# Below that, compression saves less than its header costs.
_WORTH_COMPRESSING = 1024
_TAG = re.compile(r'"[\x21\x23-\x7e]*"')


def complete(answer: dict[str, Any], request_headers: Mapping[str, str], method: str) -> dict[str, Any]:
    """The answer of a function, payload format 2.0, as it is sent. Names of the request's headers are lower-case.

    A HEAD has the body of a GET: the gateway sends the length of it and leaves the body out.
    """
    headers = answer["headers"]
    is_read = method in ("GET", "HEAD") and answer["statusCode"] == 200
    text = answer.get("body") or ""
    is_long = is_read and len(text) >= _WORTH_COMPRESSING
    if is_long:
        headers["Vary"] = "Accept-Encoding"
    # A 304 has the Vary, ETag and Cache-Control of the 200 (section 15.4.5).
    if is_read and _is_document(headers) and _names(request_headers.get("if-none-match", ""), headers["ETag"]):
        return {**answer, "statusCode": 304, "headers": _without(headers, "Content-Type"), "body": ""}
    if not text or answer["statusCode"] in (204, 304):
        return {**answer, "headers": _without(headers, "Content-Type"), "body": ""}
    if is_long and accepts_gzip(request_headers.get("accept-encoding", "")):
        headers["Content-Encoding"] = "gzip"
        pack = _packed_document if _is_document(headers) else _packed
        return {**answer, "body": pack(text), "isBase64Encoded": True}
    return answer


def _packed(text: str) -> str:
    return base64.b64encode(gzip.compress(text.encode(), 6, mtime=0)).decode()


# Public documents are few and large, and stay in memory compressed; private answers do not.
_packed_document = lru_cache(maxsize=16)(_packed)


def _is_document(headers: Mapping[str, str]) -> bool:
    """Whether the ETag hashes the content. A private resource's ETag is its version, which stock does not move."""
    return headers.get("ETag", "").startswith("W/")


def _names(condition: str, etag: str) -> bool:
    """Whether If-None-Match names the tag, by weak comparison (section 13.1.2)."""
    return condition.strip() == "*" or etag.removeprefix("W/") in _TAG.findall(condition)


def _without(headers: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {it: value for it, value in headers.items() if it != name}


def accepts_gzip(header: str) -> bool:
    """Whether Accept-Encoding takes gzip, and prefers nothing else (section 12.5.3)."""
    weights = {}
    for part in header.lower().split(","):
        coding, *parameters = (it.strip() for it in part.split(";"))
        weights[coding] = _weight(parameters)
    wanted = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return wanted > 0 and wanted >= weights.get("identity", 0.0)


def _weight(parameters: list[str]) -> float:
    """1 without a weight, 0 where it is malformed."""
    if not parameters:
        return 1.0
    found = re.fullmatch(r"q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", parameters[0])
    return float(found[1]) if found else 0.0
