"""The generated modules of the Python client are those of the current OpenAPI document."""

import importlib.util
import inspect
import json
from pathlib import Path
from typing import Any

from oms_client import api, async_api, problems

FOLDER = Path(__file__).parents[3] / "clients/python"
DOCUMENT = json.loads((FOLDER.parents[1] / "functions/docs/openapi.json").read_text())


def operations() -> dict[str, Any]:
    """Returns the operations of the document, without the second address of some."""
    every = [it for methods in DOCUMENT["paths"].values() for it in methods.values()]
    return {it["operationId"]: it for it in every if not it["operationId"].endswith("_at_root")}


def methods(module: Any) -> set[str]:
    groups = [it for _, it in inspect.getmembers(module, inspect.isclass) if it.__module__ == module.__name__]
    return {name for it in groups for name, _ in inspect.getmembers(it, inspect.isfunction) if name[0] != "_"}


def test_generating_again_changes_nothing() -> None:
    """If it fails: `make client`."""
    spec = importlib.util.spec_from_file_location("generate", FOLDER / "generate.py")
    assert spec
    assert spec.loader
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)

    for name, text in generator.generate(DOCUMENT).items():
        assert text == (FOLDER / "oms_client" / name).read_text(), name


def test_each_operation_has_a_method_in_both_clients() -> None:
    expected = operations().keys()

    assert expected <= methods(api)
    assert methods(api) == methods(async_api)


def test_each_code_has_a_class() -> None:
    codes = DOCUMENT["components"]["schemas"]["Problem"]["properties"]["code"]["x-extensible-enum"]

    assert sorted(problems.BY_CODE) == codes
