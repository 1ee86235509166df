"""Postal addresses: their request and response, and the form in which items store them."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from oms.core.schemas import INVISIBLE_IS_NULL, OptionalLine, Prose, Request, RequiredText, Response

# The officially assigned codes of ISO 3166-1 alpha-2.
_COUNTRY_CODES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""
COUNTRIES = frozenset(_COUNTRY_CODES.split())


def _country(code: str) -> str:
    if code not in COUNTRIES:
        raise ValueError("must be an ISO 3166-1 alpha-2 code, such as DE")
    return code


CountryCode = Annotated[str, AfterValidator(_country)]
PhoneNumber = Annotated[Annotated[str, Prose(50, one_line=True)] | None, INVISIBLE_IS_NULL]


class PostalAddress(Request):
    """A postal address, with the company and a phone number if the carrier needs them."""

    name: RequiredText = Field(description="The recipient: a person or a company.", examples=["Alice Moreau"])
    company: OptionalLine = Field(None, description="The company of the recipient.", examples=["Moreau & Fils SARL"])
    line1: RequiredText = Field(description="Street and number, or a post office box.", examples=["12 Rue des Lilas"])
    line2: OptionalLine = Field(
        None, description="Further lines, such as building, floor or care of.", examples=["Bâtiment B"]
    )
    city: RequiredText = Field(description="The city or town.", examples=["Lyon"])
    postal_code: OptionalLine = Field(
        None, description="The postal code. Omit it for countries that have none, such as HK or AE.", examples=["69003"]
    )
    region: OptionalLine = Field(
        None,
        description="The state, province or county, if addresses of the country have one.",
        examples=["Auvergne-Rhône-Alpes"],
    )
    country: CountryCode = Field(description="The country's ISO 3166-1 alpha-2 code, in capitals.", examples=["FR"])
    phone: PhoneNumber = Field(
        None, description="A phone number for the carrier, as people write it.", examples=["+33 4 72 00 00 00"]
    )

    def stored(self) -> dict[str, str | None]:
        """Returns the address in the form in which items store it.

        A missing postal code becomes empty text, since earlier versions of the code cannot read null there.
        """
        return self.model_dump() | {"postal_code": self.postal_code or ""}


class AddressResponse(Response):
    """A postal address."""

    name: str = Field(description="The recipient.", examples=["Alice Moreau"])
    company: str | None = Field(description="The company of the recipient.", examples=["Moreau & Fils SARL"])
    line1: str = Field(description="Street and number, or a post office box.", examples=["12 Rue des Lilas"])
    line2: str | None = Field(description="Further lines, such as building, floor or care of.", examples=["Bâtiment B"])
    city: str = Field(description="The city or town.", examples=["Lyon"])
    postal_code: str | None = Field(
        description="The postal code; null in countries that have none.", examples=["69003"]
    )
    region: str | None = Field(description="State, province or county.", examples=["Auvergne-Rhône-Alpes"])
    country: str = Field(description="The country's ISO 3166-1 alpha-2 code.", examples=["FR"])
    phone: str | None = Field(description="A phone number for the carrier.", examples=["+33 4 72 00 00 00"])


def shown_address(stored: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Returns the fields of AddressResponse of a stored address, which has empty text for a missing postal code.

    Addresses of earlier versions have neither company nor phone.
    """
    if not stored:
        return None
    return {name: stored.get(name) for name in _FIELDS} | {"postal_code": stored["postal_code"] or None}


_FIELDS = tuple(AddressResponse.model_fields)
