"""Every failure below HTTP is an OSError: the local cloud's tools end with one sentence, without a traceback."""

import http.client
import io
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from typing import Any

import pytest

from local import listen, system
from local.answers import Answer, ask
from local.errors import LocalCloudError
from local.system import ANSWER_SECONDS, LocalSystem

URL = "http://127.0.0.1:1/health"


class Body(io.BytesIO):
    """The body of an answer; a read of it raises the error, if one is given."""

    status, headers = 200, Message()

    def __init__(self, content: bytes = b"", *, fails: Exception | None = None) -> None:
        super().__init__(content)
        self._fails = fails

    def read(self, *_: Any) -> bytes:
        if self._fails:
            raise self._fails
        return super().read()


type Result = Body | Exception


def opening(monkeypatch: pytest.MonkeyPatch, make: Callable[[], Result]) -> None:
    def urlopen(*_: Any, **__: Any) -> Body:
        result = make()
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)


def refusal(status: int, body: Body) -> urllib.error.HTTPError:
    return urllib.error.HTTPError(URL, status, "", Message(), body)


def test_an_answer_of_any_status_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    opening(monkeypatch, lambda: Body(b'{"status": "ok"}'))
    assert (ask(URL, seconds=1).status, ask(URL, seconds=1).content) == (200, {"status": "ok"})

    opening(monkeypatch, lambda: refusal(502, Body(b"broken")))
    assert (ask(URL, seconds=1).status, ask(URL, seconds=1).body) == (502, b"broken")


BELOW_HTTP: list[Callable[[], Result]] = [
    lambda: TimeoutError("timed out"),
    lambda: ConnectionResetError(),
    lambda: urllib.error.URLError("refused"),
    lambda: http.client.BadStatusLine("SSH-2.0-OpenSSH"),
    lambda: http.client.RemoteDisconnected(),
    lambda: Body(fails=TimeoutError("timed out")),
    lambda: Body(fails=http.client.IncompleteRead(b"{")),
    lambda: refusal(500, Body(fails=TimeoutError("timed out"))),
    lambda: refusal(500, Body(fails=http.client.IncompleteRead(b"{"))),
]


@pytest.mark.parametrize("make", BELOW_HTTP)
def test_an_incomplete_answer_is_an_os_error(monkeypatch: pytest.MonkeyPatch, make: Callable[[], Result]) -> None:
    opening(monkeypatch, make)

    with pytest.raises(OSError, match=r".*"):
        ask(URL, seconds=1)


class Started(LocalSystem):
    direct_url = "http://127.0.0.1:1"


@pytest.mark.parametrize("make", BELOW_HTTP)
def test_a_function_that_does_not_answer_the_warm_up_is_named_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[], Result]
) -> None:
    opening(monkeypatch, make)

    assert str(Started().failure_at("/health")).startswith(f"no answer within {ANSWER_SECONDS} s")


def test_a_function_that_fails_is_named_with_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    said = [Answer(502, {}, b"no module named orders"), Answer(404, {}, b""), Answer(200, {}, b"ok")]
    monkeypatch.setattr(system, "ask", lambda *_, **__: said.pop(0))

    assert [Started().failure_at("/health") for _ in range(3)] == ["no module named orders", None, None]


# ---- `make listen` --------------------------------------------------------------------------------------------------


class Api:
    """An API that gives `make listen` these answers, in their order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: Answer) -> None:
        self._answers = list(answers)
        self.waited: list[float] = []
        monkeypatch.setattr(listen, "about_system", lambda *_: {})
        monkeypatch.setattr(listen, "ask", lambda *_, **__: self._answers.pop(0))
        monkeypatch.setattr(listen.time, "sleep", self.waited.append)

    def register(self) -> tuple[str, str]:
        with listen.registered("http://127.0.0.1:1/api/v1", "http://127.0.0.1:9000/") as webhook:
            return webhook


SIGNED_IN, DELETED = Answer(200, {}, b'{"access_token": "t"}'), Answer(204, {}, b"")
MADE = Answer(201, {}, b'{"id": "W", "secret": "whsec_x"}')
LIMITED = Answer(429, {"Retry-After": "34"}, b"{}")


def test_it_says_that_it_waits_when_the_sign_ins_of_the_minute_are_used_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = Api(monkeypatch, LIMITED, SIGNED_IN, MADE, SIGNED_IN, DELETED)

    assert api.register() == ("W", "whsec_x")
    assert api.waited == [34]
    assert "reached the limit of sign-ins per minute: waiting 34 s" in capsys.readouterr().out


def test_it_waits_once(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(monkeypatch, LIMITED, LIMITED)

    with pytest.raises(LocalCloudError, match="try again in 34 s"):
        api.register()


def test_a_refusal_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = Answer(422, {}, b'{"detail": "The URL is forbidden."}')

    with pytest.raises(LocalCloudError, match=r"failed with the status 422: The URL is forbidden\."):
        Api(monkeypatch, SIGNED_IN, refused).register()


def test_an_answer_that_is_no_json_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LocalCloudError, match="The system has stopped"):
        Api(monkeypatch, Answer(200, {}, b"<html>")).register()
