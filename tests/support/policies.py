"""The grants of a synthesized template, and IAM's rules for them, as far as the stack uses them.

Resources are compared by their logical names: a table is `<DataOrders1234ABCD>`, one of its indexes
`<DataOrders1234ABCD>/index/open`, an object `<ExportsFiles1234ABCD>/exports/1.csv`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

type Template = Mapping[str, Any]

INDEXES = "/index/*"


@dataclass(frozen=True, order=True)
class Call:
    """An AWS call as IAM sees it. `context` has the values of condition keys: a key may occur more than once."""

    function: str
    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, order=True)
class Grant:
    """An action that a function may carry out on a resource, a table with its indexes."""

    function: str
    action: str
    resource: str

    def covers(self, call: Call) -> bool:
        return (
            self.function == call.function
            and fnmatchcase(call.action, self.action)
            and any(fnmatchcase(call.resource, pattern) for pattern in (self.resource, self.resource + INDEXES))
        )


@dataclass(frozen=True)
class Statement:
    """A statement of a function's policy. `conditions`: (operator, key) → the values, one of which must match."""

    function: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[tuple[str, str], tuple[str, ...]]

    def allows(self, call: Call) -> bool:
        return (
            call.function == self.function
            and any(fnmatchcase(call.action, pattern) for pattern in self.actions)
            and any(fnmatchcase(call.resource, pattern) for pattern in self.resources)
            and all(_holds(operator, key, values, call) for (operator, key), values in self.conditions.items())
        )

    def grants(self) -> Iterator[Grant]:
        for resource in {it.removesuffix(INDEXES) for it in self.resources}:
            for action in self.actions:
                yield Grant(self.function, action, resource)


def _holds(operator: str, key: str, values: tuple[str, ...], call: Call) -> bool:
    found = [value for name, value in call.context if name == key]
    match operator:
        case "StringEquals":
            return bool(found) and all(it in values for it in found)
        case "StringEqualsIfExists":
            return all(it in values for it in found)
        case "ForAllValues:StringEquals":  # also true if the call does not have the key
            return all(it in values for it in found)
        case "ForAllValues:StringLike":
            return all(any(fnmatchcase(it, value) for value in values) for it in found)
    raise NotImplementedError(f"no rule here for the condition {operator} on {key}")


def statements_of(template: Template) -> list[Statement]:
    """Returns the statements of the roles of the template's functions."""
    functions = _functions_by_role(template)
    found = []
    for policy in _all(template, "AWS::IAM::Policy").values():
        for role in policy["Roles"]:
            name = functions.get(role["Ref"])
            if name:  # other roles, as the scheduler's, are not those of functions
                found += [_statement(name, it) for it in policy["PolicyDocument"]["Statement"]]
    return found


def _statement(function: str, statement: Mapping[str, Any]) -> Statement:
    if statement["Effect"] != "Allow":
        raise NotImplementedError("no rule here for a Deny in the policy of a function")
    conditions = {
        (operator, key): tuple(rendered(value) for value in _listed(values))
        for operator, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    }
    return Statement(
        function,
        tuple(_listed(statement["Action"])),
        tuple(rendered(it) for it in _listed(statement["Resource"])),
        conditions,
    )


def functions_of(template: Template) -> dict[str, Any]:
    """construct id → properties"""
    return {_construct(name): it for name, it in _all(template, "AWS::Lambda::Function").items() if _is_ours(name)}


def other_names(template: Template) -> dict[str, str]:
    """Returns, where they differ, a resource's name in a setting → its name in the policies."""
    secrets = {it["Name"]: f"<{name}>" for name, it in _all(template, "AWS::SecretsManager::Secret").items()}
    mailed_by = {f"<{name}>": it["Name"] for name, it in _all(template, "AWS::SES::ConfigurationSet").items()}
    return secrets | mailed_by


def rendered(value: Any) -> str:
    """Returns a value of the template as text, with logical names instead of physical names and ARNs."""
    match value:
        case str():
            return value
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, "StreamArn"]}:
            return f"<{name}>/stream"
        case {"Fn::GetAtt": [name, _]}:
            return f"<{name}>"
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(rendered(part) for part in parts)
    raise NotImplementedError(f"no rule here for {value}")


def _functions_by_role(template: Template) -> dict[str, str]:
    return {
        it["Role"]["Fn::GetAtt"][0]: _construct(name)
        for name, it in _all(template, "AWS::Lambda::Function").items()
        if _is_ours(name)
    }


def _construct(logical_id: str) -> str:
    return logical_id.removeprefix("Functions")[:-8]


def _is_ours(logical_id: str) -> bool:
    return logical_id.startswith("Functions")


def _all(template: Template, resource_type: str) -> dict[str, Any]:
    return {name: it.get("Properties", {}) for name, it in template["Resources"].items() if it["Type"] == resource_type}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def not_allowed(statements: Iterable[Statement], calls: Iterable[Call]) -> list[Call]:
    by_function: dict[str, list[Statement]] = {}
    for statement in statements:
        by_function.setdefault(statement.function, []).append(statement)
    return sorted(call for call in set(calls) if not any(it.allows(call) for it in by_function.get(call.function, ())))


def unused(statements: Iterable[Statement], calls: Iterable[Call]) -> list[Grant]:
    made = set(calls)
    granted = {grant for statement in statements for grant in statement.grants()}
    return sorted(grant for grant in granted if not any(grant.covers(call) for call in made))
