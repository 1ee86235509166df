"""Requests and responses of the routes for accounts, sessions and users."""

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
    Timestamp,
    ValueList,
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
        description="Must not be a common password, and must not be made of the user's e-mail address or name. "
        "Managers and admins need at least 15 characters, or the number that the deployment sets.",
        examples=["three quiet lighthouses"],
    ),
    # Only the length is checked here. The other rules take time: they are checked once the client's address is counted.
    AfterValidator(password_rules.check_length),
]


type UserRole = Annotated[
    Literal["customer", "manager", "admin"],
    Field(
        description="The permissions of a user. Managers have those of customers too, and admins have those of "
        "managers."
    ),
]
type UserStatus = Annotated[
    Literal["active", "disabled"],
    Field(description="Whether a user can sign in: `active` users can, `disabled` ones cannot."),
]
Roles = Annotated[tuple[Annotated[str, OneOf(("customer", "manager", "admin"))], ...], ValueList()]
UserStatuses = Annotated[tuple[Annotated[str, OneOf(("active", "disabled"))], ...], ValueList()]


type TokenPlace = Annotated[
    Literal["body", "cookie"],
    Field(
        description="Where a refresh token is: in the body, or in a cookie that scripts of a page cannot read. Only "
        "pages of the API's own origin can use `cookie`."
    ),
]


class RegisterRequest(Request):
    """An account to create."""

    email: EmailAddress = Field(
        description="The e-mail address. A mail with a link to verify it is sent to it.", examples=["carol@example.com"]
    )
    password: NewPassword = Field(
        description="The password. Common passwords are refused.", examples=["correct-horse-battery"]
    )
    first_name: Name = Field(description="The first name.", examples=["Carol"])
    last_name: OptionalName = Field(None, description="The last name.", examples=["Silva"])


class LoginRequest(Request):
    """The credentials. Invalid formats get the same response as wrong credentials."""

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
        description="The `device_token` of an earlier sign-in, the registration or a password reset of this account. "
        "Send it so that failed sign-ins of others cannot lock you out.",
        examples=["Zk3v0b2m9xq7"],
    )
    refresh_token_in: TokenPlace | None = Field(
        None,
        description="`cookie`: the response sets the refresh token and the device token as cookies, and its body has "
        "null for them; a device token in the cookie is used if the body has none. `body` is the default.",
        examples=["body"],
    )


class RefreshRequest(Request):
    """The refresh token to exchange, in the body or in a cookie."""

    refresh_token: str | None = Field(
        None,
        max_length=256,
        description="The `refresh_token` of the sign-in or of the previous refresh. It can be used once. It is "
        "required, unless the cookie has it.",
        examples=["YVT65M7QNAW9TXAQ7PHA.0C8Z4V6T2R9QKX1M5N7P.k3v0b2"],
    )
    refresh_token_in: TokenPlace | None = Field(
        None,
        description="`cookie`: the response sets the new refresh token as a cookie, and its body has null for it. By "
        "default, the new token is in the same place as the old one.",
        examples=["body"],
    )


class LogoutRequest(Request):
    """The session to end: of the refresh token in the body, else of that in the cookie, else of the access token."""

    refresh_token: str | None = Field(
        None,
        max_length=256,
        description="The refresh token of the session. Send it if the access token may have expired.",
        examples=["YVT65M7QNAW9TXAQ7PHA.0C8Z4V6T2R9QKX1M5N7P.k3v0b2"],
    )


class UpdateMeRequest(PartialRequest):
    """Fields to change. Omitted fields are unchanged; null clears the last name."""

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
        description="`true` ends the session of the access token too. All other sessions always end. Default: `false`.",
        examples=[False],
    )


MailedTokenText = Annotated[
    str, Field(max_length=256, description="The token in the link of the mail.", examples=["Zk3v0b2m9xq7"])
]


class ChangeEmailRequest(Request):
    """The new e-mail address, and the current password."""

    new_email: EmailAddress = Field(
        description="The new address. A mail with a link to confirm it is sent to it.", examples=["carol@example.com"]
    )
    current_password: str = Field(
        max_length=1024,
        json_schema_extra={"format": "password"},
        description="The current password.",
        examples=["demo-pass-123"],
    )


class TakeBackEmailRequest(Request):
    """A token from a mail to the former address."""

    token: MailedTokenText


class ForgotPasswordRequest(Request):
    """The account whose password is forgotten. An address without an account gets the same response."""

    email: str = Field(max_length=254, description="The account's e-mail address.", examples=["alice@demo.example"])


