"""Routes for sessions, the current user, e-mail verification, and the shop that users sign in to."""

from dataclasses import asdict
from typing import Annotated
from urllib.parse import urlsplit

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import Field

from oms.core.errors import InvalidRequestError, UnauthenticatedError
from oms.core.money_fields import CurrencyCode
from oms.core.schemas import PageQuery
from oms.core.schemas import Response as ResponseSchema
from oms.core.settings import require, settings
from oms.http import api, cookies
from oms.http.access_rules import CUSTOMER, PUBLIC, customer
from oms.http.serving import RESOLVER_OPTIONS, serve
from oms.identity import email_change, recovery, saved_addresses, service, sessions
from oms.identity.access import authenticate
from oms.identity.saved_address_schemas import (
    AddAddressRequest,
    SavedAddressList,
    SavedAddressResponse,
    UpdateAddressRequest,
)
from oms.identity.saved_addresses import SavedAddress
from oms.identity.schemas import (
    LogoutRequest,
    RefreshRequest,
    SessionPage,
    SessionResponse,
    TakeBackEmailRequest,
    TokensResponse,
    UpdateMeRequest,
    UserResponse,
    VerifyEmailRequest,
)

require("signing_keys_secret")

app = APIGatewayHttpResolver(**RESOLVER_OPTIONS)

# Seconds for which a client may keep the settings of the shop.
_SHOP_MAX_AGE_SECONDS = 300


class ShopResponse(ResponseSchema):
    """The settings by which the shop shows amounts and times."""

    name: str | None = Field(
        description="The shop's name in mails: the host of its public URL. Null if it has none.",
        examples=["shop.example"],
    )
    currency: CurrencyCode
    time_zone: str = Field(
        description="The time zone of the days of reports, exports and lists: a name of the IANA database. Times in "
        "responses are UTC.",
        examples=["Europe/Berlin"],
    )


@app.post("/api/v1/auth/refresh", **PUBLIC)
def refresh(request: RefreshRequest) -> Response[TokensResponse]:
    """Exchange a refresh token for a new pair of tokens.

    Each refresh token works once. If one is used a second time, the session ends, since the token may be stolen. If
    the body has no refresh token, it is taken from the cookie that the sign-in with `"refresh_token_in": "cookie"` set.
    """
    presented, in_cookie = _presented(request)
    pair = sessions.refresh(
        presented,
        received_at=api.received_at(),
        address=api.client_address(),
        report=api.show_allowance,
    )
    api.tag_logs_with_user(pair.user_id)
    content = TokensResponse(**asdict(pair))
    if not in_cookie:
        return api.ok(content)
    response = api.ok(content.model_copy(update={"refresh_token": None}))
    cookies.set_refresh_token(response, pair.refresh_token, seconds=pair.refresh_expires_in)
    return response


def _presented(request: RefreshRequest) -> tuple[str, bool]:
    """Returns the refresh token, and whether the response keeps the new one in a cookie.

    A token from the cookie stays there: in a body, scripts could read it.
    """
    place = request.refresh_token_in
    in_cookie = place == "cookie"
    if in_cookie:
        cookies.require_same_origin()
    if request.refresh_token is not None:
        return request.refresh_token, in_cookie
    kept = None if place == "body" else cookies.read(cookies.REFRESH_TOKEN)
    if kept is not None:
        return kept, True
    if in_cookie:
        raise UnauthenticatedError("The request has no cookie with a refresh token. Sign in again.")
    raise InvalidRequestError.at("is required, unless the cookie has it", pointer="#/refresh_token")


@app.post("/api/v1/auth/logout", status_code=204, **PUBLIC)
def log_out(request: LogoutRequest) -> Response[None]:
    """Sign out.

    Ends the session of the refresh token in the body. If the body has none, it ends the session of the refresh token
    in the cookie, and clears the cookie. Without both, it ends the session of the access token. Both tokens of the
    session become invalid at once.
    """
    response = api.no_content()
    presented = request.refresh_token
    if presented is None and (presented := cookies.read(cookies.REFRESH_TOKEN)) is not None:
        cookies.clear_refresh_token(response)
    if presented is not None:
        user_id = sessions.log_out_by_token(presented, received_at=api.received_at(), address=api.client_address())
        api.tag_logs_with_user(user_id)
        return response
    token = api.bearer_token()
    if token is None:
        raise UnauthenticatedError
    user = authenticate(token)
    api.tag_logs_with_user(user.id)
    sessions.log_out(user, address=api.client_address())
    return response


@app.get("/api/v1/auth/me", **CUSTOMER)
def get_me() -> Response[UserResponse]:
    """Get your account.

    Returns the user of the access token.
    """
    user = api.current_user().user
    return api.ok(UserResponse.of(user), version=user.version)


