"""The buyer of an order, and its reference in another system, in requests and responses."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from oms.core.address_schemas import PhoneNumber
from oms.core.schemas import INVISIBLE_IS_NULL, EmailAddress, KeyName, Prose, Request, Response, TextPattern

_LOCALE = TextPattern(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}", "must be a language tag such as de or pt-BR")
_CHANNEL = TextPattern(
    r"[a-z0-9][a-z0-9._-]*", "must have only a-z, 0-9, dots, dashes and underscores, and begin with a letter or digit"
)

_ID = "The id of the customer's account."
_EMAIL = "The e-mail address to which the order's mails are sent."
_NAME = "The contact's name."
_PHONE = "The contact's phone number."
_LOCALE_TEXT = "The contact's language, as a BCP 47 tag."
_USER_ID, _PERSON, _NUMBER, _LANGUAGE = "YVT65M7QNAW9TXAQ7PHA", "Ada Lovelace", "+33 4 72 00 00 00", "fr-FR"


class OrderCustomer(Request):
    """The customer for whom an order is: `id` of an account, or the contact of a person without one."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = Field(
        None, description=f"{_ID} No other field is allowed beside it.", examples=[_USER_ID]
    )
    email: EmailAddress | None = Field(None, description=_EMAIL, examples=["ada@example.org"])
    name: Annotated[Annotated[str, Prose(200, one_line=True)] | None, INVISIBLE_IS_NULL] = Field(
        None, description=_NAME, examples=[_PERSON]
    )
    phone: PhoneNumber = Field(None, description=_PHONE, examples=[_NUMBER])
    locale: Annotated[str, StringConstraints(max_length=35), _LOCALE] | None = Field(
        None, description=_LOCALE_TEXT, examples=[_LANGUAGE]
    )

    @model_validator(mode="after")
    def _is_account_or_contact(self) -> Self:
        if (self.id is None) == (self.email is None):
            raise ValueError("must have either id or email")
        if self.id is not None and (self.name, self.phone, self.locale) != (None, None, None):
            raise ValueError("must not have further fields beside id, since the account has them")
        return self

    def contact(self) -> dict[str, str | None]:
        """Returns the contact in the form in which an order stores it."""
        return self.model_dump(exclude={"id"})


class ExternalRefRequest(Request):
    """The order's id in another system, such as a marketplace. It names one order only."""

    channel: Annotated[str, StringConstraints(min_length=1, max_length=40), _CHANNEL] = Field(
        description="The name of the other system.", examples=["amazon-de"]
    )
    id: Annotated[str, KeyName(128)] = Field(
        description="The id of the order there. Upper and lower case differ.", examples=["302-1234567-1234567"]
    )


class ExternalRefResponse(Response):
    """The order's id in another system."""

    channel: str = Field(description="The name of the other system.", examples=["amazon-de"])
    id: str = Field(description="The id of the order there.", examples=["302-1234567-1234567"])


class ContactResponse(Response):
    """The contact of an order that was placed for a person without an account."""

    email: str = Field(description=_EMAIL, examples=["ada@example.org"])
    name: str | None = Field(description=_NAME, examples=[_PERSON])
    phone: str | None = Field(description=_PHONE, examples=[_NUMBER])
    locale: str | None = Field(description=_LOCALE_TEXT, examples=[_LANGUAGE])
