"""Webhook subscriptions: creating and listing them, their secrets, and the allowed addresses."""

import base64
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from oms.core.dynamodb import get_item, put_item
from oms.core.settings import settings
from oms.identity.models import IdentityItem, user_key
from oms.webhooks import service
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Person
from tests.support.webhook_requests import (
    URL,
    WEBHOOKS,
    count,
    create,
    created,
    delete,
    get,
    patch,
    stored,
)
from tests.support.webhooks import PUBLIC, Names

pytestmark = pytest.mark.usefixtures("webhooks", "names")


# ---- create ---------------------------------------------------------------------------------------------------------


def test_a_webhook_is_made_with_a_secret_that_is_shown_this_once(admin: Person, manager: Person) -> None:
    answer = create(admin)

    made = answer.json
    secret = made.pop("secret")
    assert answer.status == 201
    assert (answer.headers["Location"], answer.headers["ETag"]) == (f"{WEBHOOKS}/{made['id']}", '"1"')
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert made == {
        "id": made["id"],
        "url": URL,
        "events": ["order.*", "stock.low"],
        "description": "The warehouse",
        "status": "active",
        "disabled_reason": None,
        "failing_since": None,
        "version": 1,
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
        "created_by": admin.id,
        "creator_is_admin": True,
    }
    shown = get(admin, made)
    assert (shown.json, shown.headers["ETag"]) == (made, '"1"')
    assert call("GET", WEBHOOKS, token=admin.token).json == {"items": [made], "next_cursor": None}
    assert secret not in shown.text


@pytest.mark.parametrize(
    ("url", "as_managers_read_it"),
    [
        ("https://hooks.example/in/T0-secret?key=x", "https://hooks.example/redacted"),
        ("https://hooks.example/?key=x", "https://hooks.example/redacted"),
        ("https://hooks.example/", "https://hooks.example/"),
        ("https://hooks.example", "https://hooks.example"),
    ],
)
def test_a20_managers_read_no_path_of_a_url(admin: Person, manager: Person, url: str, as_managers_read_it: str) -> None:
    made = created(admin, url=url)

    for who, read in ((admin, url), (manager, as_managers_read_it)):
        assert get(who, made).json["url"] == read
        assert [it["url"] for it in call("GET", WEBHOOKS, token=who.token).json["items"]] == [read]


@pytest.mark.parametrize("change", [{"role": "manager"}, {"status": "disabled"}])
def test_a27_admins_see_that_the_creator_of_a_webhook_is_no_admin_now(
    admin: Person, person: Callable[..., Person], change: dict[str, str]
) -> None:
    own, others = created(admin), created(person("admin"))
    user = get_item(IdentityItem, user_key(others["created_by"]))
    for name, value in change.items():
        setattr(user, name, value)
    put_item(user)

    listed = call("GET", WEBHOOKS, token=admin.token).json["items"]

    assert {it["id"]: it["creator_is_admin"] for it in listed} == {own["id"]: True, others["id"]: False}
    assert not get(admin, others).json["creator_is_admin"]
    assert not patch(admin, others, description="still wanted").json["creator_is_admin"]


def test_a_pattern_that_is_given_twice_counts_once_at_its_first_place(admin: Person) -> None:
    assert created(admin, events=["stock.low", "order.*", "stock.low"])["events"] == ["stock.low", "order.*"]


def test_a_description_can_be_left_out(admin: Person) -> None:
    assert call("POST", WEBHOOKS, {"url": URL, "events": ["*"]}, token=admin.token).json["description"] is None


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"events": ["order.created", "order.unknown"]}, "#/events/1"),
        ({"events": ["orders"]}, "#/events/0"),
        ({"events": []}, "#/events"),
        ({"events": ["order.*"] * 51}, "#/events"),
        ({"events": "order.*"}, "#/events"),
        ({"events": [1]}, "#/events/0"),
        ({"url": ""}, "#/url"),
        ({"url": "https://hooks.example/" + "a" * 2000}, "#/url"),
        ({"url": None}, "#/url"),
        ({"description": "x" * 501}, "#/description"),
        ({"status": "paused"}, "#/status"),
        ({"secret": "whsec_AAAA"}, "#/secret"),
    ],
)
def test_what_does_not_fit_is_pointed_at(admin: Person, fields: dict[str, Any], place: str) -> None:
    assert places(create(admin, **fields)) == {place}
    assert count() == 0


