"""Expressions: parsed and compiled once for each text and its names, then applied to items.

A request brings the text, ExpressionAttributeNames and ExpressionAttributeValues; `Expressions` enforces the rules
about all expressions of a request.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from tests.support.dynamodb import limits
from tests.support.dynamodb.conditions import Condition
from tests.support.dynamodb.errors import invalid
from tests.support.dynamodb.keys import KeyCondition
from tests.support.dynamodb.projections import Projection
from tests.support.dynamodb.syntax import Parser
from tests.support.dynamodb.updates import Update
from tests.support.dynamodb.values import Value, admit

type Names = tuple[tuple[str, str], ...]
type Compiled = tuple[Any, frozenset[str], frozenset[str]]
"""The object that applies the expression, and the names and values that it uses."""


@lru_cache(maxsize=4096)
def _compiled(kind: str, text: str, names: Names) -> Compiled:
    parser = Parser(kind, text, dict(names))
    if kind == "UpdateExpression":
        made: Any = Update(parser.update(), parser.error)
    elif kind == "ProjectionExpression":
        made = Projection(parser.projection())
    elif kind == "KeyConditionExpression":
        made = KeyCondition(parser.condition(), parser.error)
    else:
        made = Condition(parser.condition(), parser.error)
    return made, frozenset(parser.names), frozenset(parser.values)


class Expressions:
    """All expressions of one operation. Each is None if the request does not have it."""

    KINDS = (
        "KeyConditionExpression",
        "UpdateExpression",
        "ConditionExpression",
        "FilterExpression",
        "ProjectionExpression",
    )

    def __init__(self, request: Mapping[str, Any], kinds: tuple[str, ...] = KINDS) -> None:
        names: Mapping[str, str] = request.get("ExpressionAttributeNames") or {}
        raw_values: Mapping[str, Any] = request.get("ExpressionAttributeValues") or {}
        texts = {kind: request[kind] for kind in kinds if kind in request}
        if not texts:
            _check_none_given(request)
            self.values: dict[str, Value] = {}
            self._made: dict[str, Any] = {}
            return
        if names or "ExpressionAttributeNames" in request:
            _check_placeholders("Names", "#", names)
        if raw_values or "ExpressionAttributeValues" in request:
            _check_placeholders("Values", ":", raw_values)
        self.values = _admitted(raw_values)
        self._made = {}
        key = tuple(names.items())
        used_names: set[str] = set()
        used_values: set[str] = set()
        for kind, text in texts.items():
            made, its_names, its_values = _compiled(kind, text, key)
            for name in its_values - self.values.keys():
                raise invalid(
                    f"Invalid {kind}: An expression attribute value used in expression is not defined; "
                    f"attribute value: {name}"
                )
            used_names |= its_names
            used_values |= its_values
            self._made[kind] = made
        _check_used("Names", names, used_names)
        _check_used("Values", raw_values, used_values)
        for made in self._made.values():
            made.check(self.values)

    @property
    def condition(self) -> Condition | None:
        return self._made.get("ConditionExpression")

    @property
    def filter(self) -> Condition | None:
        return self._made.get("FilterExpression")

    @property
    def projection(self) -> Projection | None:
        return self._made.get("ProjectionExpression")

    @property
    def update(self) -> Update | None:
        return self._made.get("UpdateExpression")

    @property
    def key_condition(self) -> KeyCondition | None:
        return self._made.get("KeyConditionExpression")


def _check_none_given(request: Mapping[str, Any]) -> None:
    for what in ("Names", "Values"):
        if f"ExpressionAttribute{what}" in request:
            raise invalid(f"ExpressionAttribute{what} can only be specified when using expressions")


def _check_placeholders(what: str, sign: str, given: Mapping[str, Any]) -> None:
    if not given:
        raise invalid(f"ExpressionAttribute{what} must not be empty")
    for name in given:
        rest = name[1:]
        if name[:1] != sign or not rest or not (rest.isascii() and rest.replace("_", "a").isalnum()):
            raise invalid(f'ExpressionAttribute{what} contains invalid key: Syntax error; key: "{name}"')
        if len(name) > limits.PLACEHOLDER:
            raise invalid(f"ExpressionAttribute{what} contains invalid key: The key is too long; key: {name[:20]}…")


def _admitted(raw: Mapping[str, Any]) -> dict[str, Value]:
    size = 0
    values = {}
    for name, value in raw.items():
        values[name], value_size = admit(value)
        size += value_size
    if size > limits.VALUES:
        raise invalid("ExpressionAttributeValues exceeds max size")
    return values


def _check_used(what: str, given: Mapping[str, Any], used: set[str]) -> None:
    if len(used) < len(given):
        unused = ", ".join(sorted(given.keys() - used))
        raise invalid(f"Value provided in ExpressionAttribute{what} unused in expressions: keys: {{{unused}}}")
