"""Routes for sessions, the current user, and e-mail verification."""

from dataclasses import asdict
from typing import Annotated

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from oms.core.errors import UnauthenticatedError
from oms.core.schemas import PageQuery
from oms.core.settings import require
from oms.http import api
from oms.http.api import CUSTOMER, PUBLIC
from oms.http.serving import RESOLVER_OPTIONS, serve
from oms.identity import recovery, service, sessions
from oms.identity.access import authenticate
from oms.identity.schemas import (
    LogoutRequest,
    RefreshRequest,
    SessionPage,
    SessionResponse,
    TokensResponse,
    UpdateMeRequest,
    UserResponse,
    VerifyEmailRequest,
)

require("signing_keys_secret")

app = APIGatewayHttpResolver(**RESOLVER_OPTIONS)


@app.post("/api/v1/auth/refresh", **PUBLIC)
def refresh(request: RefreshRequest) -> Response[TokensResponse]:
    """Exchange a refresh token for a new pair of tokens.

    Each refresh token works once. If one is used a second time, the session ends, since it may be stolen.
    """
    pair = sessions.refresh(
        request.refresh_token,
        received_at=api.received_at(),
        address=api.client_address(),
        report=api.show_allowance,
    )
    api.tag_logs_with_user(pair.user_id)
    return api.ok(TokensResponse(**asdict(pair)))


@app.post("/api/v1/auth/logout", status_code=204, **PUBLIC)
def log_out(request: LogoutRequest) -> Response[None]:
    """End the session.

    Both tokens of the session end at once. If a refresh token is in the body, its session ends, since the access
    token may have expired.
    """
    if request.refresh_token is not None:
        user_id = sessions.log_out_by_token(
            request.refresh_token, received_at=api.received_at(), address=api.client_address()
        )
        api.tag_logs_with_user(user_id)
    else:
        token = api.bearer_token()
        if token is None:
            raise UnauthenticatedError
        user = authenticate(token)
        api.tag_logs_with_user(user.id)
        sessions.log_out(user, address=api.client_address())
    return api.no_content()


@app.get("/api/v1/auth/me", **CUSTOMER)
def get_me() -> Response[UserResponse]:
    """Get your account.

    The user of the access token.
    """
    user = api.current_user().user
    return api.ok(UserResponse.of(user), version=user.version)


@app.patch("/api/v1/auth/me", **CUSTOMER)
@api.versioned
def update_me(request: UpdateMeRequest) -> Response[UserResponse]:
    """Change the own names.

    A field that is not sent stays as it is. The e-mail address cannot be changed.
    """
    user = service.rename(api.current_user().user, request, expected_version=api.expected_version())
    return api.ok(UserResponse.of(user), version=user.version)


@app.get("/api/v1/auth/sessions", **CUSTOMER)
def list_sessions(query: Annotated[PageQuery, Query()]) -> Response[SessionPage]:
    """List the own sessions.

    One for each login that has not ended.
    """
    user = api.current_user()
    page = sessions.list_sessions(user, limit=query.limit, after=api.list_position(query.cursor))
    return api.listed(page, lambda it: SessionResponse.of(it, current=it.id == user.session_id), SessionPage)


@app.delete("/api/v1/auth/sessions/<session_id>", status_code=204, **CUSTOMER)
def end_session(session_id: str) -> Response[None]:
    """End one of the own sessions.

    Its tokens end at once.
    """
    sessions.end_session(api.current_user(), session_id, address=api.client_address())
    return api.no_content()


@app.post("/api/v1/auth/email/verify", status_code=204, **PUBLIC)
def verify_email(request: VerifyEmailRequest) -> Response[None]:
    """Verify an e-mail address with the token of a mail.

    Repeating it is fine.
    """
    api.tag_logs_with_user(recovery.verify_email(request.token, address=api.client_address()))
    return api.no_content()


lambda_handler = serve(app)
