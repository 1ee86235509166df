"""The demo data of the local stage: accounts, and forty products with the ids 1 to 40 in six categories."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Literal, NamedTuple

type Role = Literal["customer", "manager", "admin"]

PASSWORD = "demo-pass-123"  # noqa: S105  printed by `make up`; the local stage only
# A service key with all scopes, in this repository so that examples can be copied. Only the stage `local` accepts it.
SERVICE_KEY = "oms_local_000000000000DEMOSHOP_ItIsInThePublicRepositoryAndOpensOnlyTheDem3b3hxS"
# e-mail → (role, first name, last name)
ACCOUNTS: dict[str, tuple[Role, str, str]] = {
    "admin@demo.example": ("admin", "Ada", "Lindqvist"),
    "manager@demo.example": ("manager", "Mara", "Okafor"),
    "alice@demo.example": ("customer", "Alice", "Moreau"),
    "bob@demo.example": ("customer", "Bob", "Tanaka"),
}


# The approximate value of one euro in a currency, as a power of ten. Other currencies have 10**0.
_CURRENCIES_BY_POWER = {
    -2: "CLF UYW",
    1: "AED BOB BRL BWP BYN CNY CUP CZK DKK ERN GEL GHS GTQ HKD HNL ILS LSL LYD MAD MDL MOP MVR MXN MYR NAD NOK PEN "
    "PGK PLN QAR RON SAR SBD SCR SEK SLE STN SVC SZL TJS TMT TND TTD UYI WST ZAR ZMW ZWG",
    2: "AFN ALL BDT BTN CVE DJF DOP DZD EGP ETB GMD GYD HTG INR ISK JMD JPY KES KGS LRD MKD MRU MUR MZN NIO NPR PHP "
    "RSD RUB SRD THB TRY TWD UAH UYU VES VUV XPF YER",
    3: "AMD AOA ARS CDF CLP CRC HUF IQD KMF KPW KRW KZT LKR MMK MWK NGN PKR RWF SDG SOS TZS XAF XOF",
    4: "BIF COP GNF IDR KHR LAK MGA MNT PYG SSP SYP UGX UZS VND",
    5: "LBP",
    6: "IRR",
}
_POWER_OF = {currency: power for power, currencies in _CURRENCIES_BY_POWER.items() for currency in currencies.split()}


def amount_in(currency: str, digits: int, euros: str) -> str:
    """Converts an amount approximately to a currency with `digits` decimals: 24.90 euros become 2490 yen or 24.900
    dinars.
    """
    amount = Decimal(euros).scaleb(_POWER_OF.get(currency, 0))
    return f"{amount.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP):f}"


class DemoProduct(NamedTuple):
    """A product of the demo data. `price` is in euros: see `amount_in`."""

    sku: str
    name: str
    price: str
    stock: int


CATALOGUE: dict[str, list[DemoProduct]] = {
    "Coffee": [
        DemoProduct("COF-ESP-1000", "Espresso Beans Monte Chiaro, 1 kg", "24.90", 5000),
        DemoProduct("COF-FIL-0500", "Filter Coffee Yirgacheffe, 500 g", "14.50", 5000),
        DemoProduct("COF-DEC-0500", "Decaf Coffee Huila, 500 g", "15.20", 320),
        DemoProduct("COF-GRI-HAND", "Hand Coffee Grinder, Steel Burrs", "89.00", 45),
        DemoProduct("COF-MOK-0006", "Moka Pot, 6 Cups", "38.50", 80),
        DemoProduct("COF-PRS-1000", "French Press, 1 l", "42.00", 64),
        DemoProduct("COF-KET-GOOS", "Gooseneck Kettle, 0.9 l", "74.90", 3),
    ],
    "Tea": [
        DemoProduct("TEA-ASM-0250", "Assam Second Flush, 250 g", "13.80", 210),
        DemoProduct("TEA-DAR-0100", "Darjeeling First Flush, 100 g", "16.40", 140),
        DemoProduct("TEA-SEN-0100", "Sencha Kagoshima, 100 g", "18.90", 120),
        DemoProduct("TEA-OOL-0100", "Oolong Tie Guan Yin, 100 g", "21.50", 75),
        DemoProduct("TEA-ROO-0250", "Rooibos Vanilla, 250 g", "9.90", 260),
        DemoProduct("TEA-POT-0800", "Glass Teapot with Strainer, 0.8 l", "34.00", 58),
        DemoProduct("TEA-CUP-SET4", "Stoneware Tea Cups, Set of 4", "46.00", 0),
    ],
    "Kitchen": [
        DemoProduct("KIT-KNI-CHEF", "Chef's Knife, 20 cm", "119.00", 37),
        DemoProduct("KIT-BRD-OAK1", "Oak Cutting Board, 40 × 28 cm", "54.90", 92),
        DemoProduct("KIT-PAN-IR28", "Cast Iron Skillet, 28 cm", "68.00", 71),
        DemoProduct("KIT-POT-ST24", "Stockpot with Lid, 24 cm", "84.50", 29),
        DemoProduct("KIT-SCL-5000", "Digital Kitchen Scale, 5 kg", "32.90", 150),
        DemoProduct("KIT-MIL-PEPP", "Pepper Mill, Beech", "27.50", 4),
        DemoProduct("KIT-TOW-SET3", "Linen Tea Towels, Set of 3", "24.00", 185),
    ],
    "Office": [
        DemoProduct("OFF-NOT-A5DO", "Dotted Notebook A5, 192 Pages", "17.90", 400),
        DemoProduct("OFF-PEN-FOUN", "Fountain Pen, Medium Nib", "48.00", 66),
        DemoProduct("OFF-INK-BLUE", "Bottled Ink, Midnight Blue, 50 ml", "14.00", 130),
        DemoProduct("OFF-LMP-DESK", "LED Desk Lamp with Clamp", "79.00", 41),
        DemoProduct("OFF-ORG-BAMB", "Bamboo Desk Organizer", "36.50", 53),
        DemoProduct("OFF-CAL-WALL", "Wall Calendar, A3", "19.90", 2),
        DemoProduct("OFF-CLP-BRAS", "Brass Paper Clips, Box of 50", "8.40", 520),
    ],
    "Travel": [
        DemoProduct("TRA-BAG-WEEK", "Canvas Weekender Bag, 40 l", "139.00", 24),
        DemoProduct("TRA-BOT-0750", "Insulated Bottle, 0.75 l", "31.90", 310),
        DemoProduct("TRA-ADA-UNIV", "Universal Plug Adapter, 65 W", "44.00", 96),
        DemoProduct("TRA-PIL-NECK", "Memory Foam Neck Pillow", "29.50", 77),
        DemoProduct("TRA-ORG-CABL", "Cable Organizer Pouch", "22.00", 140),
        DemoProduct("TRA-UMB-MINI", "Compact Umbrella, Windproof", "35.00", 0),
    ],
    "Garden": [
        DemoProduct("GAR-SEC-BYPA", "Bypass Secateurs, Ash Handles", "52.00", 61),
        DemoProduct("GAR-TRO-STEE", "Hand Trowel, Stainless Steel", "23.50", 118),
        DemoProduct("GAR-CAN-0009", "Galvanized Watering Can, 9 l", "39.90", 44),
        DemoProduct("GAR-GLO-LEAT", "Leather Gardening Gloves, Size M", "28.00", 83),
        DemoProduct("GAR-SED-HERB", "Herb Seed Collection, 8 Packets", "15.90", 275),
        DemoProduct("GAR-LAN-SOLA", "Solar Lantern, Rattan", "33.00", 5),
    ],
}
