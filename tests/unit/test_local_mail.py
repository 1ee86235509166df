"""The output of `make mail` for sent mails. `tests/integration/test_mail.py` tests a running system."""

import json
from typing import Any

import pytest

from local import access, mail, running
from local.access import Access
from local.answers import Answer

ACCESS = Access("http://127.0.0.1:1", "secret")


def a_mail(to: str, at: float, subject: str = "Hello", text: str = "One\nTwo\n") -> dict[str, Any]:
    return {"To": [to], "Subject": subject, "BodyText": text, "BodyHtml": "<p>One</p>", "Timestamp": at}


@pytest.fixture
def holds(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[dict[str, Any]]]:
    """The mails of the emulated SES, by account."""
    held: dict[str, list[dict[str, Any]]] = {}
    monkeypatch.setattr(access, "ask", lambda *_, **__: Answer(200, {}, json.dumps({"messages": held}).encode()))
    return held


def test_mails_are_shown_as_they_are_read_the_newest_last(holds: dict[str, list[dict[str, Any]]]) -> None:
    holds["1"] = [a_mail("bob@example.com", 86_403, "Later"), a_mail("ada@example.com", 86_401)]
    holds["2"] = [a_mail("eve@example.com", 86_402)]

    shown = "\n".join(mail.readable(mail.sent(ACCESS)))

    assert [line for line in shown.splitlines() if "to " in line] == [
        "00:00:01  to ada@example.com",
        "00:00:02  to eve@example.com",
        "00:00:03  to bob@example.com",
    ]
    assert "00:00:03  to bob@example.com\n          Later\n\n    One\n    Two\n" in shown


def test_those_to_one_address_alone_can_be_shown(holds: dict[str, list[dict[str, Any]]]) -> None:
    holds["1"] = [a_mail("bob@example.com", 1), a_mail("Alice@demo.example", 2)]

    assert [it["To"] for it in mail.sent(ACCESS, to="alice")] == [["Alice@demo.example"]]
    assert list(mail.readable(mail.sent(ACCESS, to="carol"))) == ["No mail yet."]


def test_the_text_of_a_client_in_a_mail_moves_no_cursor(holds: dict[str, list[dict[str, Any]]]) -> None:
    holds["1"] = [a_mail("bob@example.com", 1, "\x1b[31mred", "\x1b[2J\x07\n")]

    assert "\x1b" not in "".join(mail.readable(mail.sent(ACCESS)))


def test_without_a_system_it_says_how_to_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "5999")

    def refused(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(running, "ask", refused)
    with pytest.raises(SystemExit) as ended:
        mail.main()

    assert ended.value.code == (
        "No system is running on port 5999: start it with `make up`, or set its port with `make mail PORT=…`."
    )
