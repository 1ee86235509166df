"""AWS with a test's answers: each call and each answer is checked against botocore's own model of the service."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator

from oms.core import aws

type Answer = Mapping[str, Any]
type Answers = dict[str, Answer | Exception | Callable[[dict[str, Any]], Answer | Exception]]
"""By `service.Operation`: an answer, an error to raise, or a function of the call's parameters that gives either."""


class RefusedError(Exception):
    """An answer with an error code, and perhaps a message."""

    def __init__(self, code: str, message: str = "refused by the test") -> None:
        super().__init__(code)
        self.answer = {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": 400},
        }


class _Session:
    """Its clients are created once for all tests: the models of services are megabytes of JSON."""

    note: Callable[..., None]
    answer: Callable[..., Any]

    def __init__(self, region: str) -> None:
        session = boto3.Session("AKIDEXAMPLE", "example", region_name=region)
        session.events.register("before-parameter-build", lambda **it: self.note(**it))
        session.events.register("before-call", lambda **it: self.answer(**it))
        self.region_name = region
        self.get_available_regions = session.get_available_regions
        # Not AWS's own address, which the tests' DynamoDB would answer.
        self.client = cache(partial(session.client, endpoint_url="https://answers.test"))


_session = cache(_Session)


class AwsAnswers:
    """Replaces the session of all clients. `calls` has the calls in their order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: Answers, *, region: str = "eu-central-1") -> None:
        self.answers = answers
        self.calls: list[tuple[str, dict[str, Any]]] = []
        session = _session(region)
        monkeypatch.setattr(session, "note", self._note, raising=False)
        monkeypatch.setattr(session, "answer", self._answer, raising=False)
        monkeypatch.setattr(aws, "session", lambda: session)

    def called(self, operation: str) -> list[dict[str, Any]]:
        """Returns the parameters of each call of `service.Operation`."""
        return [params for name, params in self.calls if name == operation]

    def _note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.calls.append((f"{model.service_model.service_name}.{model.name}", dict(params)))

    def _answer(self, model: Any, **_: Any) -> tuple[Any, Any]:
        name, params = self.calls[-1]
        assert name in self.answers, f"the test has no answer to {name}"
        answer = self.answers[name]
        if callable(answer):
            answer = answer(params)
        if isinstance(answer, RefusedError):
            return SimpleNamespace(status_code=400), answer.answer
        if isinstance(answer, Exception):
            raise answer
        if model.output_shape is not None:
            report = ParamValidator().validate(answer, model.output_shape)
            assert not report.has_errors(), f"{name}: {report.generate_report()}"
        return SimpleNamespace(status_code=200), dict(answer)