@app.patch("/api/v1/auth/me", **CUSTOMER)
@api.versioned
def update_me(request: UpdateMeRequest) -> Response[UserResponse]:
    """Change your names.

    Omitted fields are unchanged. `PUT /api/v1/auth/me/email` changes the e-mail address.
    """
    user = service.rename(api.current_user().user, request, expected_version=api.expected_version())
    return api.ok(UserResponse.of(user), version=user.version)


@app.get("/api/v1/auth/me/addresses", **CUSTOMER)
def list_addresses() -> Response[SavedAddressList]:
    """List your saved addresses.

    Lists all of them, oldest first.
    """
    addresses = saved_addresses.list_addresses(api.current_user().id)
    return api.ok(SavedAddressList(items=[_address_response(address) for address in addresses]))


@app.post("/api/v1/auth/me/addresses", status_code=201, **CUSTOMER)
def add_address(request: AddAddressRequest) -> Response[SavedAddressResponse]:
    """Save an address.

    Orders take their addresses from the request, so later changes of a saved address do not change them.
    """
    added = saved_addresses.add_address(api.current_user().id, request, key=api.idempotency_key())
    address = added.value
    return api.created(
        _address_response(address),
        location=f"/api/v1/auth/me/addresses/{address['id']}",
        version=address["version"],
        replayed=added.replayed,
    )


@app.get("/api/v1/auth/me/addresses/<address_id>", **CUSTOMER)
def get_address(address_id: str) -> Response[SavedAddressResponse]:
    """Get one of your saved addresses.

    Its `ETag` is the version for `If-Match`.
    """
    address = saved_addresses.get_address(api.current_user().id, address_id)
    return api.ok(_address_response(address), version=address["version"])


@app.patch("/api/v1/auth/me/addresses/<address_id>", **CUSTOMER)
@api.versioned
def update_address(address_id: str, request: UpdateAddressRequest) -> Response[SavedAddressResponse]:
    """Change one of your saved addresses.

    Omitted fields are unchanged. Existing orders are not changed.
    """
    address = saved_addresses.update_address(
        api.current_user().id, address_id, request, expected_version=api.expected_version()
    )
    return api.ok(_address_response(address), version=address["version"])


@app.delete("/api/v1/auth/me/addresses/<address_id>", status_code=204, **CUSTOMER)
@api.versioned
def delete_address(address_id: str) -> Response[None]:
    """Delete one of your saved addresses.

    Existing orders keep their addresses.
    """
    saved_addresses.delete_address(api.current_user().id, address_id, expected_version=api.expected_version())
    return api.no_content()


def _address_response(address: SavedAddress) -> SavedAddressResponse:
    return SavedAddressResponse.model_validate({name: address[name] for name in SavedAddressResponse.model_fields})


@app.get("/api/v1/auth/sessions", **CUSTOMER)
def list_sessions(query: Annotated[PageQuery, Query()]) -> Response[SessionPage]:
    """List your sessions.

    Lists your sessions, newest first. Each sign-in starts a session. Ended sessions are not listed.
    """
    user = api.current_user()
    page = sessions.list_sessions(user, limit=query.limit, after=api.list_position(query.cursor))
    return api.listed(
        page, lambda session: SessionResponse.of(session, current=session.id == user.session_id), SessionPage
    )


@app.delete("/api/v1/auth/sessions/<session_id>", status_code=204, **CUSTOMER)
def end_session(session_id: str) -> Response[None]:
    """End one of your sessions.

    Its tokens become invalid at once.
    """
    sessions.end_session(api.current_user(), session_id, address=api.client_address())
    return api.no_content()


@app.post("/api/v1/auth/email/verify", status_code=204, **PUBLIC)
def verify_email(request: VerifyEmailRequest) -> Response[None]:
    """Verify an e-mail address with the token of a mail.

    The token of a change of the address makes the new address that of the account. It ends all sessions but the one
    that requested the change. A repetition with the same token succeeds and changes nothing.
    """
    api.tag_logs_with_user(recovery.verify_email(request.token, address=api.client_address()))
    return api.no_content()


@app.post("/api/v1/auth/email/take-back", status_code=204, **PUBLIC)
def take_back_email(request: TakeBackEmailRequest) -> Response[None]:
    """Take back the former e-mail address with the token of a mail.

    Restores the address, or cancels its requested change. Ends all sessions and removes the password, which another
    person knows: set a new one by `POST /api/v1/auth/password/forgot`. A repetition with the same token succeeds and
    changes nothing.
    """
    api.tag_logs_with_user(email_change.take_back(request.token, address=api.client_address()))
    return api.no_content()


@app.get("/api/v1/shop", **customer(scope="catalogue:read"))
def get_shop() -> Response[ShopResponse]:
    """Get the shop's name, currency and time zone.

    A client that shows amounts and times as the shop does needs them once.
    """
    shop = settings()
    content = ShopResponse(
        name=urlsplit(shop.public_url).netloc or None, currency=shop.currency, time_zone=str(shop.time_zone)
    )
    return api.private_document(content, max_age=_SHOP_MAX_AGE_SECONDS)


lambda_handler = serve(app)
