"""Update expressions: compiled to functions that return a new item and do not change the stored one."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.support.dynamodb.errors import InvalidItemError, RefusedError, invalid_parameter
from tests.support.dynamodb.projections import Projection, finder, follow
from tests.support.dynamodb.syntax import Call, Operand, Operation, Path, Placeholder, Steps
from tests.support.dynamodb.syntax import Update as Actions
from tests.support.dynamodb.values import SETS, Item, Value, calculate, copied, normal_set

type Values = Mapping[str, Value]
type Read = Callable[[Item, Values], Value]
type Check = Callable[[Values], None]

_CONDITIONS = frozenset(
    {"attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains", "size"}
)
_MISSING = "The provided expression refers to an attribute that does not exist in the item"
_WRONG_TYPE = "An operand in the update expression has an incorrect data type"
_BAD_PATH = "The document path provided in the update expression is invalid for update"


class Update:
    def __init__(self, actions: Actions, error: Callable[[str], RefusedError]) -> None:
        self._error = error
        self._checks: list[Check] = []
        self.attributes = frozenset(str(path.steps[0]) for path in actions.paths())
        # Positions in lists are filled in their order, since those past the end are appended.
        assignments = sorted(actions.set, key=lambda action: _position(action[0]))
        self._set = [(path.steps, self._value(value)) for path, value in assignments]
        # The highest position first: a position means the list before the update.
        self._remove = sorted((path.steps for path in actions.remove), key=_last_position, reverse=True)
        self._add = [self._change("ADD", *action) for action in actions.add]
        self._delete = [self._change("DELETE", *action) for action in actions.delete]
        # The attributes in UPDATED_OLD and UPDATED_NEW.
        self.touched = Projection(actions.paths())
        self.only_removes = not actions.set and not actions.add

    def check(self, values: Values) -> None:
        """Raises a ValidationException for a value of a type that its place never allows."""
        for check in self._checks:
            check(values)

    def check_keys(self, names: list[str]) -> None:
        for name in names:
            if name in self.attributes:
                raise invalid_parameter(f"Cannot update attribute {name}. This attribute is part of the key")

    def apply(self, item: Item, values: Values) -> Item:
        """Raises InvalidItemError if the expression does not fit the item."""
        assigned = [(steps, read(item, values)) for steps, read in self._set]
        draft = _Draft(item)
        for steps, value in assigned:
            draft.set(steps, value)
        for name, value_name in self._add:
            draft.set((name,), _sum(item.get(name), values[value_name]))
        for name, value_name in self._delete:
            left = _difference(item.get(name), values[value_name])
            if left is None:
                draft.remove((name,))
            else:
                draft.set((name,), left)
        for steps in self._remove:
            draft.remove(steps)
        return draft.item

    def _value(self, value: Operand) -> Read:
        if not isinstance(value, Operation):
            return self._operand(value)
        for part in value.operands:
            self._require_type(value.operator, part, frozenset({"N"}))
        left, right = (self._operand(part) for part in value.operands)

        def result(item: Item, values: Values) -> Value:
            one, other = left(item, values).get("N"), right(item, values).get("N")
            if one is None or other is None:
                raise InvalidItemError(_WRONG_TYPE)
            return {"N": calculate(one, value.operator, other)}

        return result

    def _operand(self, part: Operand, *, inside: str = "") -> Read:
        if isinstance(part, Path):
            find = finder(part)

            def stored(item: Item, _: Values) -> Value:
                found = find(item)
                if found is None:
                    raise InvalidItemError(_MISSING)
                return found

            return stored
        if isinstance(part, Placeholder):
            name = part.name
            return lambda _, values: values[name]
        assert isinstance(part, Call)
        return self._function(part, inside)

    def _function(self, call: Call, inside: str) -> Read:
        if call.function not in ("if_not_exists", "list_append"):
            if call.function in _CONDITIONS:
                raise self._error(f"The function is not allowed in an update expression; function: {call.function}")
            raise self._error(f"Invalid function name; function: {call.function}")
        if len(call.operands) != 2:
            raise self._error(
                "Incorrect number of operands for operator or function; "
                f"operator or function: {call.function}, number of operands: {len(call.operands)}"
            )
        if call.function == "list_append" and inside:
            raise self._error(
                f"The function is not allowed to be used this way in an expression; function: {call.function}"
            )
        if call.function == "if_not_exists":
            return self._if_not_exists(*call.operands)
        for part in call.operands:
            self._require_type("list_append", part, frozenset({"L"}))
        left, right = (self._operand(part, inside="list_append") for part in call.operands)

        def appended(item: Item, values: Values) -> Value:
            one, other = left(item, values).get("L"), right(item, values).get("L")
            if one is None or other is None:
                raise InvalidItemError(_WRONG_TYPE)
            return {"L": one + other}

        return appended

    def _if_not_exists(self, path: Operand, otherwise: Operand) -> Read:
        if not isinstance(path, Path):
            raise self._error("Operator or function requires a document path; operator or function: if_not_exists")
        find, default = finder(path), self._operand(otherwise, inside="if_not_exists")

        def chosen(item: Item, values: Values) -> Value:
            found = find(item)
            return default(item, values) if found is None else found

        return chosen

    def _change(self, clause: str, path: Path, value: Placeholder) -> tuple[str, str]:
        """ADD and DELETE are documented for top-level attributes alone."""
        if len(path.steps) > 1:
            raise self._error(f"{clause} is for top-level attributes; path: {path}")
        self._require_type(clause, value, SETS if clause == "DELETE" else SETS | {"N"}, kind="operator")
        return str(path.steps[0]), value.name

    def _require_type(
        self, name: str, part: Operand, types: frozenset[str], *, kind: str = "operator or function"
    ) -> None:
        if not isinstance(part, Placeholder):
            return

        def check(values: Values) -> None:
            (given,) = values[part.name]
            if given not in types:
                raise self._error(
                    f"Incorrect operand type for operator or function; {kind}: {name}, operand type: {given}"
                )

        self._checks.append(check)


def _position(path: Path) -> int:
    """Returns the position in a list; -1 if there is no list."""
    return _last_position(path.steps)


def _last_position(steps: Steps) -> int:
    last = steps[-1]
    return last if isinstance(last, int) else -1


def _sum(stored: Value | None, given: Value) -> Value:
    ((kind, content),) = given.items()
    if stored is None:
        return given
    if kind not in stored:
        raise InvalidItemError(_WRONG_TYPE)
    if kind == "N":
        return {"N": calculate(stored["N"], "+", content)}
    return normal_set(kind, {*stored[kind], *content})


def _difference(stored: Value | None, given: Value) -> Value | None:
    """Returns None if the difference is empty."""
    if stored is None:
        return None
    ((kind, content),) = given.items()
    if kind not in stored:
        raise InvalidItemError(_WRONG_TYPE)
    left = {*stored[kind]} - {*content}
    return normal_set(kind, left) if left else None


class _Draft:
    """A copy to write in: shallow, until something inside an attribute changes."""

    def __init__(self, item: Item) -> None:
        self.item = dict(item)
        self._deep: set[str] = set()

    def set(self, steps: Steps, value: Value) -> None:
        if len(steps) == 1:
            self.item[str(steps[0])] = value
            return
        parent, last = self._parent(steps), steps[-1]
        if isinstance(last, int):
            elements = parent.get("L")
            if elements is None:
                raise InvalidItemError(_BAD_PATH)
            if last < len(elements):
                elements[last] = value
            else:
                elements.append(value)
        elif "M" in parent:
            parent["M"][last] = value
        else:
            raise InvalidItemError(_BAD_PATH)

    def remove(self, steps: Steps) -> None:
        if len(steps) == 1:
            self.item.pop(str(steps[0]), None)
            return
        parent, last = self._parent(steps), steps[-1]
        if isinstance(last, int):
            if "L" not in parent:
                raise InvalidItemError(_BAD_PATH)
            del parent["L"][last : last + 1]
        elif "M" in parent:
            parent["M"].pop(last, None)
        else:
            raise InvalidItemError(_BAD_PATH)

    def _parent(self, steps: Steps) -> dict[str, Any]:
        name = str(steps[0])
        if name in self.item and name not in self._deep:
            self.item[name] = copied(self.item[name])
            self._deep.add(name)
        parent = follow(self.item, steps[:-1])
        if parent is None:
            raise InvalidItemError(_BAD_PATH)
        return parent
