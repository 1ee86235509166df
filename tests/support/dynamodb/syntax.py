"""The grammar of expressions: text to a tree. Other modules check the names, values and functions.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import NoReturn

from tests.support.dynamodb import limits
from tests.support.dynamodb.errors import RefusedError, invalid

RESERVED_WORDS = frozenset((File(__file__).parent / "reserved_words.txt").read_text().split())

_TOKEN = re.compile(r"\s*([#:][A-Za-z0-9_]+|[A-Za-z][A-Za-z0-9_]*|[0-9]+|<>|<=|>=|[=<>()\[\],.+-]|$)", re.ASCII)
_COMPARATORS = frozenset({"=", "<>", "<", "<=", ">", ">="})
_CLAUSES = ("set", "remove", "add", "delete")

type Steps = tuple[str | int, ...]
"""A document path: names of attributes, and positions in lists."""


@dataclass(frozen=True)
class Path:
    steps: Steps

    def __str__(self) -> str:
        return "[" + ", ".join(f"[{step}]" if isinstance(step, int) else step for step in self.steps) + "]"


@dataclass(frozen=True)
class Placeholder:
    """A value of ExpressionAttributeValues; `name` begins with a colon."""

    name: str


@dataclass(frozen=True)
class Call:
    function: str
    operands: tuple["Operand", ...]


@dataclass(frozen=True)
class Operation:
    """A comparison, BETWEEN, IN, AND, OR, NOT, or the + and - of an update."""

    operator: str
    operands: tuple["Operand", ...]


type Operand = Path | Placeholder | Call | Operation


@dataclass
class Update:
    """The actions of an update expression, clause by clause."""

    set: list[tuple[Path, Operand]] = field(default_factory=list)
    remove: list[Path] = field(default_factory=list)
    add: list[tuple[Path, Placeholder]] = field(default_factory=list)
    delete: list[tuple[Path, Placeholder]] = field(default_factory=list)

    def paths(self) -> list[Path]:
        return [*(path for path, _ in (*self.set, *self.add, *self.delete)), *self.remove]


class Parser:
    """One text, read once from its beginning. `kind` names the parameter in messages.

    `names` and `values` are what the text uses of ExpressionAttributeNames and ExpressionAttributeValues.
    """

    def __init__(self, kind: str, text: str, known_names: Mapping[str, str]) -> None:
        self._kind = kind
        self._text = text
        self._known_names = known_names
        self.names: set[str] = set()
        self.values: set[str] = set()
        self.operators = 0
        if not text.strip():
            raise self.error("The expression can not be empty;")
        if len(text.encode()) > limits.EXPRESSION:
            raise self.error("Expression size has exceeded the maximum allowed size;")
        self._tokens = self._split()
        self._at = 0

    def error(self, message: str) -> RefusedError:
        return invalid(f"Invalid {self._kind}: {message}")

    def condition(self) -> Operand:
        tree = self._disjunction()
        self._end()
        return tree

    def projection(self) -> list[Path]:
        paths = self._list(self._path)
        self._end()
        check_overlaps(paths, self.error)
        return paths

    def update(self) -> Update:
        update = Update()
        seen: set[str] = set()
        while self._peek():
            clause = self._next().lower()
            if clause not in _CLAUSES:
                self._fail(-1)
            if clause in seen:
                raise self.error(f'The "{clause.upper()}" section can only be used once in an update expression;')
            seen.add(clause)
            if clause == "set":
                update.set = self._list(self._assignment)
            elif clause == "remove":
                update.remove = self._list(self._path)
            else:
                setattr(update, clause, self._list(self._path_and_value))
        check_overlaps(update.paths(), self.error)
        return update

    # ---- conditions -------------------------------------------------------------------------------------------------

    def _disjunction(self) -> Operand:
        return self._chain("OR", self._conjunction)

    def _conjunction(self) -> Operand:
        return self._chain("AND", self._negation)

    def _chain(self, operator: str, part: Callable[[], Operand]) -> Operand:
        parts = [part()]
        while self._peek().upper() == operator:
            self._next()
            self._count()
            parts.append(part())
        return parts[0] if len(parts) == 1 else Operation(operator, tuple(parts))

    def _negation(self) -> Operand:
        if self._peek().upper() == "NOT":
            self._next()
            self._count()
            return Operation("NOT", (self._negation(),))
        if self._peek() == "(":
            return self._group()
        return self._predicate()

    def _group(self) -> Operand:
        start = self._at
        self._take("(")
        tree = self._disjunction()
        doubled = self._tokens[start + 1] == "(" and self._closes(start + 1) == self._at - 1
        self._take(")")
        if doubled:
            raise self.error("The expression has redundant parentheses;")
        return tree

    def _closes(self, opening: int) -> int:
        depth = 0
        for at in range(opening, len(self._tokens)):
            depth += {"(": 1, ")": -1}.get(self._tokens[at], 0)
            if not depth:
                return at
        return len(self._tokens)

    def _predicate(self) -> Operand:
        left = self._operand()
        operator = self._peek().upper()
        if operator in _COMPARATORS:
            self._next()
            self._count()
            return Operation(operator, (left, self._operand()))
        if operator == "BETWEEN":
            self._next()
            self._count()
            low = self._operand()
            self._keyword("AND")
            return Operation("BETWEEN", (left, low, self._operand()))
        if operator == "IN":
            self._next()
            self._count()
            self._take("(")
            options = self._list(self._operand)
            self._take(")")
            if len(options) > limits.IN_OPERANDS:
                raise self.error(
                    "The IN operator is provided with too many operands; number of operands: " + str(len(options))
                )
            return Operation("IN", (left, *options))
        if not isinstance(left, Call):
            self._fail()
        return left

    # ---- updates ----------------------------------------------------------------------------------------------------

    def _assignment(self) -> tuple[Path, Operand]:
        path = self._path()
        self._take("=")
        value = self._operand()
        if self._peek() in ("+", "-"):
            operator = self._next()
            self._count()
            value = Operation(operator, (value, self._operand()))
        return path, value

    def _path_and_value(self) -> tuple[Path, Placeholder]:
        path = self._path()
        self._count()
        return path, self._placeholder()

    # ---- operands ---------------------------------------------------------------------------------------------------

    def _operand(self) -> Operand:
        token = self._peek()
        if token.startswith(":"):
            return self._placeholder()
        if token[:1].isalpha() and self._tokens[self._at + 1] == "(":
            function = self._next()
            self._count()
            self._take("(")
            operands = self._list(self._operand)
            self._take(")")
            return Call(function, tuple(operands))
        return self._path()

    def _placeholder(self) -> Placeholder:
        token = self._next()
        if not token.startswith(":"):
            self._fail(-1)
        self.values.add(token)
        return Placeholder(token)

    def _path(self) -> Path:
        steps: list[str | int] = [self._name()]
        while self._peek() in (".", "["):
            if self._next() == ".":
                steps.append(self._name())
                continue
            position = self._next()
            if not position.isdigit():
                self._fail(-1)
            steps.append(int(position))
            self._take("]")
        return Path(tuple(steps))

    def _name(self) -> str:
        token = self._next()
        if token.startswith("#"):
            if token not in self._known_names:
                raise self.error(
                    "An expression attribute name used in the document path is not defined; attribute name: " + token
                )
            self.names.add(token)
            return self._known_names[token]
        if not token[:1].isalpha():
            self._fail(-1)
        if token.lower() in RESERVED_WORDS:
            raise self.error(f"Attribute name is a reserved keyword; reserved keyword: {token}")
        return token

    # ---- tokens -----------------------------------------------------------------------------------------------------

    def _split(self) -> list[str]:
        tokens, at = [], 0
        while at < len(self._text.rstrip()):
            found = _TOKEN.match(self._text, at)
            if not found:
                raise self._syntax_error(self._text[at:].lstrip()[0], self._text[max(at - 10, 0) : at + 10])
            tokens.append(found[1])
            at = found.end()
        # Two ends, so that the parser can read one token past the last.
        return [*tokens, "", ""]

    def _peek(self) -> str:
        return self._tokens[self._at]

    def _next(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, token: str) -> None:
        if self._next() != token:
            self._fail(-1)

    def _keyword(self, word: str) -> None:
        if self._next().upper() != word:
            self._fail(-1)

    def _list[T](self, part: Callable[[], T]) -> list[T]:
        parts = [part()]
        while self._peek() == ",":
            self._next()
            parts.append(part())
        return parts

    def _end(self) -> None:
        if self._peek():
            self._fail()

    def _count(self) -> None:
        self.operators += 1
        if self.operators > limits.EXPRESSION_OPERATORS:
            raise self.error(f"The expression contains too many operators; operator count: {self.operators}")

    def _fail(self, offset: int = 0) -> NoReturn:
        at = self._at + offset
        raise self._syntax_error(self._tokens[at] or "<EOF>", " ".join(self._tokens[max(at - 1, 0) : at + 2]).strip())

    def _syntax_error(self, token: str, near: str) -> RefusedError:
        return self.error(f'Syntax error; token: "{token}", near: "{near}"')


def check_overlaps(paths: list[Path], error: Callable[[str], RefusedError]) -> None:
    """Checks that no path leads through another, and that none treats as a map what another treats as a list."""
    if len({path.steps[0] for path in paths}) == len(paths):
        return
    for number, one in enumerate(paths):
        for other in paths[number + 1 :]:
            pairs = zip(one.steps, other.steps, strict=False)
            parting = next(((a, b) for a, b in pairs if a != b), None)
            if parting is None:
                raise error(
                    "Two document paths overlap with each other; must remove or rewrite one of these paths; "
                    f"path one: {one}, path two: {other}"
                )
            if isinstance(parting[0], int) != isinstance(parting[1], int):
                raise error(
                    "Two document paths conflict with each other; must remove or rewrite one of these paths; "
                    f"path one: {one}, path two: {other}"
                )
