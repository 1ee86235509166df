"""Document paths: their targets in an item, and the parts of an item that a projection keeps."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.support.dynamodb.syntax import Path, Steps
from tests.support.dynamodb.values import Item, Value


def follow(item: Item, steps: Steps) -> Value | None:
    """Returns the target of a path, or None."""
    found = item.get(steps[0])  # type: ignore[call-overload]
    for step in steps[1:]:
        if found is None:
            return None
        if isinstance(step, int):
            elements = found.get("L", ())
            found = elements[step] if step < len(elements) else None
        else:
            found = found.get("M", {}).get(step)
    return found


def finder(path: Path) -> Callable[[Item], Value | None]:
    steps = path.steps
    if len(steps) == 1:
        name = steps[0]
        return lambda item: item.get(name)  # type: ignore[arg-type]
    return lambda item: follow(item, steps)


class Projection:
    """The attributes, or parts of them, that a ProjectionExpression names."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = [path.steps for path in paths]
        self.attributes = frozenset(str(steps[0]) for steps in self._paths)
        self._flat = all(len(steps) == 1 for steps in self._paths)

    def check(self, values: Mapping[str, Value]) -> None:
        """A projection has no values."""

    def of(self, item: Item) -> Item:
        if self._flat:
            return {name: item[name] for name in self.attributes if name in item}
        tree: dict[Any, Any] = {}
        for steps in self._paths:
            if follow(item, steps) is None:
                continue
            branch = tree
            for step in steps:
                branch = branch.setdefault(step, {})
        return {name: _pruned(item[name], branch) for name, branch in tree.items()}


def _pruned(value: Value, branch: Mapping[Any, Any]) -> Value:
    """Lists close up, in the order of the stored list."""
    if not branch:
        return value
    if "M" in value:
        return {"M": {name: _pruned(value["M"][name], inner) for name, inner in branch.items()}}
    return {"L": [_pruned(value["L"][position], branch[position]) for position in sorted(branch)]}
