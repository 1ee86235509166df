"""Texts for people are visible, in every request; names that are keys have one form."""

import importlib
import pkgutil
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, TypeAliasType, Union, get_args, get_origin

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

import oms
from oms.core import texts
from oms.core.schemas import KeyName, Request, VisibleText

INVISIBLE = [
    "",
    " ",
    "\t",
    "\n",
    "\u00a0\u3000",
    "\u00ad",
    "\u034f",
    "\u115f\u1160",
    "\u17b4",
    "\u200b",
    "\u200d",
    "\u2060",
    "\u2028",
    "\u2800",
    "\u3164",
    "\ufe0f",
    "\ufeff",
    "\uffa0",
    "\U0001d159",
    "\U000e0041",
    "\u2065",
    "\ufff0",
    "\U000e0080",
    " \u200b\u3164 ",
]
# May be empty, so that an invisible text does no harm.
MAY_BE_EMPTY = {"attributes[value]"}
# Have a form, so that they are never invisible: an https URL, times, a language tag, an e-mail address.
NO_PROSE = {"tracking_url", "from_", "to", "expires_at", "locale", "OrderCustomer.email"}
# Names an existing object, or has a grammar: another check refuses other values.
LOOKED_UP = {"product_id", "url", "events", "schedule", "status", "columns", "OrderCustomer.id"}
# An optional list of texts: a text in it that shows nothing is refused.
LISTS = {"tags"}
# Compared with the stored value, and never shown.
NOT_SHOWN = {
    "LoginRequest.email",
    "ForgotPasswordRequest.email",
    "current_password",
    "new_password",
    "password",
    "device_token",
    "refresh_token",
    "token",
}


def requests() -> list[type[Request]]:
    """Returns every body of a route and row of an import: the subclasses of Request, once all are imported."""
    for module in pkgutil.walk_packages(oms.__path__, "oms."):
        if module.name.endswith("schemas") or module.name.startswith("oms.imports."):
            importlib.import_module(module.name)
    found: list[type[Request]] = []
    waiting = Request.__subclasses__()
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += one.__subclasses__()
    return found


