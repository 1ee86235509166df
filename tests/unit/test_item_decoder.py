"""Property tests of the decoders of stored items: they give what PynamoDB gives, for every model of the system."""

import importlib
import json
import math
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynamodb.attributes import (
    Attribute,
    AttributeContainer,
    BinaryAttribute,
    BinarySetAttribute,
    BooleanAttribute,
    DiscriminatorAttribute,
    DynamicMapAttribute,
    JSONAttribute,
    ListAttribute,
    MapAttribute,
    NullAttribute,
    NumberAttribute,
    NumberSetAttribute,
    TTLAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
    UTCDateTimeAttribute,
    VersionAttribute,
)

import oms
from oms.core.dynamodb import EmbeddedItem, IntegerAttribute, JsonAttribute, StoredItem
from oms.core.item_decoder import OTHER_FORM, decoder
from oms.core.shown_items import reader_of
from oms.inventory.models import InventoryItem, Product, StockItem
from oms.inventory.views import VIEW_ATTRIBUTES as SHOWN_OF_PRODUCTS
from oms.orders.models import Order
from oms.orders.views import VIEW_ATTRIBUTES as SHOWN_OF_ORDERS
from tests.support.examples import examples

for module in pkgutil.walk_packages(oms.__path__, "oms."):
    importlib.import_module(module.name)


class Animal(EmbeddedItem):
    kind = DiscriminatorAttribute()
    name = UnicodeAttribute(attr_name="n")


class Cat(Animal, discriminator="cat"):
    lives = IntegerAttribute(default=9)


class Loose(DynamicMapAttribute):
    name = UnicodeAttribute()


class Everything(StoredItem):
    """A model with attributes of all kinds, also of those that no model of the system has."""

    class Meta:
        table_name = "everything"

    pk = UnicodeAttribute(hash_key=True)
    kind = DiscriminatorAttribute(attr_name="k")
    binary = BinaryAttribute(legacy_encoding=False, null=True)
    old_binary = BinaryAttribute(legacy_encoding=True, null=True)
    binaries = BinarySetAttribute(legacy_encoding=False)
    texts = UnicodeSetAttribute()
    numbers = NumberSetAttribute()
    number = NumberAttribute()
    version = VersionAttribute()
    forgotten_at = TTLAttribute(null=True)
    time = UTCDateTimeAttribute(null=True)
    json = JSONAttribute(null=True)
    nothing = NullAttribute(null=True)
    flag = BooleanAttribute(default=True)
    numbers_in_order = ListAttribute(of=NumberAttribute, default=list)
    anything: Any = ListAttribute(null=True)
    binaries_in_order = ListAttribute(of=BinaryAttribute, null=True)
    animals = ListAttribute(of=Animal)
    animal = Animal(null=True)
    raw: Any = MapAttribute(null=True, default=dict)
    loose = Loose(null=True)  # type: ignore[no-untyped-call]


class Something(Everything, discriminator="something"):
    more = UnicodeAttribute(attr_name="from", default="more", null=True)


def subclasses[T](cls: type[T]) -> Iterator[type[T]]:
    for subclass in cls.__subclasses__():
        yield subclass
        yield from subclasses(subclass)


OWN = [Everything, Something]
MODELS = [it for it in subclasses(StoredItem) if it.__module__.startswith("oms.")]

TEXTS = st.text(max_size=5)
NUMBERS = st.one_of(
    st.integers(-(10**38), 10**38).map(str),
    st.decimals(-(10**9), 10**9, places=3).map(str),
    st.sampled_from(["0", "-0", "1E+3", "1.5"]),
)


