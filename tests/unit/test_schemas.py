import re
from typing import Annotated, Any

import pytest
from pydantic import TypeAdapter, ValidationError

from oms.core.schemas import Flag, From, OneOf, PageQuery, To, ValueList

FROM, TO = TypeAdapter(From), TypeAdapter(To)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026-01-31", "2026-01-31T00:00:00.000Z", "2026-02-01T00:00:00.000Z"),
        ("2024-02-29", "2024-02-29T00:00:00.000Z", "2024-03-01T00:00:00.000Z"),
        ("2025-12-31", "2025-12-31T00:00:00.000Z", "2026-01-01T00:00:00.000Z"),
        ("2026-01-31T09:30:00Z", "2026-01-31T09:30:00.000Z", "2026-01-31T09:30:00.000Z"),
        ("2026-01-31t09:30:00z", "2026-01-31T09:30:00.000Z", "2026-01-31T09:30:00.000Z"),
        ("2026-01-31T09:30:00.125Z", "2026-01-31T09:30:00.125Z", "2026-01-31T09:30:00.125Z"),
        ("2026-01-31T10:30:00+01:00", "2026-01-31T09:30:00.000Z", "2026-01-31T09:30:00.000Z"),
        ("2026-01-31T23:30:00-01:00", "2026-02-01T00:30:00.000Z", "2026-02-01T00:30:00.000Z"),
    ],
)
def test_a_date_is_a_whole_utc_day_and_a_time_is_itself(text: str, start: str, end: str) -> None:
    assert (FROM.validate_python(text), TO.validate_python(text)) == (start, end)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-02-30",
        "2025-02-29",
        "2026-1-31",
        "20260131",
        "2026-W05-6",
        "2026-031",
        "2026-01-31T09:30:00",
        "2026-01-31 09:30:00Z",
        "2026-01-31T09:30Z",
        "2026-01-31T0930Z",
        "20260131T093000Z",
        "2026-W05-6T09:30:00Z",
        "2026-01-31T09:30:00,5Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T09:60:00Z",
        "2026-01-31T09:30:00 01:00",
        "2026-01-31T09:30:00+0100",
        "2026-01-31T09:30:00+01:00:30",
        "2026-01-31T09:30:00Z\n",
        "٢٠٢٦-01-31",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "1769851800",
        None,
        5,
        ["2026-01-31"],
    ],
)
def test_a_text_that_is_not_an_rfc_3339_date_or_time_is_refused(text: Any) -> None:
    for bound in (FROM, TO):
        with pytest.raises(ValidationError, match="must be a date"):
            bound.validate_python(text)


def test_the_last_day_of_all_has_an_end() -> None:
    assert TO.validate_python("9999-12-31") > "9999-12-31T23:59:59.998Z"


@pytest.mark.parametrize("limit", [1, "1", "20", "100", 100])
def test_a_limit_is_a_whole_number_to_100(limit: Any) -> None:
    assert PageQuery(limit=limit).limit == int(limit)


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.0", "1e1", "", " 1", "+1", "٣", "9" * 5000, 1.0, None, "x"])
def test_any_other_limit_is_refused(limit: Any) -> None:
    with pytest.raises(ValidationError):
        PageQuery(limit=limit)


def test_the_default_limit_is_20() -> None:
    assert PageQuery().limit == 20


def test_a_flag_is_true_or_false_and_nothing_like_it() -> None:
    flag = TypeAdapter(Flag)

    assert [flag.validate_python(text) for text in ("true", "false")] == [True, False]
    for wrong in ("True", "1", "0", "yes", "", 1, 0, None):
        with pytest.raises(ValidationError):
            flag.validate_python(wrong)


STATUSES = Annotated[tuple[Annotated[str, OneOf(("a", "b"))], ...], ValueList(("a", "b"))]


def test_a_list_is_an_array_or_a_text_with_commas() -> None:
    status: TypeAdapter[Any] = TypeAdapter(STATUSES)

    assert status.validate_python("a") == ("a",)
    assert status.validate_python("b,a,b") == ("b", "a")
    assert status.validate_python(["b", "a", "b"], strict=True) == ("b", "a")
    for wrong in ("", "c", "a,", ",a", "a,c", "A", "a, b"):
        with pytest.raises(ValidationError, match="must be one of a, b, separated by commas") as refused:
            status.validate_python(wrong)
        assert [it["loc"] for it in refused.value.errors()] == [()]
    for other in (7, None, {"a": 1}, True):
        with pytest.raises(ValidationError, match="must be an array of strings"):
            status.validate_python(other)


def test_a_wrong_item_of_an_array_is_refused_at_its_place() -> None:
    status: TypeAdapter[Any] = TypeAdapter(STATUSES)

    with pytest.raises(ValidationError) as refused:
        status.validate_python(["a", "c", 7], strict=True)

    found = {it["loc"]: it["msg"] for it in refused.value.errors()}
    assert found == {(1,): "Value error, must be one of a, b", (2,): "Input should be a valid string"}


def test_a_list_is_not_empty_and_within_its_bounds() -> None:
    words: TypeAdapter[Any] = TypeAdapter(Annotated[tuple[str, ...], ValueList(most=2, each_once=True)])

    for wrong, why in (([], "not be empty"), (["a", "b", "c"], "at most 2"), (["a", "a"], "repeat"), ("a,a", "repeat")):
        with pytest.raises(ValidationError, match=why):
            words.validate_python(wrong)
    assert words.json_schema() == {
        "type": "array",
        "items": {"type": "string"},
        "minItems": 1,
        "maxItems": 2,
        "uniqueItems": True,
    }


def test_the_schema_of_a_list_has_each_form_that_is_taken() -> None:
    array, text = TypeAdapter(STATUSES).json_schema()["anyOf"]

    assert array == {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "minItems": 1}
    assert [it for it in ("a", "b,a", "", "a,", "ab", "a,c") if re.search(text["pattern"], it)] == ["a", "b,a"]