def strings(kind: Any, metadata: tuple[Any, ...] = (), place: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the text types within a field's type, each with its constraints."""
    if isinstance(kind, TypeAliasType):
        kind = kind.__value__
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        yield from strings(arguments[0], (*arguments[1:], *metadata), place)
    elif origin in (Union, UnionType):
        rest = [it for it in arguments if it is not type(None)]
        yield from (leaf for it in rest for leaf in strings(it, metadata if len(rest) == 1 else (), place))
    elif origin is dict:
        yield from strings(arguments[0], (), f"{place}[name]")
        yield from strings(arguments[1], (), f"{place}[value]")
    elif origin in (list, tuple):
        yield from (leaf for it in arguments if it is not ... for leaf in strings(it, (), place))
    elif kind is str:
        yield place, Annotated[str, *metadata] if metadata else str
    else:
        known = origin is Literal or kind in (int, bool) or (isinstance(kind, type) and issubclass(kind, BaseModel))
        assert known, f"{place}: what texts are in {kind}?"


def texts_of_requests() -> list[tuple[str, Any]]:
    found = []
    for model in requests():
        for name, field in model.model_fields.items():
            for place, kind in strings(field.annotation, tuple(field.metadata), name):
                excused = {place, f"{model.__name__}.{place}"} & (MAY_BE_EMPTY | LOOKED_UP | NOT_SHOWN)
                if not excused:
                    found.append((f"{model.__name__}.{place}", kind))
    return sorted(found, key=lambda it: it[0])  # workers of xdist import in different orders


def test_the_walk_meets_the_texts_of_each_domain() -> None:
    places = {place for place, _ in texts_of_requests()}
    assert {
        "ShipRequest.carrier",
        "PostalAddress.city",
        "CreateProductRequest.category",
        "CreateProductRequest.attributes[name]",
        "AdjustStockRequest.reason",
        "RegisterRequest.last_name",
        "UpdateMeRequest.first_name",
        "CreateScheduleRequest.recipients",
    } <= places


@pytest.mark.parametrize(("place", "kind"), texts_of_requests())
def test_no_text_that_is_to_be_read_is_invisible(place: str, kind: Any) -> None:
    adapter = TypeAdapter(kind)
    accepted = []
    for text in INVISIBLE:
        try:
            adapter.validate_python(text, strict=True)
        except ValidationError:
            continue
        accepted.append(text)
    assert accepted == [], f"{place} accepts invisible texts"


def optional_texts() -> list[tuple[str, Any]]:
    found = [
        (f"{model.__name__}.{name}", Annotated[field.annotation, "as the field has it", *field.metadata])
        for model in requests()
        for name, field in model.model_fields.items()
        if field.default is None
        and not {name, f"{model.__name__}.{name}"} & (LOOKED_UP | NOT_SHOWN | NO_PROSE)
        and get_origin(field.annotation) in (Union, UnionType)
        and name not in LISTS
        and [place for place, _ in strings(field.annotation, (), name)] == [name]
    ]
    return sorted(found, key=lambda it: it[0])


def test_the_walk_meets_all_optional_texts() -> None:
    assert {place for place, _ in optional_texts()} == {
        *(
            f"{model}.{name}"
            for model in ("AddAddressRequest", "UpdateAddressRequest")
            for name in ("company", "label", "line2", "phone", "postal_code", "region")
        ),
        "CancelRequest.reason",
        "CountedRow.reason",
        "CreateOrderRequest.note",
        "CreateOrderRequest.purchase_order",
        "CreateProductRequest.description",
        "CreateWebhookRequest.description",
        "ProductFields.description",
        "OrderCustomer.name",
        "OrderCustomer.phone",
        "PostalAddress.company",
        "PostalAddress.line2",
        "PostalAddress.phone",
        "PostalAddress.postal_code",
        "PostalAddress.region",
        "RegisterRequest.last_name",
        "ReplaceProductRequest.description",
        "ReturnRequest.reason",
        "UpdateMeRequest.last_name",
        "UpdateOrderRequest.note",
        "UpdateOrderRequest.purchase_order",
        "UpdateProductRequest.description",
        "UpdateWebhookRequest.description",
    }


@pytest.mark.parametrize(("place", "kind"), optional_texts())
def test_an_optional_text_that_shows_nothing_is_null(place: str, kind: Any) -> None:
    adapter = TypeAdapter(kind)

    assert {ascii(it): adapter.validate_python(it, strict=True) for it in INVISIBLE} == dict.fromkeys(
        map(ascii, INVISIBLE)
    )
    assert adapter.validate_python(" \u00a0a b\n", strict=True) == "a b", place
    assert adapter.validate_python(None, strict=True) is None


LINE: TypeAdapter[str] = TypeAdapter(Annotated[str, VisibleText(5)])
KEY: TypeAdapter[str] = TypeAdapter(Annotated[str, KeyName(5)])


@pytest.mark.parametrize("text", ["A", "-", "7", "ا", "한", "🙂", "e\u0301", "\u3164A", "می\u200cشد"])
def test_text_with_anything_visible_is_kept(text: str) -> None:
    assert LINE.validate_python(f" \u00a0{text}\n") == text


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\x00b", "a\u2028b", "a\x85b", "\x1ba"])
def test_a_line_has_no_line_breaks_or_control_characters(text: str) -> None:
    for adapter in (LINE, KEY):
        with pytest.raises(ValidationError, match="must be one line"):
            adapter.validate_python(text)


def test_a_length_is_counted_without_the_blanks_around_it() -> None:
    assert LINE.validate_python("  abcde  ") == "abcde"
    with pytest.raises(ValidationError, match="at most 5 characters"):
        LINE.validate_python("abcdef")


@pytest.mark.parametrize(
    "text",
    ["Café x", "Cafe\u0301 x", " Café  x ", "Ca\u200bfé x", "\ufeffCafé\u00a0x", "Caf\u00ad\u00e9\u3000 x\u2060"],
)
def test_a_name_that_is_a_key_has_one_form(text: str) -> None:
    assert texts.key_name(text) == "Café x"


@pytest.mark.parametrize(
    "text",
    [
        "\nBugs\t",
        "Bugs\u200d",
        "Bu\u200cgs",
        "Bugs\ufe0f",
        "\u034fBugs",
        "Bugs\u3164",
        "\u2800 Bugs",
        "Bugs\ufe0f\u200d",
    ],
    ids=ascii,
)
def test_nothing_that_is_not_seen_makes_a_name_another_one(text: str) -> None:
    assert texts.key_name(text) == "Bugs"
    assert TypeAdapter(Annotated[str, KeyName(5)]).validate_python(text) == "Bugs"


IGNORABLE: list[str] = regex.findall(r"\p{Default_Ignorable_Code_Point}", "".join(map(chr, range(0x110000))))


def test_no_code_point_that_is_drawn_as_nothing_makes_a_name_another_one() -> None:
    """This includes unassigned ones, such as U+2065."""
    assert len(IGNORABLE) > 4000

    assert {texts.key_name(form) for it in IGNORABLE for form in (f"Bugs{it}", f"{it}Bugs", f"Bugs {it}")} == {"Bugs"}
    assert [ascii(it) for it in IGNORABLE if texts.is_visible(it)] == []


def test_within_a_name_an_invisible_character_is_a_blank_or_removed() -> None:
    forms = {texts.key_name(f"Bu{it}gs") for it in IGNORABLE}

    assert forms == {"Bugs", "Bu gs"}
    assert {ascii(it) for it in IGNORABLE if texts.key_name(f"Bu{it}gs") == "Bu gs"} == set(
        map(ascii, "\u115f\u1160\u3164\uffa0")
    ), "the fillers of Hangul, which are as wide as a letter"


@pytest.mark.parametrize("text", ["می\u200cخواهم", "क\u094d\u200dष", "❤\ufe0f\u200d🔥 Gifts", "ᠠ\u180b"], ids=ascii)
def test_characters_that_change_the_look_of_a_name_stay(text: str) -> None:
    assert texts.key_name(text) == text


@given(
    st.text(st.characters(codec="utf-8"))
    | st.text(st.sampled_from([*"aé \n", "\u0301", "❤", "م", *"".join(INVISIBLE)]))
)
def test_the_form_of_a_name_is_found_once_and_for_all(text: str) -> None:
    form = texts.key_name(text)
    assert texts.key_name(form) == form
