"""Requests and responses of the routes for the saved addresses of a user."""

from typing import Annotated

from pydantic import Field

from oms.core.address_schemas import AddressResponse, CountryCode, PhoneNumber, PostalAddress
from oms.core.schemas import (
    INVISIBLE_IS_NULL,
    NextCursor,
    OptionalLine,
    PartialRequest,
    Prose,
    RequiredText,
    Response,
    Timestamp,
)

Label = Annotated[Annotated[str, Prose(100, one_line=True)] | None, INVISIBLE_IS_NULL]


class AddAddressRequest(PostalAddress):
    """An address to save."""

    label: Label = Field(None, description="The user's own name of the address.", examples=["Home"])
    default_shipping: bool = Field(
        False,
        description="`true`: preselect it as the shipping address, in place of any other. Default: `false`.",
        examples=[True],
    )
    default_billing: bool = Field(
        False,
        description="`true`: preselect it as the billing address, in place of any other. Default: `false`.",
        examples=[False],
    )


class UpdateAddressRequest(PartialRequest):
    """Fields to change. Omitted fields are unchanged; null clears a field."""

    name: RequiredText = Field(
        default_factory=str, description="The recipient: a person or a company.", examples=["Alice Moreau"]
    )
    company: OptionalLine = Field(
        None, description="The company of the recipient; null clears it.", examples=["Moreau & Fils SARL"]
    )
    line1: RequiredText = Field(
        default_factory=str, description="Street and number, or a post office box.", examples=["12 Rue des Lilas"]
    )
    line2: OptionalLine = Field(None, description="Further lines; null clears them.", examples=["Bâtiment B"])
    city: RequiredText = Field(default_factory=str, description="The city or town.", examples=["Lyon"])
    postal_code: OptionalLine = Field(None, description="The postal code; null clears it.", examples=["69003"])
    region: OptionalLine = Field(
        None, description="The state, province or county; null clears it.", examples=["Auvergne-Rhône-Alpes"]
    )
    country: CountryCode = Field(
        default_factory=str, description="The country's ISO 3166-1 alpha-2 code, in capitals.", examples=["FR"]
    )
    phone: PhoneNumber = Field(
        None, description="A phone number for the carrier; null clears it.", examples=["+33 4 72 00 00 00"]
    )
    label: Label = Field(None, description="The user's own name of the address; null clears it.", examples=["Home"])
    default_shipping: bool = Field(
        default_factory=bool,
        description="`true`: preselect it as the shipping address, in place of any other.",
        examples=[True],
    )
    default_billing: bool = Field(
        default_factory=bool,
        description="`true`: preselect it as the billing address, in place of any other.",
        examples=[False],
    )


class SavedAddressResponse(AddressResponse):
    """A saved address."""

    id: str = Field(description="The id of the address.", examples=["0C8Z4V6T2R9QKX1M5N7P"])
    label: str | None = Field(description="The user's own name of the address.", examples=["Home"])
    default_shipping: bool = Field(
        description="Whether it is preselected as the shipping address: at most one is.", examples=[True]
    )
    default_billing: bool = Field(
        description="Whether it is preselected as the billing address: at most one is.", examples=[False]
    )
    version: int = Field(description="The version, which each change raises; also in the `ETag`.", examples=[1])
    created_at: Timestamp = Field(description="When the address was saved.")
    updated_at: Timestamp = Field(description="When the address last changed.")


class SavedAddressList(Response):
    """All saved addresses of a user."""

    items: list[SavedAddressResponse] = Field(description="The addresses, oldest first. At most 20.")
    next_cursor: NextCursor = None