class ResetPasswordRequest(Request):
    """A token from a mail, and the new password."""

    token: MailedTokenText
    new_password: NewPassword = Field(
        description="The new password. Common passwords are refused.", examples=["correct-horse-battery"]
    )
    remember_device: bool = Field(
        False,
        description="`true`: the response is 200 with a `device_token`, as after a sign-in. Send that token with the "
        "next sign-in, so that failed sign-ins of others cannot lock you out. `false`, the default: the "
        "response is 204.",
        examples=[True],
    )


class ResetPasswordResponse(Response):
    """The token that makes this device known."""

    device_token: str = Field(
        description="Send it with the next sign-in, so that failed sign-ins of others cannot lock you out.",
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


class ChangeLimitsRequest(PartialRequest):
    """The limits to change."""

    open_orders: Annotated[int, Field(ge=0, le=1_000_000)] | None = Field(
        None,
        description="The maximum number of open orders of this user, in place of the shop's limit. 0 refuses every new "
        "order; null returns to the shop's limit.",
        examples=[50],
    )


class UserLimitsResponse(Response):
    """The limits of a user's orders."""

    open_orders: int | None = Field(
        description="The user's own maximum number of open orders; null if the shop's limit applies.", examples=[50]
    )
    current_open_orders: int = Field(
        description="The number of the user's open orders. It lags by seconds.", examples=[3]
    )

    @classmethod
    def of(cls, user: User) -> Self:
        return cls(open_orders=user.open_orders_limit, current_open_orders=user.open_orders)


class UserResponse(Response):
    """A user's account."""

    id: str = Field(description="The id of the user.", examples=["YVT65M7QNAW9TXAQ7PHA"])
    email: str = Field(description="The e-mail address.", examples=["alice@demo.example"])
    email_verified: bool = Field(
        description="Whether the user has followed the link in a mail to this address.", examples=[True]
    )
    first_name: str = Field(description="The first name.", examples=["Alice"])
    last_name: str | None = Field(description="The last name.", examples=["Moreau"])
    role: UserRole = Field(description="The user's role.", examples=["customer"])
    status: UserStatus = Field(description="`disabled` users cannot sign in.", examples=["active"])
    created_at: Timestamp = Field(description="When the account was created.")

    @classmethod
    def of(cls, user: User) -> Self:
        return cls.model_validate({name: getattr(user, name) for name in cls.model_fields})


class RegisteredUserResponse(UserResponse):
    """The new account, and the token that makes this device known."""

    device_token: str = Field(
        description="Send it with the first sign-in, so that failed sign-ins of others cannot lock you out.",
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
    """A session. It begins with a sign-in on one device."""

    id: str = Field(description="The id of the session.", examples=["0C8Z4V6T2R9QKX1M5N7P"])
    created_at: Timestamp = Field(description="When the user signed in.")
    refreshed_at: Timestamp = Field(description="When its tokens were last refreshed.")
    address: str = Field(description="The client's IP address at the sign-in.", examples=["198.51.100.7"])
    user_agent: str = Field(description="The client's `User-Agent` at the sign-in.", examples=["Mozilla/5.0"])
    current: bool = Field(description="Whether this request belongs to the session.", examples=[True])
    expires_at: Timestamp = Field(description="When the session ends at the latest.")

    @classmethod
    def of(cls, session: Session, *, current: bool) -> Self:
        names = ("id", "created_at", "refreshed_at", "address", "user_agent")
        copied = {name: getattr(session, name) for name in names}
        return cls(**copied, current=current, expires_at=at_second(session.expires_at))


class SessionPage(Response):
    """A page of sessions."""

    items: list[SessionResponse] = Field(description="The sessions of this page.")
    next_cursor: NextCursor


class TokensResponse(Response):
    """A pair of tokens."""

    access_token: str = Field(
        description="The token for the `Authorization` header: `Bearer <access_token>`.",
        examples=["eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJZVlQ2NU0ifQ.c2ln"],
    )
    refresh_token: str | None = Field(
        description="The token for one call of `POST /api/v1/auth/refresh`. Keep it secret. Null only if the request "
        "wanted a cookie, or the cookie had the old token.",
        examples=["YVT65M7QNAW9TXAQ7PHA.0C8Z4V6T2R9QKX1M5N7P.k3v0b2"],
    )
    token_type: Literal["Bearer"] = Field(
        "Bearer",
        description="The scheme of the `Authorization` header.",
    )
    expires_in: int = Field(description="Seconds until the access token expires.", examples=[3600])
    refresh_expires_in: int = Field(
        description="Seconds until the refresh token, and all its successors, expire.", examples=[604800]
    )


class LoginResponse(TokensResponse):
    """A pair of tokens, and the token that makes this device known."""

    device_token: str | None = Field(
        description="Send it with the next sign-in, so that failed sign-ins of others cannot lock you out. Null only "
        "if the request wanted a cookie.",
        examples=["Zk3v0b2m9xq7"],
    )
