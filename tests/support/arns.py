"""ARNs of a template: written out as AWS does, and compared as IAM does."""

import re
from typing import Any

PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::AccountId": "123456789012",
    "AWS::URLSuffix": "amazonaws.com",
}


def written_out(value: Any) -> str:
    """Returns the text of an intrinsic function; a resource's logical id replaces its name or ARN."""
    if isinstance(value, str):
        return value
    ((function, argument),) = value.items()
    if function == "Ref":
        return str(PSEUDO.get(argument, argument))
    if function == "Fn::Join":
        separator, parts = argument
        return str(separator).join(written_out(part) for part in parts)
    if function == "Fn::GetAtt":
        return str(argument[0])
    raise AssertionError(f"{function} is not known here")


def arn_like(pattern: str, arn: str) -> bool:
    """Whether ArnLike is true: it compares each of the six parts between colons; `*` is any characters, `?` is one.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_ARN
    """
    patterns, parts = pattern.split(":", 5), arn.split(":", 5)
    if len(patterns) != 6 or len(parts) != 6:
        return False
    return all(_like(it, part) for it, part in zip(patterns, parts, strict=True))


def _like(pattern: str, text: str) -> bool:
    expression = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None
