"""The errors of DynamoDB, before they become exceptions of a client."""

from collections.abc import Mapping
from typing import Any


class RefusedError(Exception):
    """`code` and `message` as in the answer's Error; `extra` goes beside it (Item, CancellationReasons)."""

    def __init__(self, code: str, message: str, extra: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.extra = extra or {}


class InvalidItemError(RefusedError):
    """The request is well formed, but does not fit the stored item: a cancellation reason in a transaction."""

    def __init__(self, message: str) -> None:
        super().__init__("ValidationException", message)


def invalid(message: str) -> RefusedError:
    return RefusedError("ValidationException", message)


def invalid_parameter(message: str) -> RefusedError:
    return invalid(f"One or more parameter values were invalid: {message}")


def condition_failed(item: Mapping[str, Any] | None) -> RefusedError:
    extra = {"Item": item} if item else {}
    return RefusedError("ConditionalCheckFailedException", "The conditional request failed", extra)
