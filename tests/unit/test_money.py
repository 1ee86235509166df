import json
import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from oms.core import money, settings
from oms.core.money import MAX_MINOR_UNITS, from_text, to_minor_units, to_text
from oms.core.money_fields import Money

DIGITS = {"JPY": 0, "EUR": 2, "KWD": 3}
# The currency is set once for all examples.
per_currency = hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def use(currency: str) -> None:
        chosen = settings.read({"OMS_CURRENCY": currency, "OMS_SHIPPING_MAX": "1000"})
        monkeypatch.setattr(money, "settings", lambda: chosen)

    return use


@pytest.fixture(params=sorted(DIGITS))
def digits(request: pytest.FixtureRequest, use: Callable[[str], None]) -> int:
    """The decimals of the currency in use: none, two or three."""
    use(request.param)
    return DIGITS[request.param]


@per_currency
@given(st.integers(0, MAX_MINOR_UNITS))
def test_what_goes_out_comes_back_in_as_it_was(digits: int, minor_units: int) -> None:
    shown = to_text(minor_units)

    assert to_minor_units(shown) == to_minor_units(Decimal(shown)) == minor_units
    assert len(shown.partition(".")[2]) == digits


@per_currency
@given(st.integers() | st.integers(-(10**40), 10**40))
def test_the_systems_own_text_is_read_back_for_any_amount(digits: int, minor_units: int) -> None:
    assert from_text(to_text(minor_units)) == minor_units


@pytest.mark.parametrize("text", ["", "10", "10.0", "10.000", ".00", "10.", "1e2", "+1.00", " 1.00", "1.00\n", "１.00"])
def test_text_that_the_system_does_not_write_is_no_amount(use: Callable[[str], None], text: str) -> None:
    use("EUR")

    with pytest.raises(ValueError, match="is not an amount with 2 decimals"):
        from_text(text)


@per_currency
@given(
    st.one_of(
        st.decimals(allow_nan=False, allow_infinity=False),
        st.decimals(-1, 10**13, places=4),
        st.decimals(0, 1000, places=3),
        st.integers(-10, 10**13).map(Decimal),
    )
)
def test_an_amount_is_taken_exactly_or_refused(digits: int, amount: Decimal) -> None:
    exact = Fraction(amount) * 10**digits
    expected = int(exact) if exact.denominator == 1 and 0 <= exact <= MAX_MINOR_UNITS else None

    assert taken(amount) == expected


@per_currency
@given(st.from_regex(r"-?\d{1,14}(\.\d{1,5})?", fullmatch=True, alphabet=st.characters(codec="ascii")))
def test_a_plain_string_means_the_same_as_the_number(digits: int, text: str) -> None:
    assert taken(text) == taken(Decimal(text))


@per_currency
@given(st.text(max_size=20) | st.floats().map(str) | st.decimals().map(str))
def test_no_text_does_more_than_be_refused(digits: int, text: str) -> None:
    units = taken(text)

    assert units is None or Fraction(text) * 10**digits == units


@pytest.mark.parametrize("text", ["-0", "-0.00", "0", "007.50", "-0.01", "-1", "1.", ".5", "+1", "1e1", "", "-", "1\n"])
def test_the_documented_pattern_is_of_the_texts_that_are_taken(use: Callable[[str], None], text: str) -> None:
    use("EUR")
    pattern = next(it["pattern"] for it in TypeAdapter(Money).json_schema()["anyOf"] if "pattern" in it)

    assert bool(re.fullmatch(pattern, text, re.ASCII)) == (taken(text) is not None)


def taken(amount: Any) -> int | None:
    try:
        return to_minor_units(amount)
    except ValueError:
        return None


@pytest.mark.parametrize(
    ("body", "cents"),
    [
        ("10", 1000),
        ("10.00", 1000),
        ("10.000", 1000),
        ("1e1", 1000),
        ("1E-2", 1),
        ('"10"', 1000),
        ('"10.00"', 1000),
        ('"10.000"', 1000),
        ('"007.50"', 750),
        ("0", 0),
        ("-0", 0),
        ("-0.00", 0),
        ("0.1", 10),
        ("19.99", 1999),
        ("10000000000", MAX_MINOR_UNITS),
        ('"10000000000.00"', MAX_MINOR_UNITS),
    ],
)
def test_json_amounts_that_are_taken(body: str, cents: int) -> None:
    assert to_minor_units(json.loads(body, parse_float=Decimal)) == cents


@pytest.mark.parametrize(
    "amount",
    [
        True,
        False,
        None,
        [],
        {},
        10.0,  # no float gets this far: the body's parser creates Decimals
        "1e1",
        "1E1",
        "NaN",
        "Infinity",
        "-Infinity",
        "sNaN",
        "",
        " 10",
        "10 ",
        "10\n",
        "+10",
        ".5",
        "5.",
        "1_000",
        "1,000",
        "0x10",
        "١٠",  # Arabic-Indic digits
        "１０",  # full-width digits
        "10" * 21,
        "-1",
        -1,
        Decimal("-0.01"),
        Decimal("10.001"),
        "10.001",
        Decimal("0.001"),
        Decimal("1e-999999"),
        Decimal("1e999999"),
        Decimal("1e999999999999999999"),
        Decimal("10000000000.01"),
        10**4000,
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        Decimal("-Infinity"),
    ],
    ids=lambda amount: repr(amount)[:30],
)
def test_amounts_that_are_refused(amount: Any) -> None:
    with pytest.raises(ValueError, match=r"must be|decimals"):
        to_minor_units(amount)


def test_a_currency_without_decimals_takes_none(use: Callable[[str], None]) -> None:
    use("JPY")

    assert to_minor_units(Decimal("10.00")) == 10
    assert taken(Decimal("10.5")) is None
    assert to_text(10) == "10"


def test_a_currency_with_three_decimals_takes_three(use: Callable[[str], None]) -> None:
    use("KWD")

    assert to_minor_units("10.125") == 10125
    assert taken("10.1255") is None
    assert to_text(5) == "0.005"


def test_the_range_in_a_refusal_is_the_currencys(use: Callable[[str], None]) -> None:
    use("KWD")

    with pytest.raises(ValueError, match=r"between 0 and 1000000000\.000"):
        to_minor_units(10**12)
