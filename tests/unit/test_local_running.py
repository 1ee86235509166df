"""What the tools beside a running system say when it cannot be used."""

import json

import pytest

from local import running
from local.answers import Answer
from local.errors import LocalCloudError

ENDED = "The local cloud has ended (signal 9, SIGKILL: out of memory?). Start it again with `make up`."


def answering(monkeypatch: pytest.MonkeyPatch, answer: Answer | OSError) -> None:
    def ask(*_: object, **__: object) -> Answer:
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(running, "ask", ask)


def refused(status: int, body: str) -> Answer:
    return Answer(status, {}, body.encode())


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (refused(503, json.dumps({"message": ENDED})), ENDED),
        (refused(503, "<html>"), "What answers on port 5000 is not this system."),
        (refused(404, json.dumps({"message": "Not Found"})), "What answers on port 5000 is not this system."),
        (refused(200, "hello"), "What answers on port 5000 is not this system."),
        (refused(200, "5"), "What answers on port 5000 is not this system."),
        (
            ConnectionRefusedError(),
            "No system is running on port 5000: start it with `make up`, or name its port with `make mail PORT=…`.",
        ),
    ],
)
def test_a_tool_says_why_there_is_no_system(
    monkeypatch: pytest.MonkeyPatch, error: Answer | OSError, said: str
) -> None:
    answering(monkeypatch, error)

    with pytest.raises(LocalCloudError) as raised:
        running.about_system(5000, "make mail")

    assert str(raised.value) == said


def test_a_tool_that_needs_the_cloud_ends_with_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, refused(503, json.dumps({"message": ENDED})))

    with pytest.raises(SystemExit, match="out of memory"):
        running.aim_at_running_system("make redrive")
