"""What the tools beside a running system say when it cannot be used."""

import io
import json
import urllib.error
from email.message import Message

import pytest

from local import running
from local.errors import LocalCloudError

ENDED = "The local cloud has ended (signal 9, SIGKILL: out of memory?). Start it again with `make up`."


def answering(monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    def urlopen(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(running.urllib.request, "urlopen", urlopen)


def refused(status: int, body: str) -> urllib.error.HTTPError:
    return urllib.error.HTTPError("http://127.0.0.1:5000/_local", status, "", Message(), io.BytesIO(body.encode()))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (refused(503, json.dumps({"message": ENDED})), ENDED),
        (refused(503, "<html>"), "What answers on port 5000 is not this system."),
        (refused(404, json.dumps({"message": "Not Found"})), "What answers on port 5000 is not this system."),
        (
            ConnectionRefusedError(),
            "No system is running on port 5000: start it with `make up`, or name its port with `make mail PORT=…`.",
        ),
    ],
)
def test_a_tool_says_why_there_is_no_system(monkeypatch: pytest.MonkeyPatch, error: OSError, said: str) -> None:
    answering(monkeypatch, error)

    with pytest.raises(LocalCloudError) as raised:
        running.about_system(5000, "make mail")

    assert str(raised.value) == said


def test_a_tool_that_needs_the_cloud_ends_with_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, refused(503, json.dumps({"message": ENDED})))

    with pytest.raises(SystemExit, match="out of memory"):
        running.aim_at_running_system("make redrive")
