"""Routes of a session that exists: refresh, logout, and who it belongs to."""

from dataclasses import asdict

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from auth import rate_limits
from oms import api
from oms.api import CUSTOMER, PUBLIC
from oms.identity import sessions
from oms.identity.access import authenticate
from oms.identity.schemas import LogoutRequest, RefreshRequest, TokensResponse, UserResponse

app = APIGatewayHttpResolver(enable_validation=True, response_validation_error_http_code=500)


@app.post("/api/v1/auth/refresh", **PUBLIC)
def refresh(request: RefreshRequest) -> Response[TokensResponse]:
    pair = sessions.refresh(request.refresh_token, address=api.client_address(), report=rate_limits.show)
    api.acting_as(pair.user_id)
    return api.ok(TokensResponse(**asdict(pair)))


@app.post("/api/v1/auth/logout", status_code=204, **PUBLIC)
def log_out(request: LogoutRequest) -> Response[None]:
    """A refresh token goes before the access token, which may have ended by now."""
    if request.refresh_token is not None:
        api.acting_as(sessions.log_out_by_token(request.refresh_token, address=api.client_address()))
    else:
        user = authenticate(api.bearer_token() or "")
        api.acting_as(user.id)
        sessions.log_out(user, address=api.client_address())
    return api.no_content()


@app.get("/api/v1/auth/me", **CUSTOMER)
def get_me() -> Response[UserResponse]:
    user = api.current_user().user
    return api.ok(UserResponse.of(user), version=user.version)


lambda_handler = api.serve(app)
