"""The bodies of the auth routes."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field

from oms.core.schemas import (
    INVISIBLE_IS_NULL,
    EmailAddress,
    NextCursor,
    OneOf,
    PageQuery,
    PartialRequest,
    Prose,
    Request,
    Response,
    Several,
    Timestamp,
    VisibleText,
    at_second,
)
from oms.identity import password_rules
from oms.identity.models import Session, User

Name = Annotated[str, VisibleText(100)]
OptionalName = Annotated[Annotated[str, Prose(100, one_line=True)] | None, INVISIBLE_IS_NULL]
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
    # Only what costs no time: the rest is checked once the client's address was counted.
    AfterValidator(password_rules.check_length),
]


type UserRole = Annotated[
    Literal["customer", "manager", "admin"],
    Field(description="What a user may do. Managers may do all that customers may, admins all that managers may."),
]
type UserStatus = Annotated[Literal["active", "disabled"], Field(description="Whether a user can log in.")]
Roles = Annotated[tuple[Annotated[str, OneOf(("customer", "manager", "admin"))], ...], Several()]
UserStatuses = Annotated[tuple[Annotated[str, OneOf(("active", "disabled"))], ...], Several()]


class RegisterRequest(Request):
    """An account to create."""

    email: EmailAddress = Field(
        description="The e-mail address; it is verified by a mail.", examples=["carol@example.com"]
    )
    password: NewPassword = Field(
        description="The password. Common passwords are refused.", examples=["correct-horse-battery"]
    )
    first_name: Name = Field(description="The first name.", examples=["Carol"])
    last_name: OptionalName = Field(None, description="The last name.", examples=["Silva"])


class LoginRequest(Request):
    """Credentials. Invalid formats get the same answer as wrong credentials."""

    email: str = Field(max_length=254, description="The account's e-mail address.", examples=["alice@demo.example"])
    password: str = Field(
        max_length=1024,
        json_schema_extra={"format": "password"},
        description="The account's password.",
        examples=["demo-pass-123"],
    )
    device_token: str | None = Field(
        None,
        max_length=256,
        description="The `device_token` of an earlier login, the registration or a password reset of this account. "
        "Send it so that wrong passwords of others cannot lock you out.",
        examples=["Zk3v0b2m9xq7"],
    )


class RefreshRequest(Request):
    """The refresh token to exchange."""

    refresh_token: str = Field(
        max_length=256,
        description="The `refresh_token` of the login or the refresh before. It can be used once.",
        examples=["YVT65M7QNAW9TXAQ7PHA.0C8Z4V6T2R9QKX1M5N7P.k3v0b2"],
    )


class LogoutRequest(Request):
    """Which session to end: that of the refresh token, or without one that of the access token."""

    refresh_token: str | None = Field(
        None,
        max_length=256,
        description="A refresh token of the session, for clients whose access token has expired.",
        examples=["YVT65M7QNAW9TXAQ7PHA.0C8Z4V6T2R9QKX1M5N7P.k3v0b2"],
    )


class UpdateMeRequest(PartialRequest):
    """Fields to change. A field that is not sent stays as it is; null clears the last name."""

    first_name: Name = Field(default_factory=str, description="The first name.", examples=["Alice"])
    last_name: OptionalName = Field(None, description="The last name; null clears it.", examples=["Moreau"])


class ChangePasswordRequest(Request):
    """The current and the new password."""

    current_password: str = Field(
        max_length=1024,
        json_schema_extra={"format": "password"},
        description="The current password.",
        examples=["demo-pass-123"],
    )
    new_password: NewPassword = Field(
        description="The new password. Common passwords are refused.", examples=["correct-horse-battery"]
    )
    end_this_session: bool = Field(
        False,
        description="`true` ends the session of the access token too. All other sessions always end.",
        examples=[False],
    )


class ForgotPasswordRequest(Request):
    """The account whose password is forgotten. An address without an account gets the same answer."""

    email: str = Field(max_length=254, description="The account's e-mail address.", examples=["alice@demo.example"])


MailedTokenText = Annotated[
    str, Field(max_length=256, description="The token in the link of the mail.", examples=["Zk3v0b2m9xq7"])
]


class ResetPasswordRequest(Request):
    """A token from a mail, and the new password."""

    token: MailedTokenText
    new_password: NewPassword = Field(
        description="The new password. Common passwords are refused.", examples=["correct-horse-battery"]
    )
    remember_device: bool = Field(
        False,
        description="`true`: the answer is 200 with a `device_token`, as a login has; send it with the next login, "
        "so that wrong passwords of others cannot lock you out. Otherwise the answer is 204.",
        examples=[True],
    )


class ResetPasswordResponse(Response):
    """The token that makes this device known."""

    device_token: str = Field(
        description="Send it with the next login, so that wrong passwords of others cannot lock you out.",
        examples=["Zk3v0b2m9xq7"],
    )


class VerifyEmailRequest(Request):
    """A token from a mail."""

    token: MailedTokenText


class ListUsersQuery(PageQuery):
    role: Roles | None = Field(None, description="Users with one of these roles.")
    status: UserStatuses | None = Field(None, description="Users with one of these statuses.")
    q: Annotated[str, VisibleText(254)] | None = Field(
        None,
        description="Users whose e-mail address begins with this text, in upper or lower case.",
        examples=["alice"],
    )


class ChangeRoleRequest(Request):
    """The new role."""

    role: UserRole = Field(description="The new role.", examples=["manager"])


class ChangeStatusRequest(Request):
    """The new status."""

    status: UserStatus = Field(
        description="`disabled` ends all sessions of the user and refuses new ones.", examples=["disabled"]
    )


class UserResponse(Response):
    """A user's account."""

    id: str = Field(description="The id of the user.", examples=["YVT65M7QNAW9TXAQ7PHA"])
    email: str = Field(description="The e-mail address.", examples=["alice@demo.example"])
    email_verified: bool = Field(
        description="Whether the user followed the link of a mail to this address.", examples=[True]
    )
    first_name: str = Field(description="The first name.", examples=["Alice"])
    last_name: str | None = Field(description="The last name.", examples=["Moreau"])
    role: UserRole = Field(description="What the user may do.", examples=["customer"])
    status: UserStatus = Field(description="`disabled` users cannot sign in.", examples=["active"])
    created_at: Timestamp = Field(description="When the account was created.")

    @classmethod
    def of(cls, user: User) -> Self:
        return cls.model_validate({name: getattr(user, name) for name in cls.model_fields})


