"""The messages of local tools when no system is running, or when it cannot be used."""

import json

import pytest

from local import running
from local.answers import Answer
from local.errors import LocalCloudError

OTHER_PROGRAM = "Another program answers on port 5000: set the port of the system with `make mail PORT=…`."
ENDED = "The local cloud ended unexpectedly (signal 9, SIGKILL: out of memory?). Start it again with `make up`."


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
        (refused(503, "<html>"), OTHER_PROGRAM),
        (refused(404, json.dumps({"message": "Not Found"})), OTHER_PROGRAM),
        (refused(200, "hello"), OTHER_PROGRAM),
        (refused(200, "5"), OTHER_PROGRAM),
        (
            ConnectionRefusedError(),
            "No system is running on port 5000: start it with `make up`, or set its port with `make mail PORT=…`.",
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
