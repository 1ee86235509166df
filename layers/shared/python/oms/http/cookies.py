"""A browser's tokens in cookies that scripts cannot read: when they may be used, and how they are set and cleared.

Only `refresh`, `log_out` and `log_in` use this module, so no other route accepts a cookie. No function logs a cookie.
"""

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.shared.cookies import Cookie, SameSite

from oms.core.errors import CrossSiteRequestError
from oms.http import body
from oms.http.access_rules import current_request
from oms.identity.devices import DEVICE_SECONDS

# Browsers accept a cookie of such a name only with `Secure` and from a secure origin, which includes localhost.
REFRESH_TOKEN = "__Secure-oms-refresh"  # noqa: S105 - a name, not a secret
DEVICE_TOKEN = "__Secure-oms-device"  # noqa: S105
_PATH = "/api/v1/auth"


def require_same_origin() -> None:
    """Refuses a request that a page of another origin may have caused. Call it before a cookie is used or set.

    Browsers send Sec-Fetch-Site, and pages cannot change it. Older browsers send Origin alone; they are refused too,
    since a function does not know the host names of its API. A client without both headers is not a browser. The media
    type is required, since a browser sends it to another origin only after a preflight. Raises CrossSiteRequestError,
    UnsupportedMediaTypeError.
    """
    headers = current_request.get().headers
    if headers.get("sec-fetch-site") != "same-origin" and not headers.keys().isdisjoint(("sec-fetch-site", "origin")):
        raise CrossSiteRequestError
    body.check_media_type(headers.get("content-type", ""))


def read(name: str) -> str | None:
    """Returns the value of a cookie; None if the request has none, or several of this name.

    A page of a sibling host name can set a second one, and their order does not show which of them is ours.
    Raises the errors of `require_same_origin` if there is a cookie.
    """
    request = current_request.get()
    # API Gateway moves the cookies out of the headers (payload 2.0). The local emulator leaves them in the header.
    sent = request.event.get("cookies") or [request.headers.get("cookie", "")]
    pairs = [pair.strip().partition("=") for pair in ";".join(sent).split(";")]
    values = [value for found, _, value in pairs if found == name]
    if not values:
        return None
    require_same_origin()
    return values[0] if len(values) == 1 else None


def set_refresh_token(response: Response[Any], token: str, *, seconds: int) -> None:
    """Adds the cookie of a refresh token that is valid for `seconds`."""
    response.cookies.append(_cookie(REFRESH_TOKEN, token, seconds))


def set_device_token(response: Response[Any], token: str) -> None:
    response.cookies.append(_cookie(DEVICE_TOKEN, token, DEVICE_SECONDS))


def clear_refresh_token(response: Response[Any]) -> None:
    response.cookies.append(_cookie(REFRESH_TOKEN, "", 0))


def _cookie(name: str, value: str, seconds: int) -> Cookie:
    return Cookie(name, value, path=_PATH, secure=True, http_only=True, max_age=seconds, same_site=SameSite.STRICT_MODE)