class RegisteredUserResponse(UserResponse):
    """The new account, and the token that makes this device known."""

    device_token: str = Field(
        description="Send it with the first login, so that wrong passwords of others cannot lock you out.",
        examples=["Zk3v0b2m9xq7"],
    )

    @classmethod
    def registered(cls, user: User, device_token: str) -> Self:
        return cls(**UserResponse.of(user).model_dump(), device_token=device_token)


class UserPage(Response):
    """A page of users."""

    items: list[UserResponse] = Field(description="The users of this page.")
    next_cursor: NextCursor


class SessionResponse(Response):
    """A session: a login on one device."""

    id: str = Field(description="The id of the session.", examples=["0C8Z4V6T2R9QKX1M5N7P"])
    created_at: Timestamp = Field(description="When the user logged in.")
    refreshed_at: Timestamp = Field(description="When its tokens were refreshed last.")
    address: str = Field(description="The client's IP address at the login.", examples=["198.51.100.7"])
    user_agent: str = Field(description="The client's `User-Agent` at the login.", examples=["Mozilla/5.0"])
    current: bool = Field(description="Whether it is the session of this request.", examples=[True])
    expires_at: Timestamp = Field(description="When it ends at the latest.")

    @classmethod
    def of(cls, session: Session, *, current: bool) -> Self:
        shown = {name: getattr(session, name) for name in ("id", "created_at", "refreshed_at", "address", "user_agent")}
        return cls(**shown, current=current, expires_at=at_second(session.expires_at))


class SessionPage(Response):
    """A page of sessions."""

    items: list[SessionResponse] = Field(description="The sessions of this page.")
    next_cursor: NextCursor


class TokensResponse(Response):
    """A pair of tokens."""

    access_token: str = Field(
        description="For the `Authorization` header: `Bearer <access_token>`.",
        examples=["eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJZVlQ2NU0ifQ.c2ln"],
    )
    refresh_token: str = Field(
        description="For one call of `POST /api/v1/auth/refresh`. Keep it secret.",
        examples=["YVT65M7QNAW9TXAQ7PHA.0C8Z4V6T2R9QKX1M5N7P.k3v0b2"],
    )
    token_type: Literal["Bearer"] = Field(
        "Bearer",
        description="How to send the access token.",
    )
    expires_in: int = Field(description="Seconds until the access token expires.", examples=[3600])
    refresh_expires_in: int = Field(
        description="Seconds until the refresh token, and all that follow it, expire.", examples=[604800]
    )


class LoginResponse(TokensResponse):
    """A pair of tokens, and the token that makes this device known."""

    device_token: str = Field(
        description="Send it with the next login, so that wrong passwords of others cannot lock you out.",
        examples=["Zk3v0b2m9xq7"],
    )
