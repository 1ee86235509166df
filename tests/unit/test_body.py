"""Row A18 of the attacks: every body is parsed or refused at once."""

import base64
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms.core.errors import (
    BodyTooLargeError,
    InvalidRequestError,
    MalformedJsonError,
    OmsError,
    UnsupportedMediaTypeError,
)
from oms.http import body
from tests.support.work import counted


def parse(text: str | bytes, *, base64_encoded: bool = False, **headers: str) -> dict[str, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return body.parse({"body": text, "isBase64Encoded": base64_encoded}, named)


@pytest.mark.parametrize(
    "text",
    [
        "x" * 10_000_000,
        "[" * 20_000 + "]" * 20_000,
        '{"a":' * 20_000 + "1" + "}" * 20_000,
        '{"a":' + "[" * 40 + "]" * 40 + "}",
        '{"a":NaN}',
        '{"a":Infinity}',
        '{"a":-Infinity}',
        '{"a":1e99999999999999999999}',
        '{"a":1e-99999999999999999999}',
        '{"a":1,"a":1}',
        '{"a":{"b":1,"b":2}}',
        '{"a":"\\ud800"}',
        '{"\\udfff":1}',
        '{"a":[["\\ud83d"]]}',
        "\ufeff{}",
        "{}{}",
        "{'a':1}",
        '{"a":01}',
        '{"a":1.}',
        '{"a":"\t"}',
        '{"a":tru}',
        " ",
        "\x00",
    ],
    ids=lambda text: repr(text[:30]),
)
def test_a18_no_body_is_more_than_refused_and_takes_little_work(text: str) -> None:
    with counted() as work, pytest.raises((BodyTooLargeError, MalformedJsonError)):
        parse(text)

    assert work.calls <= 100 + 2 * len(text)


@pytest.mark.parametrize("digits", [41, 4_300, 4_301, 100_000])
@pytest.mark.parametrize("sign", ["", "-"])
def test_a18_integers_of_many_digits_are_left_to_the_fields_range(digits: int, sign: str) -> None:
    number = parse(f'{{"a":{sign}{"1" * digits}}}')["a"]

    assert type(number) is int
    assert (number < 0) == bool(sign)
    assert 10**40 < abs(number) < 10**4_300
    assert digits > 4_300 or str(number) == sign + "1" * digits


@pytest.mark.parametrize("raw", [b'{"a":"\xff"}', b'{"a":"\xc3("}', b"\xff\xfe{\x00}\x00", b'{"a":"\xed\xa0\x80"}'])
def test_a_body_that_is_not_utf8_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedJsonError):
        parse(base64.b64encode(raw).decode(), base64_encoded=True)


def test_floats_stay_exact() -> None:
    parsed = parse('{"price": 0.1, "cost": 10.00, "units": 3, "huge": 1e400}')

    assert parsed == {"price": Decimal("0.1"), "cost": Decimal("10.00"), "units": 3, "huge": Decimal("1e400")}
    assert type(parsed["units"]) is int


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(st.characters(codec="utf-8")),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
        max_leaves=20,
    )
)
def test_any_json_object_is_read_as_json_says(value: Any) -> None:
    assert parse(json.dumps({"value": value})) == {"value": value}


@given(st.text() | st.binary())
def test_any_body_is_parsed_or_refused(noise: str | bytes) -> None:
    encoded = base64.b64encode(noise).decode() if isinstance(noise, bytes) else noise
    try:
        outcome: object = parse(encoded, base64_encoded=isinstance(noise, bytes))
    except OmsError as error:
        outcome = error.status

    assert isinstance(outcome, dict) or outcome in (400, 422)


def test_a18_a_body_may_be_256_kb_and_no_more() -> None:
    fits = '{"a":"' + "x" * (256 * 1024 - 8) + '"}'

    assert len(parse(fits)["a"]) == 256 * 1024 - 8
    with pytest.raises(BodyTooLargeError):
        parse(fits[:-2] + 'x"}')


def test_the_size_is_that_of_the_bytes() -> None:
    with pytest.raises(BodyTooLargeError):
        parse('{"a":"' + "é" * (128 * 1024) + '"}')


def test_nesting_has_a_bound_that_real_bodies_do_not_meet() -> None:
    def nested(levels: int) -> str:
        return '{"a":' + "[" * (levels - 1) + "]" * (levels - 1) + "}"

    assert parse(nested(32))
    with pytest.raises(MalformedJsonError):
        parse(nested(33))


def test_base64_is_decoded() -> None:
    encoded = base64.b64encode('{"name":"Zoë"}'.encode()).decode()

    assert parse(encoded, base64_encoded=True) == {"name": "Zoë"}


@pytest.mark.parametrize("text", ["a", "é", "====="])
def test_a_text_that_is_not_base64_is_malformed(text: str) -> None:
    with pytest.raises(MalformedJsonError):
        parse(text, base64_encoded=True)


@pytest.mark.parametrize("text", ["[1]", '"text"', "1", "null", "true", "[{}]"])
def test_json_that_is_no_object_is_an_invalid_request(text: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse(text)

    assert caught.value.extra["errors"] == [{"pointer": "#", "detail": "must be a JSON object"}]


@pytest.mark.parametrize("content_type", ["application/json", "APPLICATION/JSON", "application/json; charset=utf-8"])
def test_json_has_one_media_type(content_type: str) -> None:
    assert parse('{"a":1}', content_type=content_type) == {"a": 1}


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/jsonfoo", "application/x-www-form-urlencoded", "multipart/form-data", "", "json"],
)
def test_other_media_types_are_unsupported(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaTypeError):
        parse("{}", content_type=content_type)


@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip", "x"])
def test_a_content_coding_is_unsupported(coding: str) -> None:
    with pytest.raises(UnsupportedMediaTypeError):
        parse("{}", content_encoding=coding)


def test_the_identity_coding_is_none() -> None:
    assert parse("{}", content_encoding="Identity") == {}


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", "?"])
def test_an_empty_bodys_content_type_does_not_matter(content_type: str) -> None:
    assert parse("", content_type=content_type) == {}
    assert body.parse({"body": None}, {"content-type": content_type}) == {}
    assert body.parse({}, {}) == {}
