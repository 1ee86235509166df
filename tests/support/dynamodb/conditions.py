"""Condition and filter expressions: compiled to functions of an item and the request's values."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.dynamodb.errors import RefusedError
from tests.support.dynamodb.projections import finder
from tests.support.dynamodb.syntax import Call, Operand, Operation, Path, Placeholder
from tests.support.dynamodb.values import ORDERED, TYPES, Item, Value, comparable

type Values = Mapping[str, Value]
type Test = Callable[[Item, Values], bool]
type Read = Callable[[Item, Values], Value | None]
type Check = Callable[[Values], None]
type Error = Callable[[str], RefusedError]

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_PREDICATES = {
    "attribute_exists": 1,
    "attribute_not_exists": 1,
    "attribute_type": 2,
    "begins_with": 2,
    "contains": 2,
}
_OF_UPDATES = frozenset({"if_not_exists", "list_append"})


class Condition:
    def __init__(self, tree: Operand, error: Error) -> None:
        self._error = error
        self._checks: list[Check] = []
        self.attributes = frozenset(_attributes(tree))
        self._test = self._compile(tree)

    def check(self, values: Values) -> None:
        """Raises a ValidationException for a value of a type that its place never allows."""
        for check in self._checks:
            check(values)

    def holds(self, item: Item, values: Values) -> bool:
        return self._test(item, values)

    def _compile(self, tree: Operand) -> Test:
        if isinstance(tree, Call):
            return self._predicate(tree)
        assert isinstance(tree, Operation)
        if tree.operator in ("AND", "OR"):
            tests = [self._compile(part) for part in tree.operands]
            if tree.operator == "AND":
                return lambda item, values: all(test(item, values) for test in tests)
            return lambda item, values: any(test(item, values) for test in tests)
        if tree.operator == "NOT":
            (inner,) = (self._compile(part) for part in tree.operands)
            return lambda item, values: not inner(item, values)
        self._check_distinct(tree.operator, tree.operands)
        reads = [self._operand(part) for part in tree.operands]
        if tree.operator == "IN":
            return _is_in(reads)
        if tree.operator in ("=", "<>"):
            return _equal(*reads, negated=tree.operator == "<>")
        for part in tree.operands:
            self._require_type(tree.operator, part, ORDERED)
        if tree.operator == "BETWEEN":
            self._check_bounds(tree.operands)
            return _between(*reads)
        return _ordered(_ORDERS[tree.operator], *reads)

    def _predicate(self, call: Call) -> Test:
        if call.function not in _PREDICATES:
            raise self._misplaced(call.function)
        if len(call.operands) != _PREDICATES[call.function]:
            raise self._miscounted(call)
        if call.function != "attribute_type":
            self._check_distinct(call.function, call.operands)
        if call.function in ("attribute_exists", "attribute_not_exists"):
            if not isinstance(call.operands[0], Path):
                raise self._error(
                    f"Operator or function requires a document path; operator or function: {call.function}"
                )
            read, wanted = self._operand(call.operands[0]), call.function == "attribute_exists"
            return lambda item, values: (read(item, values) is not None) is wanted
        left, right = (self._operand(part) for part in call.operands)
        if call.function == "attribute_type":
            self._check_type_name(call.operands[1])
            return _has_type(left, right)
        if call.function == "begins_with":
            for part in call.operands:
                self._require_type("begins_with", part, frozenset({"S", "B"}))
            return _begins_with(left, right)
        return _contains(left, right)

    def _operand(self, part: Operand) -> Read:
        if isinstance(part, Path):
            find = finder(part)
            return lambda item, _: find(item)
        if isinstance(part, Placeholder):
            name = part.name
            return lambda _, values: values[name]
        if isinstance(part, Call) and part.function == "size":
            if len(part.operands) != 1:
                raise self._miscounted(part)
            read = self._operand(part.operands[0])
            self._require_type("size", part.operands[0], frozenset({"S", "B", "SS", "NS", "BS", "L", "M"}))
            return lambda item, values: _size(read(item, values))
        assert isinstance(part, Call)
        raise self._misplaced(part.function)

    def _misplaced(self, function: str) -> RefusedError:
        if function in _OF_UPDATES:
            return self._error(f"The function is not allowed in a condition expression; function: {function}")
        if function == "size" or function in _PREDICATES:
            return self._error(
                f"The function is not allowed to be used this way in an expression; function: {function}"
            )
        return self._error(f"Invalid function name; function: {function}")

    def _miscounted(self, call: Call) -> RefusedError:
        return self._error(
            "Incorrect number of operands for operator or function; "
            f"operator or function: {call.function}, number of operands: {len(call.operands)}"
        )

    def _check_distinct(self, name: str, operands: tuple[Operand, ...]) -> None:
        first, *rest = operands
        if isinstance(first, Path) and first in rest:
            raise self._error(
                "The first operand must be distinct from the remaining operands for this operator or function; "
                f"operator: {name}, first operand: {first}"
            )

    def _require_type(self, name: str, part: Operand, types: frozenset[str]) -> None:
        if not isinstance(part, Placeholder):
            return

        def check(values: Values) -> None:
            (kind,) = values[part.name]
            if kind not in types:
                raise self._error(
                    "Incorrect operand type for operator or function; "
                    f"operator or function: {name}, operand type: {kind}"
                )

        self._checks.append(check)

    def _check_bounds(self, operands: tuple[Operand, ...]) -> None:
        _, low, high = operands
        if not (isinstance(low, Placeholder) and isinstance(high, Placeholder)):
            return

        def check(values: Values) -> None:
            check_bounds(values[low.name], values[high.name], self._error)

        self._checks.append(check)

    def _check_type_name(self, part: Operand) -> None:
        if not isinstance(part, Placeholder):
            raise self._error("Operator or function requires a value; operator or function: attribute_type")

        def check(values: Values) -> None:
            if values[part.name].get("S") not in TYPES:
                raise self._error(
                    f"Invalid attribute type name found; type: {values[part.name].get('S')}, valid types: "
                    "{B,NULL,SS,BOOL,L,BS,N,NS,S,M}"
                )

        self._checks.append(check)


def check_bounds(low: Value, high: Value, error: Error) -> None:
    if low.keys() != high.keys():
        raise error(
            "The BETWEEN operator requires same data type for lower and upper bounds; "
            f"lower bound operand: AttributeValue: {low}, upper bound operand: AttributeValue: {high}"
        )
    if comparable(low) > comparable(high):
        raise error(
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; "
            f"lower bound operand: AttributeValue: {low}, upper bound operand: AttributeValue: {high}"
        )


def _attributes(tree: Operand) -> list[str]:
    if isinstance(tree, Path):
        return [str(tree.steps[0])]
    if isinstance(tree, Placeholder):
        return []
    return [name for part in tree.operands for name in _attributes(part)]


def _equal(left: Read, right: Read, *, negated: bool) -> Test:
    """Returns a missing value equals no value, not even another missing one."""

    def test(item: Item, values: Values) -> bool:
        one = left(item, values)
        return (one is not None and one == right(item, values)) is not negated

    return test


def _is_in(reads: list[Read]) -> Test:
    left, *options = reads

    def test(item: Item, values: Values) -> bool:
        one = left(item, values)
        return one is not None and any(one == option(item, values) for option in options)

    return test


def _ordered(order: Callable[[Any, Any], bool], left: Read, right: Read) -> Test:
    def test(item: Item, values: Values) -> bool:
        one, other = left(item, values), right(item, values)
        return _comparable(one, other) and order(comparable(one), comparable(other))  # type: ignore[arg-type]

    return test


def _between(read: Read, low: Read, high: Read) -> Test:
    at_least, at_most = _ordered(operator.ge, read, low), _ordered(operator.le, read, high)
    return lambda item, values: at_least(item, values) and at_most(item, values)


def _comparable(one: Value | None, other: Value | None) -> bool:
    return one is not None and other is not None and one.keys() == other.keys() and next(iter(one)) in ORDERED


def _size(value: Value | None) -> Value | None:
    """Returns the length of a string in bytes of UTF-8; None for a number or a boolean."""
    if value is None:
        return None
    ((kind, content),) = value.items()
    if kind == "S":
        return {"N": str(len(content.encode()))}
    return None if kind in ("N", "BOOL", "NULL") else {"N": str(len(content))}


def _has_type(left: Read, right: Read) -> Test:
    def test(item: Item, values: Values) -> bool:
        one, wanted = left(item, values), right(item, values)
        return one is not None and wanted is not None and wanted.get("S") in one

    return test


def _begins_with(left: Read, right: Read) -> Test:
    def test(item: Item, values: Values) -> bool:
        one, prefix = left(item, values), right(item, values)
        if one is None or prefix is None or one.keys() != prefix.keys():
            return False
        ((kind, content),) = one.items()
        return kind in ("S", "B") and bool(content.startswith(prefix[kind]))

    return test


def _contains(left: Read, right: Read) -> Test:
    """Returns a string or binary in another, an element of a list or of a set."""

    def test(item: Item, values: Values) -> bool:
        whole, part = left(item, values), right(item, values)
        if whole is None or part is None:
            return False
        ((kind, content),) = whole.items()
        if kind == "L":
            return part in content
        return next(iter(part)) == kind[0] and kind in ("S", "B", "SS", "NS", "BS") and part[kind[0]] in content

    return test
