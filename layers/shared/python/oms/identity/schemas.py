"""The bodies of the auth routes."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field

from oms.identity import password_rules
from oms.identity.models import Session, User
from oms.schemas import EmailAddress, PageQuery, PartialRequest, Request, Response, VisibleText, any_of, at_second

Name = Annotated[str, VisibleText(100)]
NewPassword = Annotated[
    str,
    Field(
        min_length=password_rules.MIN_LENGTH,
        max_length=password_rules.MAX_LENGTH,
        json_schema_extra={"format": "password"},
        description="No common password, and not made of the user's e-mail address or name. Managers and admins need "
        "15 characters, or as many as the deployment asks for.",
        examples=["three quiet lighthouses"],
    ),
    AfterValidator(password_rules.check_new),
]


class RegisterRequest(Request):
    email: EmailAddress
    password: NewPassword
    first_name: Name
    last_name: Name | None = None


class LoginRequest(Request):
    """What cannot be right is refused like what is wrong: only its size is checked."""

    email: str = Field(max_length=254)
    password: str = Field(max_length=1024, json_schema_extra={"format": "password"})
    device_token: str | None = Field(
        None, max_length=256, description="From an earlier login, the registration or the reset of this account"
    )


class RefreshRequest(Request):
    refresh_token: str = Field(max_length=256)


class LogoutRequest(Request):
    """Names the session to end when the access token does not."""

    refresh_token: str | None = Field(None, max_length=256)


class UpdateMeRequest(PartialRequest):
    """What is left out stays; `last_name: null` takes it away."""

    first_name: Name = Field(default_factory=str)
    last_name: Name | None = None


class ChangePasswordRequest(Request):
    current_password: str = Field(max_length=1024, json_schema_extra={"format": "password"})
    new_password: NewPassword
    end_this_session: bool = Field(
        False,
        description="Whether the session of the access token ends as well. All other sessions always end.",
        examples=[True],
    )


class ForgotPasswordRequest(Request):
    """What cannot be an address is answered like one without an account: only its size is checked."""

    email: str = Field(max_length=254)


MailedTokenText = Annotated[str, Field(max_length=256, description="From the link in the mail")]


class ResetPasswordRequest(Request):
    token: MailedTokenText
    new_password: NewPassword
    remember_device: bool = Field(
        False,
        description="With `true` the answer is 200 with a `device_token`, as that of a login has. Send the token with "
        "the next login: a stranger's wrong passwords cannot lock it out. Without it the answer is 204.",
        examples=[True],
    )


class ResetPasswordResponse(Response):
    device_token: str = Field(
        description="Send it with the next login, and a stranger's wrong passwords cannot lock you out"
    )


class VerifyEmailRequest(Request):
    token: MailedTokenText


class ListUsersQuery(PageQuery):
    role: any_of("customer", "manager", "admin") | None = None  # type: ignore[valid-type]
    status: any_of("active", "disabled") | None = None  # type: ignore[valid-type]
    q: Annotated[str, VisibleText(254)] | None = Field(
        None, description="The beginning of the e-mail address; case does not count"
    )


class ChangeRoleRequest(Request):
    role: Literal["customer", "manager", "admin"]


class ChangeStatusRequest(Request):
    status: Literal["active", "disabled"]


class UserResponse(Response):
    id: str
    email: str
    email_verified: bool
    first_name: str
    last_name: str | None
    role: Literal["customer", "manager", "admin"]
    status: Literal["active", "disabled"]
    created_at: str

    @classmethod
    def of(cls, user: User) -> Self:
        return cls.model_validate({name: getattr(user, name) for name in cls.model_fields})


class RegisteredUserResponse(UserResponse):
    device_token: str = Field(
        description="Send it with the first login, and a stranger's wrong passwords cannot lock you out"
    )

    @classmethod
    def registered(cls, user: User, device_token: str) -> Self:
        return cls(**UserResponse.of(user).model_dump(), device_token=device_token)


class UserPage(Response):
    items: list[UserResponse]
    next_cursor: str | None


class SessionResponse(Response):
    id: str
    created_at: str
    refreshed_at: str
    address: str
    user_agent: str
    current: bool = Field(description="Whether it is the one that asks")
    expires_at: str

    @classmethod
    def of(cls, session: Session, *, current: bool) -> Self:
        shown = {name: getattr(session, name) for name in ("id", "created_at", "refreshed_at", "address", "user_agent")}
        return cls(**shown, current=current, expires_at=at_second(session.expires_at))


class SessionPage(Response):
    items: list[SessionResponse]
    next_cursor: str | None


class TokensResponse(Response):
    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of a scheme (RFC 6750)
    expires_in: int = Field(description="Seconds until the access token ends")
    refresh_expires_in: int = Field(description="Seconds until the refresh token, and all that follow it, end")


class LoginResponse(TokensResponse):
    device_token: str = Field(description="Show it at the next login, and a stranger's failures cannot lock you out")
