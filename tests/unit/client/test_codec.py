"""Amounts, times and absent fields, in requests and responses."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal

import httpx
import pytest

from oms_client import UNSET, OmsClient, models
from oms_client.codec import DecodeError, ResponseModel, decode, encode
from oms_client.exchange import etag, quoted
from tests.support.client import URL, scripted


@dataclass(kw_only=True)
class Move(ResponseModel):
    """A model of responses that no change of the document changes."""

    from_: str | None
    to: Literal["pending", "shipped"]
    at: datetime
    tags: list[str]


MOVE = {"from": None, "to": "pending", "at": "2026-01-31T09:30:00.000Z", "tags": []}
LINE = {"product_id": "1", "sku": "A", "name": "N", "category": "C", "quantity": 2, "unit_price": "10.10"}


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (Decimal("9.90"), "9.90"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1E-7"), "0.0000001"),
        (10, 10),
        (datetime(2026, 1, 31, 10, 30, tzinfo=timezone(timedelta(hours=1))), "2026-01-31T09:30:00.000Z"),
        (date(2026, 1, 31), "2026-01-31"),
        ([models.OrderItem(product_id="1", quantity=2)], [{"product_id": "1", "quantity": 2}]),
        ({"a": UNSET, "b": None}, {"b": None}),
    ],
)
def test_a_value_is_encoded_exactly(value: Any, sent: Any) -> None:
    assert encode(value) == sent


@pytest.mark.parametrize("value", [9.9, b"9", object()])
def test_a_float_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="Decimal"):
        encode({"price": value})


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), datetime(2026, 1, 1)])  # noqa: DTZ001
def test_a_value_without_a_meaning_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"is not an amount|no time zone"):
        encode(value)


def test_amounts_are_decimals_and_times_are_aware() -> None:
    line = decode(models.LineResponse, LINE | {"line_total": "20.20"})
    moved = decode(Move, MOVE)

    assert (line.unit_price, type(line.unit_price)) == (Decimal("10.10"), Decimal)
    assert (moved.from_, moved.at) == (None, datetime(2026, 1, 31, 9, 30, tzinfo=UTC))


def test_later_versions_may_add_fields_and_values() -> None:
    line = decode(models.LineResponse, LINE | {"line_total": "20.20", "weight": 3})

    assert line.quantity == 2
    assert decode(Move, MOVE | {"to": "held"}).to == "held"


@pytest.mark.parametrize(
    ("change", "place"),
    [({"quantity": "2"}, "#/quantity"), ({"quantity": True}, "#/quantity"), ({"line_total": "x"}, "#/line_total")],
)
def test_another_type_is_an_error_that_names_the_place(change: dict[str, Any], place: str) -> None:
    with pytest.raises(DecodeError, match=place):
        decode(models.LineResponse, LINE | {"line_total": "20.20"} | change)


def test_a_field_that_an_earlier_version_lacks_is_empty() -> None:
    page: Any = decode(models.CategoryList, {"items": []})

    assert page.next_cursor is None
    assert decode(models.CategoryList, {}).items == []
    with pytest.raises(DecodeError, match="#/to is missing"):
        decode(Move, {})


def test_only_given_fields_are_sent_and_none_is_null() -> None:
    sent: list[httpx.Request] = []
    product = httpx.Response(422, json={})

    client = OmsClient(URL, key="k", transport=scripted([product], sent))
    with pytest.raises(Exception, match="422"):
        client.inventory.update_product("p", description=None, price=Decimal("9.90"))

    assert json.loads(sent[0].content) == {"description": None, "price": "9.90"}


def test_a_version_is_taken_from_what_the_caller_has() -> None:
    assert [etag(it) for it in (3, "3", '"3"', "*", None)] == ['"3"', '"3"', '"3"', "*", None]


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_an_id_cannot_leave_its_place_in_the_path(value: str) -> None:
    assert quoted("a/b?c#d") == "a%2Fb%3Fc%23d"
    with pytest.raises(ValueError, match="is not an id"):
        quoted(value)
