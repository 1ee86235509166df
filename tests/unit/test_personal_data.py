"""docs/operate/personal-data.md classifies each attribute of each stored item as personal data or not."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

from oms.core.dynamodb import EmbeddedItem, StoredItem

ROOT = Path(__file__).parents[2]
SHARED = ROOT / "layers/shared/python"
PAGE = ROOT / "docs/operate/personal-data.md"


def models() -> Iterator[type[StoredItem] | type[EmbeddedItem]]:
    """Yields every model of the system, in any module."""
    for file in SHARED.rglob("*.py"):
        if re.search(r"\((\w+\.)?\w*(Item|FailureCounter)\b.*\):", file.read_text()):
            importlib.import_module(".".join(file.relative_to(SHARED).with_suffix("").parts))
    pending: list[type[StoredItem] | type[EmbeddedItem]] = [StoredItem, EmbeddedItem]
    while pending:
        found = pending.pop().__subclasses__()
        yield from (it for it in found if it.__module__.startswith("oms."))
        pending += found


def declared() -> dict[str, set[str]]:
    """Returns model -> the attributes that it declares itself, or that a base outside the system's items declares."""
    every = set(models())
    attributes: dict[str, set[str]] = {}
    for model in every:
        inherited = {name for base in model.__mro__[1:] if base in every for name in base.get_attributes()}
        name = f"{model.__module__.split('.')[1]}.{model.__name__}"
        assert name not in attributes, f"two models are called {name}"
        attributes[name] = set(model.get_attributes()) - inherited
    return {name: own for name, own in attributes.items() if own}


def documented() -> dict[str, list[str]]:
    """Returns model -> the attributes of all columns of its row."""
    _, _, table = PAGE.read_text().partition("\n## Every attribute\n")
    rows = re.findall(r"^\| `([\w.]+)` \|(.*)\|$", table, re.M)
    return {model: re.findall(r"`(\w+)`", columns) for model, columns in rows}


def test_every_attribute_of_every_model_is_classified_once() -> None:
    named = documented()

    assert {model: set(attributes) for model, attributes in named.items()} == declared()
    assert not [model for model, attributes in named.items() if len(attributes) != len(set(attributes))]
