"""Base64 is decoded strictly: by default Python ignores other characters, so that two texts are one key or token."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [
    path for name in ("layers/shared/python", "functions", "infra", "local") for path in (ROOT / name).rglob("*.py")
]
LENIENT = {"urlsafe_b64decode", "standard_b64decode", "decodebytes", "a2b_base64"}


def lenient(source: str) -> list[int]:
    """Returns the lines that decode base64 without refusing invalid text."""
    return [
        call.lineno
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call)
        and (name := getattr(call.func, "attr", getattr(call.func, "id", ""))) in {"b64decode", *LENIENT}
        and (name in LENIENT or not any(it.arg == "validate" for it in call.keywords))
    ]


def test_no_code_decodes_base64_leniently() -> None:
    assert {str(path.relative_to(ROOT)): lines for path in SOURCES if (lines := lenient(path.read_text()))} == {}


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("base64.b64decode(text)", [1]),
        ("base64.b64decode(text, validate=True)", []),
        ("b64decode(text)", [1]),
        ("\nbase64.urlsafe_b64decode(text)", [2]),
        ("binascii.a2b_base64(text)", [1]),
    ],
)
def test_lenient_decoding_is_found(source: str, lines: list[int]) -> None:
    assert lenient(source) == lines