def values(*others: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Returns values of all types, and these others, also within lists and maps."""
    return st.recursive(
        st.one_of(
            TEXTS.map(lambda it: {"S": it}),
            NUMBERS.map(lambda it: {"N": it}),
            st.binary(max_size=3).map(lambda it: {"B": it}),
            st.booleans().map(lambda it: {"BOOL": it}),
            st.just({"NULL": True}),
            *others,
        ),
        lambda inner: st.one_of(
            st.lists(inner, max_size=2).map(lambda it: {"L": it}),
            st.dictionaries(TEXTS, inner, max_size=2).map(lambda it: {"M": it}),
        ),
        max_leaves=4,
    )


READABLE_VALUE = values()
ANY_VALUE = values(st.sampled_from([{"N": "007"}, {"N": ""}, {}]))
EXPECTED: dict[str, st.SearchStrategy[Any]] = {
    "S": TEXTS,
    "N": st.integers(-(10**12), 10**12).map(str),
    "B": st.binary(max_size=5),
    "BOOL": st.booleans(),
    "NULL": st.just(True),
    "SS": st.lists(TEXTS, min_size=1, max_size=3, unique=True),
    "NS": st.lists(st.integers(0, 9).map(str), min_size=1, max_size=3, unique=True),
    "BS": st.lists(st.binary(max_size=3), min_size=1, max_size=3, unique=True),
}


def value_of(attribute: Attribute[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Returns stored values in the form of an attribute."""
    value: st.SearchStrategy[Any]
    if isinstance(attribute, MapAttribute):
        value = st.dictionaries(TEXTS, READABLE_VALUE, max_size=2) if attribute.is_raw() else expected(type(attribute))
    elif isinstance(attribute, ListAttribute):
        of = attribute.element_type
        element: Any = of(legacy_encoding=False) if of is BinaryAttribute else of and of()
        value = st.lists(value_of(element) if element else READABLE_VALUE, max_size=3)
    elif isinstance(attribute, JSONAttribute):
        value = st.sampled_from([{"a": [1, "ä"]}, 7]).map(json.dumps)
    elif isinstance(attribute, UTCDateTimeAttribute):
        value = st.datetimes().map(attribute.serialize)
    else:
        value = EXPECTED[attribute.attr_type]
    return value.map(lambda it: {attribute.attr_type: it})


def expected(model: type[AttributeContainer]) -> st.SearchStrategy[dict[str, Any]]:
    """Returns items in the form of a model, or of one of its registered subclasses."""
    kinds = [it for it in model.get_attributes().values() if isinstance(it, DiscriminatorAttribute)]
    registered = [it for kind in kinds for it in kind.get_registered_subclasses(model)]
    return st.sampled_from(registered or [model]).flatmap(in_form_of)


def in_form_of(model: type[AttributeContainer]) -> st.SearchStrategy[dict[str, Any]]:
    """Returns items in the form of exactly this model: an attribute is missing only if it may be."""
    always, sometimes = {}, {}
    for attribute in model.get_attributes().values():
        if isinstance(attribute, DiscriminatorAttribute):
            if attribute.get_discriminator(model):
                always[attribute.attr_name] = st.just({"S": attribute.get_discriminator(model)})
        elif attribute.null or attribute.default is not None:
            sometimes[attribute.attr_name] = value_of(attribute)
        else:
            always[attribute.attr_name] = value_of(attribute)
    return st.fixed_dictionaries(always, optional=sometimes)


def damaged(model: type[AttributeContainer]) -> st.SearchStrategy[dict[str, Any]]:
    """Returns items with missing and unknown attributes, and with values of other types."""
    names = st.sampled_from([*(it.attr_name for it in model.get_attributes().values()), "unknown"])
    dropped = st.sets(names, max_size=2)
    changed = st.dictionaries(names, ANY_VALUE, max_size=2)
    return st.builds(
        lambda item, missing, other: {name: it for name, it in item.items() if name not in missing} | other,
        expected(model),
        dropped,
        changed,
    )


def comparable(value: Any) -> Any:
    if isinstance(value, AttributeContainer):
        return type(value), comparable(value.attribute_values)
    if isinstance(value, dict):
        return {name: comparable(it) for name, it in value.items()}
    if isinstance(value, list):
        return [comparable(it) for it in value]
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    # 1, 1.0 and True are equal, but not the same.
    return type(value), value


def outcome(decode: Any, raw: dict[str, Any]) -> Any:
    """Returns the decoded item, or the error."""
    try:
        item = decode(raw)
    except Exception as error:
        return type(error), str(error)
    return comparable(item)


def by_pynamodb(model: type[StoredItem]) -> Any:
    return super(StoredItem, model).from_raw_data


@pytest.mark.parametrize("model", MODELS, ids=lambda it: it.__name__)
@settings(max_examples=examples(15))
@given(data=st.data())
def test_an_item_of_the_system_is_decoded_as_by_pynamodb(model: type[StoredItem], data: st.DataObject) -> None:
    raw = data.draw(expected(model))

    item = decoder(model)(raw)  # without PynamoDB's decoder

    assert comparable(item) == comparable(by_pynamodb(model)(raw))
    assert item.serialize() == by_pynamodb(model)(raw).serialize()


@pytest.mark.parametrize("model", [*MODELS, *OWN], ids=lambda it: it.__name__)
@settings(max_examples=examples(15))
@given(data=st.data())
def test_an_item_of_another_form_has_the_result_or_error_of_pynamodb(
    model: type[StoredItem], data: st.DataObject
) -> None:
    raw = data.draw(damaged(model))

    assert outcome(model.from_raw_data, raw) == outcome(by_pynamodb(model), raw)


@given(raw=expected(Everything))
def test_attributes_of_all_kinds_are_decoded_as_by_pynamodb(raw: dict[str, Any]) -> None:
    assert outcome(Everything.from_raw_data, raw) == outcome(by_pynamodb(Everything), raw)


def response(*items: dict[str, Any]) -> bytes:
    return json.dumps({"Responses": {"table": items}, "UnprocessedKeys": {}}).encode()


@pytest.mark.parametrize(
    ("model", "kinds", "names"),
    [
        (Order, [Order], SHOWN_OF_ORDERS),
        (InventoryItem, [Product, StockItem], SHOWN_OF_PRODUCTS | {"listing", "name_key"}),
    ],
)
@settings(max_examples=examples(50))
@given(data=st.data())
def test_shown_items_have_the_values_that_pynamodb_decodes(
    model: type[StoredItem], kinds: list[type[StoredItem]], names: frozenset[str], data: st.DataObject
) -> None:
    raws = data.draw(st.lists(st.one_of(*map(in_form_of, kinds)), max_size=3))
    sent = [{name: it for name, it in raw.items() if name in {*names, "pk", "sk", "kind"}} for raw in raws]

    shown = reader_of(model, names).read(response(*sent), "table").items

    for item, raw in zip(shown, raws, strict=True):
        decoded = by_pynamodb(model)(raw)
        known = {name: it for name, it in decoded.attribute_values.items() if name in {*names, "pk", "sk"}}
        assert type(item) is type(decoded)
        assert comparable(item.attribute_values) == comparable(known)


@pytest.mark.parametrize(
    "raw",
    [
        {"pk": {"S": "a"}, "sk": {"S": "b"}, "kind": {"S": "unknown"}},
        {"pk": {"S": "a"}, "sk": {"S": "b"}, "kind": {"S": "product"}, "price": {"N": "many"}},
    ],
)
def test_a_shown_item_of_another_form_has_the_error_of_pynamodb(raw: dict[str, Any]) -> None:
    reader = reader_of(InventoryItem, SHOWN_OF_PRODUCTS)

    assert outcome(lambda it: reader.read(response(it), "table").items[0], raw) == outcome(
        by_pynamodb(InventoryItem), raw
    )


def test_an_attribute_of_another_kind_cannot_be_shown() -> None:
    with pytest.raises(TypeError, match="BinaryAttribute cannot be shown"):
        reader_of(Everything, frozenset({"binary"}))


def test_an_item_with_a_number_that_is_none_is_refused_by_the_decoder() -> None:
    with pytest.raises(OTHER_FORM):
        decoder(Everything)({"pk": {"S": "1"}, "number": {"N": "one"}, "animals": {"L": []}})


def test_defaults_are_made_for_each_item() -> None:
    raw: dict[str, Any] = {"pk": {"S": "1"}, "number": {"N": "1"}, "animals": {"L": []}}
    first, second = decoder(Everything)(raw), decoder(Everything)(raw)

    first.numbers_in_order.append(1)

    assert second.numbers_in_order == []


def test_an_attribute_of_any_name_is_text_in_the_source() -> None:
    class Odd(StoredItem):
        class Meta:
            table_name = "odd"

        pk = UnicodeAttribute(hash_key=True, attr_name="'] + print('")

    assert Odd.from_raw_data({"'] + print('": {"S": "1"}}).pk == "1"


@given(
    st.recursive(
        st.one_of(
            st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(exclude_categories=["Cs"]))
        ),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
        max_leaves=8,
    )
)
def test_json_text_is_read_as_by_the_standard_library(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)

    assert repr(JsonAttribute().deserialize(text)) == repr(json.loads(text))


@pytest.mark.parametrize("text", ['"\t"', '"\\ud800"', '{"a": 1, "a": 2}', "NaN", "1e400", "-0", "1" * 5])
def test_unusual_json_text_is_read_as_by_pynamodb(text: str) -> None:
    assert repr(JsonAttribute().deserialize(text)) == repr(JSONAttribute().deserialize(text))
