"""The errors of the client.

OmsClientError
├── ConnectionFailedError     no response: the network, or a time-out
├── UnexpectedResponseError   a response that the document does not describe
├── NotSignedInError          no credentials, or they have expired
└── ApiError                  a problem response; `problems` has a class for each code
"""

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oms_client.models import Problem, ProblemErrorsItem


class OmsClientError(Exception):
    """All errors of this package."""


class ConnectionFailedError(OmsClientError):
    """No response was received.

    `may_have_taken_effect`: the request was sent, so its effect is unknown. Repeat it with the same idempotency key, or
    read the resource.
    """

    def __init__(self, message: str, *, may_have_taken_effect: bool, idempotency_key: str | None = None) -> None:
        super().__init__(message)
        self.may_have_taken_effect = may_have_taken_effect
        self.idempotency_key = idempotency_key


class UnexpectedResponseError(OmsClientError):
    """A response that the document does not describe, for instance of a proxy."""

    def __init__(self, message: str, *, status: int, request_id: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.request_id = request_id


class NotSignedInError(OmsClientError):
    """There are no credentials, or the session has ended and cannot be renewed."""


class ApiError(OmsClientError):
    """A problem response. Distinguish problems by class or `code`; `detail` is for people.

    `retry_after` is in seconds. `problem` has all members, those that depend on `code` too; they are also attributes
    of the class of the code, such as `InsufficientStockError.shortfalls`.
    """

    def __init__(
        self, problem: "Problem", *, retry_after: float | None = None, idempotency_key: str | None = None
    ) -> None:
        super().__init__(f"{problem.status} {problem.code}: {problem.detail}")
        for it in dataclasses.fields(problem):
            if it.name not in ("type", "title", "instance", "errors", "response"):
                setattr(self, it.name, getattr(problem, it.name))
        self.problem = problem
        self.retry_after = retry_after
        self.idempotency_key = idempotency_key

    status: int
    code: str
    detail: str
    request_id: str

    @property
    def errors(self) -> "list[ProblemErrorsItem]":
        """The invalid values of a 422, with their places."""
        return self.problem.errors or []
