"""The last step of a response: conditional requests, compression, and the rules of each status (RFC 9110).

Only responses to GET are compressed. Responses with a secret (tokens, a webhook's secret) answer a POST, and browsers
do not add the access token to another site's requests. So an attacker cannot learn secrets from the length of a
compressed response (BREACH).
"""

import base64
import gzip
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

# Below this size in bytes, compression saves less than its header costs.
_WORTH_COMPRESSING = 1024
_TAG = re.compile(r'"[\x21\x23-\x7e]*"')


def complete(answer: dict[str, Any], request_headers: Mapping[str, str], method: str) -> dict[str, Any]:
    """Returns the response of a function in its final form (payload format 2.0). Names of the request's headers are
    lower-case.

    The response to a HEAD keeps the body: the gateway sends its length and omits it.
    """
    headers = answer["headers"]
    is_read = method in ("GET", "HEAD") and answer["statusCode"] == 200
    text = answer.get("body") or ""
    is_long = is_read and len(text) >= _WORTH_COMPRESSING
    if is_long:
        headers["Vary"] = ", ".join([*filter(None, [headers.get("Vary")]), "Accept-Encoding"])
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


# Public documents are few and large, so their compressed form is cached. Private responses are not cached.
_packed_document = lru_cache(maxsize=16)(_packed)


def _is_document(headers: Mapping[str, str]) -> bool:
    """Returns whether the ETag is a hash of the content.

    A private resource's ETag is its version, which stays the same when its stock changes.
    """
    return headers.get("ETag", "").startswith("W/")


def _names(condition: str, etag: str) -> bool:
    """Returns whether If-None-Match names the tag, by weak comparison (section 13.1.2)."""
    return condition.strip() == "*" or etag.removeprefix("W/") in _TAG.findall(condition)


def _without(headers: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {header: value for header, value in headers.items() if header != name}


def accepts_gzip(header: str) -> bool:
    """Returns whether Accept-Encoding allows gzip and prefers no other coding (section 12.5.3)."""
    weights = {}
    for part in header.lower().split(","):
        coding, *parameters = (text.strip() for text in part.split(";"))
        weights[coding] = _weight(parameters)
    gzip_weight = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip_weight > 0 and gzip_weight >= weights.get("identity", 0.0)


def _weight(parameters: list[str]) -> float:
    """Returns the weight of a coding: 1 if it has none, 0 if it is malformed."""
    if not parameters:
        return 1.0
    found = re.fullmatch(r"q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", parameters[0])
    return float(found[1]) if found else 0.0
