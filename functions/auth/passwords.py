"""Routes that create or compare password hashes. They have their own function, with a whole CPU core for bcrypt."""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from oms.core.settings import require
from oms.http import api, cookies
from oms.http.access_rules import CUSTOMER, PUBLIC
from oms.http.serving import RESOLVER_OPTIONS, serve
from oms.identity import email_change, login, password_change, recovery, service
from oms.identity.schemas import (
    ChangeEmailRequest,
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

    The account has the role `customer`, and can sign in at once. A mail with a link to verify the address is sent to
    it.
    """
    registration = service.register(request, address=api.client_address(), report=api.show_allowance)
    user = registration.user
    api.tag_logs_with_user(user.id)
    response = RegisteredUserResponse.registered(user, registration.device_token)
    return api.created(response, location="/api/v1/auth/me", version=user.version)


@app.post("/api/v1/auth/login", **PUBLIC)
def log_in(request: LoginRequest) -> Response[LoginResponse]:
    """Sign in.

    Returns a pair of tokens: the access token for the `Authorization` header, and the refresh token for `POST
    /api/v1/auth/refresh`. Repeated wrong passwords lock the account for some time. A wrong password, an unknown
    address, a locked account and a disabled account get the same response.
    """
    device_token, place = request.device_token, request.refresh_token_in
    in_cookies = place == "cookie"
    if in_cookies:
        cookies.require_same_origin()
        device_token = device_token or cookies.read(cookies.DEVICE_TOKEN)
    signed_in = login.log_in(
        request,
        device_token=device_token,
        address=api.client_address(),
        user_agent=api.user_agent(),
        report=api.show_allowance,
    )
    tokens = signed_in.tokens
    api.tag_logs_with_user(tokens.user_id)
    content = LoginResponse(**asdict(tokens), device_token=signed_in.device_token)
    if not in_cookies:
        return api.ok(content)
    response = api.ok(content.model_copy(update={"refresh_token": None, "device_token": None}))
    cookies.set_refresh_token(response, tokens.refresh_token, seconds=tokens.refresh_expires_in)
    cookies.set_device_token(response, signed_in.device_token)
    return response


@app.put("/api/v1/auth/password", status_code=204, **CUSTOMER)
@api.versioned
def change_password(request: ChangePasswordRequest) -> Response[None]:
    """Change your password.

    Ends all your other sessions.
    """
    version = password_change.change_password(
        api.current_user(),
        request,
        address=api.client_address(),
        report=api.show_allowance,
        expected_version=api.expected_version(),
    )
    return api.no_content(version=version)


@app.put("/api/v1/auth/me/email", status_code=202, **CUSTOMER)
@api.versioned
def change_email(request: ChangeEmailRequest) -> Response[None]:
    """Request a change of your e-mail address.

    A mail with a link is sent to the new address, unless it has another account; the response is the same. The new
    address counts once it is confirmed by `POST /api/v1/auth/email/verify`, within 24 hours. The old address gets a
    mail as well, if it is verified: its link takes the address back, for 7 days after the change.
    """
    email_change.request_change(
        api.current_user(),
        request,
        address=api.client_address(),
        report=api.show_allowance,
        expected_version=api.expected_version(),
    )
    return api.accepted()


@app.post("/api/v1/auth/password/forgot", status_code=202, **PUBLIC)
def forgot_password(request: ForgotPasswordRequest) -> Response[None]:
    """Request a mail to reset your password.

    The response is the same for an unknown account. The link in the mail works once, within 30 minutes.
    """
    recovery.request_reset(request.email, address=api.client_address())
    return api.accepted()


_RESET_RESPONSES: dict[int, Any] = {
    200: {"description": "", "content": {"application/json": {"model": ResetPasswordResponse}}},
    204: {"description": "", "content": {"application/json": {"schema": {"type": "null"}}}},
}


@app.post("/api/v1/auth/password/reset", status_code=204, responses=_RESET_RESPONSES, **PUBLIC)
def reset_password(request: ResetPasswordRequest) -> Response[ResetPasswordResponse | None]:
    """Set a new password with the token of a mail.

    Ends all sessions of the user, lifts locks, and verifies the address. The token works once.
    """
    reset = recovery.reset_password(request, address=api.client_address(), report=api.show_allowance)
    api.tag_logs_with_user(reset.user_id)
    response: Response[Any] = api.no_content()
    if reset.device_token is not None:
        response = api.ok(ResetPasswordResponse(device_token=reset.device_token))
    return response


lambda_handler = serve(app)