def test_there_are_fifty_at_most(admin: Person) -> None:
    hooks = [created(admin) for _ in range(50)]

    assert_problem(create(admin), 409, "too-many-webhooks")
    assert places(create(admin, events=["no.thing"])) == {"#/events/0"}, "the form is checked first"
    delete(admin, hooks[0])

    assert create(admin).status == 201
    assert_problem(create(admin), 409, "too-many-webhooks")
    assert count() == 50


def test_all_are_listed_newest_first_page_by_page(
    admin: Person, manager: Person, time_machine: Callable[[timedelta], None]
) -> None:
    made = []
    for _ in range(5):
        made.append(created(admin)["id"])
        time_machine(timedelta(seconds=1))

    found: list[str] = []
    cursor = ""
    while cursor is not None:
        page = call("GET", f"{WEBHOOKS}?limit=2{cursor}", token=manager.token).json
        found += [it["id"] for it in page["items"]]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"

    assert found == made[::-1]


# ---- A21: allowed addresses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/",
        "https://hooks.example:8443/",
        "https://user:pass@hooks.example/",
        "https://hooks.example/#x",
        "https://2130706433/",
        "https://0x7f.1/",
        "ftp://hooks.example/",
        "hooks.example",
        "https://hööks.example/",
    ],
)
def test_a21_a_url_of_another_form_is_refused_at_registration(admin: Person, url: str) -> None:
    errors = assert_problem(create(admin, url=url), 422, "webhook-url-forbidden")["errors"]

    assert [it["pointer"] for it in errors] == ["#/url"]
    assert count() == 0


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.8"],
        ["169.254.169.254"],
        ["::1"],
        ["fd00:ec2::254"],
        ["::ffff:10.0.0.1"],
        ["64:ff9b::a00:1"],
        ["224.0.0.1"],
        [PUBLIC, "192.168.0.1"],
    ],
    ids=" ".join,
)
def test_a21_a_name_that_leads_inside_is_refused_at_registration(
    admin: Person, names: Names, addresses: list[str]
) -> None:
    names["hooks.example"] = addresses

    assert_problem(create(admin), 422, "webhook-url-forbidden")
    webhook = created(admin, url="https://new.example/")
    assert_problem(patch(admin, webhook, url=URL), 422, "webhook-url-forbidden")

    assert stored(webhook).url == "https://new.example/"


def test_a21_a_name_is_resolved_once_and_nothing_is_connected_to(
    admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    resolve = socket.getaddrinfo

    def noted(host: str, *rest: Any, **named: Any) -> Any:
        asked.append(host)
        return resolve(host, *rest, **named)

    def refuse_to_connect(*_: Any) -> None:
        raise AssertionError("a registration opens no connection")

    monkeypatch.setattr(socket, "getaddrinfo", noted)
    monkeypatch.setattr(socket.socket, "connect", refuse_to_connect)

    created(admin)

    assert asked == ["hooks.example"]


def test_a_name_without_an_address_is_a_clear_422(admin: Person) -> None:
    problem = assert_problem(create(admin, url="https://nowhere.example/"), 422, "webhook-url-forbidden")

    assert problem["errors"] == [{"pointer": "#/url", "detail": "has a host name that has no address"}]


def test_a_name_server_that_does_not_answer_delays_no_request(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "RESOLVE_TIMEOUT_SECONDS", 0.1)
    over = threading.Event()
    answered: list[bool] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.append(over.wait(60)) or [])

    assert_problem(create(admin), 422, "webhook-url-forbidden")

    assert answered == [], "the answer came before that of the name server"
    over.set()


def test_private_targets_are_for_processes_with_that_setting(
    admin: Person, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    names["localhost"] = ["127.0.0.1"]
    url = "http://localhost:9000/hook"

    assert_problem(create(admin, url=url), 422, "webhook-url-forbidden")
    monkeypatch.setattr(service, "settings", lambda: replace(settings(), webhook_private_targets=True))

    assert created(admin, url=url)["url"] == url
