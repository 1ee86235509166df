"""The routes that make or compare password hashes: a function of their own, with a whole core for bcrypt."""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from oms.core.settings import require
from oms.http import api
from oms.http.api import CUSTOMER, PUBLIC
from oms.http.serving import RESOLVER_OPTIONS, serve
from oms.identity import login, password_change, recovery, service
from oms.identity.schemas import (
    ChangePasswordRequest,
    ForgotPasswordRequest,
    LoginRequest,
    LoginResponse,
    RegisteredUserResponse,
    RegisterRequest,
    ResetPasswordRequest,
    ResetPasswordResponse,
)

require("pepper_secret", "signing_keys_secret")

app = APIGatewayHttpResolver(**RESOLVER_OPTIONS)


@app.post("/api/v1/auth/register", status_code=201, **PUBLIC)
def register(request: RegisterRequest) -> Response[RegisteredUserResponse]:
    """Create an account.

    The account is a customer's, and it can log in at once. A mail with a link to verify the address is sent to it.
    """
    made = service.register(request, address=api.client_address(), report=api.show_allowance)
    api.tag_logs_with_user(made.user.id)
    shown = RegisteredUserResponse.registered(made.user, made.device_token)
    return api.created(shown, location="/api/v1/auth/me", version=made.user.version)


@app.post("/api/v1/auth/login", **PUBLIC)
def log_in(request: LoginRequest) -> Response[LoginResponse]:
    """Log in.

    Answers a pair of tokens: the access token for the `Authorization` header, the refresh token for `POST
    /api/v1/auth/refresh`. Wrong passwords lock the account for a while; a wrong password, an unknown address, a
    locked and a disabled account get the same answer.
    """
    signed_in = login.log_in(
        request, address=api.client_address(), user_agent=api.user_agent(), report=api.show_allowance
    )
    api.tag_logs_with_user(signed_in.tokens.user_id)
    return api.ok(LoginResponse(**asdict(signed_in.tokens), device_token=signed_in.device_token))


@app.put("/api/v1/auth/password", status_code=204, **CUSTOMER)
@api.versioned
def change_password(request: ChangePasswordRequest) -> Response[None]:
    """Change the password.

    Ends all other sessions of the user.
    """
    version = password_change.change_password(
        api.current_user(),
        request,
        address=api.client_address(),
        report=api.show_allowance,
        expected_version=api.expected_version(),
    )
    return api.no_content(version=version)


@app.post("/api/v1/auth/password/forgot", status_code=202, **PUBLIC)
def forgot_password(request: ForgotPasswordRequest) -> Response[None]:
    """Request a mail to reset the password.

    The answer is the same for an unknown account. The link in the mail works once, for 30 minutes.
    """
    recovery.request_reset(request.email, address=api.client_address())
    return api.accepted()


_WITH_DEVICE_OR_NOT: dict[int, Any] = {
    200: {"description": "", "content": {"application/json": {"model": ResetPasswordResponse}}},
    204: {"description": "", "content": {"application/json": {"schema": {"type": "null"}}}},
}


@app.post("/api/v1/auth/password/reset", status_code=204, responses=_WITH_DEVICE_OR_NOT, **PUBLIC)
def reset_password(request: ResetPasswordRequest) -> Response[ResetPasswordResponse | None]:
    """Set a new password with the token of a mail.

    Ends all sessions of the user, lifts locks, and verifies the address. The token works once.
    """
    done = recovery.reset_password(request, address=api.client_address(), report=api.show_allowance)
    api.tag_logs_with_user(done.user_id)
    answer: Response[Any] = api.no_content()
    if done.device_token is not None:
        answer = api.ok(ResetPasswordResponse(device_token=done.device_token))
    return answer


lambda_handler = serve(app)
