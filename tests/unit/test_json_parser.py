"""The two parsers of JSON read what DynamoDB sends alike."""

import json
import sys
from typing import Any

import pydantic_core
import pytest

from oms.core.json_parser import parse_json


def test_functions_with_schemas_use_the_parser_of_pydantic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pydantic_core, "from_json", lambda text: ("pydantic", text))

    assert parse_json("1") == ("pydantic", "1")


def test_functions_without_schemas_use_the_parser_of_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pydantic_core")
    monkeypatch.setattr(pydantic_core, "from_json", None)

    assert parse_json("1") == 1


@pytest.mark.parametrize("parser", [json.loads, pydantic_core.from_json])
def test_a_response_is_read_alike(parser: Any) -> None:
    text = (
        '{"Items": [{"a": {"S": "\\u00e9\\ud83d\\ude00é"}, "b": {"N": "1.50"}}], "At": 1.5e3, "Count": 1, "No": null}'
    )

    expected = {"Items": [{"a": {"S": "é😀é"}, "b": {"N": "1.50"}}], "At": 1500.0, "Count": 1, "No": None}
    assert parser(text.encode()) == parser(text) == expected


@pytest.mark.parametrize("parser", [json.loads, pydantic_core.from_json])
@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"{} {}"])
def test_an_unreadable_text_is_a_value_error(parser: Any, text: bytes) -> None:
    with pytest.raises(ValueError, match=r"Expecting|EOF|codec|UTF-8|expected|trailing|Extra"):
        parser(text)
