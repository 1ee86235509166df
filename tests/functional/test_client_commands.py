"""The command line `oms` on the real handlers: sign-in, orders, stock counts, events and keys."""

import json
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from oms.core.dynamodb import get_item
from oms.identity import passwords
from oms.imports.models import Import
from oms.orders.models import Order
from oms.search.indexing import store_terms_of
from oms_client import webhooks
from oms_client.importing import POLL_SECONDS
from tests.support.client import URL, Functions, Terminal, client_of, without_waiting
from tests.support.feed import an_event, feed_in, ids
from tests.support.imports import process_until_finished, result, upload
from tests.support.invocation import Answer, Person
from tests.support.orders import Make, stock
from tests.support.service_keys import a_key

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

PASSWORD = "correct horse battery"


@pytest.fixture
def oms(cloud: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    monkeypatch.setenv("OMS_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("OMS_URL", URL)
    monkeypatch.delenv("OMS_KEY", raising=False)
    policy, _ = without_waiting(monkeypatch)
    return Terminal(Functions(), capsys, retries=policy)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Person | str], None]:
    """Makes the commands use this person's token, or this key."""

    def set_to(who: Person | str) -> None:
        monkeypatch.setenv("OMS_KEY", who if isinstance(who, str) else who.token)

    return set_to


type Use = Callable[[Person | str], None]


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Makes this the standard input."""
    lines = iter([text + "\n"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    monkeypatch.setattr("sys.stdin.readline", lambda: next(lines), raising=False)


# ---- signing in -----------------------------------------------------------------------------------------------------


def test_a_person_signs_in_once_and_out(oms: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(passwords, "COST", 4)
    client_of("none", oms.transport).auth.register(email="ada@example.com", password=PASSWORD, first_name="Ada")
    type_in(monkeypatch, PASSWORD)

    assert oms.run("login", "--email", "ada@example.com") == 0
    assert oms.run("orders", "list", "--json") == 0
    file = tmp_path / "config/profiles.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert PASSWORD not in file.read_text()
    monkeypatch.delenv("OMS_URL")
    assert oms.run("doctor") == 0
    assert "ada@example.com, customer" in oms.out

    assert oms.run("logout") == 0
    assert oms.run("orders", "list") == 3
    assert "tokens" not in file.read_text()


def test_an_expired_access_token_is_refreshed_and_stored(
    oms: Terminal, monkeypatch: pytest.MonkeyPatch, time_machine: Callable[[timedelta], None], tmp_path: Path
) -> None:
    monkeypatch.setattr(passwords, "COST", 4)
    client_of("none", oms.transport).auth.register(email="ada@example.com", password=PASSWORD, first_name="Ada")
    type_in(monkeypatch, PASSWORD)
    oms.run("login", "--email", "ada@example.com")
    file = tmp_path / "config/profiles.json"
    before = json.loads(file.read_text())["default"]["tokens"]

    time_machine(timedelta(hours=2))
    assert oms.run("orders", "list") == 0

    after = json.loads(file.read_text())["default"]["tokens"]
    assert before["refresh"] != after["refresh"]
    time_machine(timedelta(days=8))
    assert oms.run("orders", "list") == 3


def test_a_key_is_stored_if_the_deployment_knows_it(oms: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    type_in(monkeypatch, a_key("events:read").text)
    assert oms.run("login") == 0
    assert oms.run("events", "follow", "--no-wait") == 0

    type_in(monkeypatch, "oms_test_wrong")
    assert oms.run("login", "--json") == 3
    assert json.loads(oms.err)["code"] == "unauthenticated"


def test_the_credentials_of_a_profile_go_to_its_own_url_only(oms: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    type_in(monkeypatch, a_key("events:read").text)
    assert oms.run("login") == 0

    assert oms.run("--url", "http://other.test", "events", "follow", "--no-wait") == 3


# ---- orders ---------------------------------------------------------------------------------------------------------


def test_orders_are_listed_shown_and_moved(
    oms: Terminal, use: Use, customer: Person, manager: Person, order: Callable[..., Answer]
) -> None:
    placed = [order(customer).json["id"] for _ in range(3)]
    use(manager)

    assert oms.run("orders", "list", "--limit", "2", "--json") == 0
    assert [it["id"] for it in oms.lines] == placed[:0:-1]
    assert oms.run("orders", "confirm", *placed[:2]) == 0
    assert oms.run("orders", "ship", placed[0], "--carrier", "DHL", "--tracking", "J1") == 0
    assert oms.run("orders", "get", placed[0]) == 0
    assert "Shipped by DHL: J1" in oms.out
    assert oms.run("orders", "list", "--status", "shipped", "--json") == 0
    assert [it["shipment"]["tracking_number"] for it in oms.lines] == ["J1"]
    assert oms.run("orders", "cancel", placed[1], "--reason", "Sold out", "--json") == 0
    assert oms.lines[0]["cancel_reason"] == "Sold out"


def test_orders_are_found_by_what_people_type(
    oms: Terminal, use: Use, customer: Person, manager: Person, order: Callable[..., Answer]
) -> None:
    placed = [order(customer).json for _ in range(2)]
    # As the finder does, a moment later.
    stored = [get_item(Order, it["id"]) for it in placed]
    store_terms_of([it for it in stored if it])
    use(manager)

    for text in (placed[0]["number"], placed[0]["id"].lower(), placed[0]["items"][0]["sku"]):
        assert oms.run("orders", "find", text, "--json") == 0
        assert [it["id"] for it in oms.lines] == [placed[0]["id"]]
    assert oms.run("orders", "confirm", placed[0]["number"]) == 0
    assert oms.run("orders", "find", placed[1]["number"], "--status", "shipped") == 4
    assert (oms.out, oms.err) == ("", "No order is found.\n")
    assert oms.run("orders", "get", "20200131-0C8Z4V6T2R") == 4


def test_an_order_shows_its_contact(oms: Terminal, use: Use, manager: Person, order: Callable[..., Answer]) -> None:
    placed = order(manager, customer={"email": "ada@example.org", "name": "Ada"}).json["id"]
    use(manager)

    assert oms.run("orders", "get", placed) == 0

    assert "Customer: ada@example.org" in oms.out


def test_exit_codes_say_what_failed(
    oms: Terminal, use: Use, customer: Person, manager: Person, order: Callable[..., Answer]
) -> None:
    placed = order(customer).json["id"]
    assert oms.run("orders", "get", placed) == 3
    use("oms_test_wrong")
    assert oms.run("orders", "get", placed) == 3
    use(manager)
    assert oms.run("orders", "get", "none") == 4
    assert oms.run("orders", "ship", placed, "--carrier", "DHL", "--tracking", "J1") == 5
    assert "invalid-transition" in oms.err
    assert oms.run("orders", "ship", placed) == 2
    assert oms.run("orders", "confirm", "none") == 4
    assert oms.run("orders", "confirm", placed, "none") == 6
    use(customer)
    assert oms.run("keys", "list") == 1
    oms.transport = httpx.MockTransport(lambda _: httpx.Response(500, json={"message": "x"}))
    assert oms.run("orders", "list") == 1


def test_texts_cannot_change_the_terminal(
    oms: Terminal, use: Use, customer: Person, order: Callable[..., Answer]
) -> None:
    placed = order(customer, note="\u202enote").json["id"]
    use(customer)

    assert oms.run("orders", "get", placed) == 0

    assert "\u202e" not in oms.out
    assert "note" in oms.out
    assert oms.run("orders", "get", placed, "--json") == 0
    assert "\u202e" not in oms.out
    assert oms.lines[0]["note"] == "\u202enote"


# ---- stock ----------------------------------------------------------------------------------------------------------


def test_a_count_from_a_file_has_an_outcome_for_each_row(
    oms: Terminal, use: Use, manager: Person, product: Make, tmp_path: Path
) -> None:
    first, second = product(stock=5, sku="AB-1"), product(stock=5, sku="AB-12")
    file = tmp_path / "count.csv"
    file.write_text(f"sku;product_id;on_hand\nab-1;;7\n;{second};5\nnone;;3\n", encoding="utf-8-sig")
    use(manager)

    assert oms.run("stock", "count", str(file), "--json") == 6

    assert [(it["line"], it["outcome"]["status"], it["outcome"]["adjustment"]) for it in oms.lines] == [
        (2, "changed", 2),
        (3, "unchanged", 0),
        (4, "failed", None),
    ]
    assert "3 rows: 1 changed, 1 failed, 1 unchanged." in oms.err
    assert stock(first, manager) == (7, 0, 7)


def test_a_count_that_was_interrupted_is_resumed_by_the_same_file(
    oms: Terminal, use: Use, manager: Person, product: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oms_client.cli.stock.BATCH", 2)
    products = [product(stock=1) for _ in range(5)]
    file = tmp_path / "count.csv"
    file.write_text("product_id,on_hand\n" + "".join(f"{it},9\n" for it in products))
    use(manager)
    functions = Functions()
    answers = iter([True, False])

    def cut_off(request: httpx.Request) -> httpx.Response:
        answer = functions.handle_request(request)
        if not next(answers):
            raise KeyboardInterrupt
        return answer

    oms.transport = httpx.MockTransport(cut_off)
    assert oms.run("stock", "count", str(file)) == 130
    client_of(manager).inventory.adjust_stock(products[0], adjustment=-1, reason="Broken")
    oms.transport = functions

    assert oms.run("stock", "count", str(file), "--json") == 0

    assert [it["outcome"]["replayed"] for it in oms.lines] == [True] * 4 + [False]
    assert [stock(it, manager)[2] for it in products] == [8, 9, 9, 9, 9]
    assert "4 of them were made by an earlier run" in oms.err
    assert oms.run("stock", "count", str(file), "--again") == 0
    assert stock(products[0], manager)[2] == 9


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("product_id\n1\n", "must name the columns"),
        ("product_id,on_hand\n1,2.0\n", "Line 2: on_hand must be a whole number, not '2.0'"),
        ("product_id,on_hand\n1,\n", "Line 2"),
        ("product_id,on_hand\n1,2\n2,3\n1,2\n", "Lines 2 and 4 are about one product"),
        ("sku,on_hand\nA,2\na,3\n", "Lines 2 and 3"),
        ("sku,on_hand\n,2\n", "Line 2: no product_id and no sku"),
        (b"sku,on_hand\n\xff,2\n", "not UTF-8"),
    ],
)
def test_a_wrong_file_is_refused_before_anything_is_sent(
    oms: Terminal, use: Use, manager: Person, tmp_path: Path, content: Any, message: str
) -> None:
    file = tmp_path / "count.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    use(manager)

    assert oms.run("stock", "count", str(file)) == 2

    assert message in oms.err
    assert isinstance(oms.transport, Functions)
    assert oms.transport.sent == []


# ---- imports --------------------------------------------------------------------------------------------------------


def test_a_file_is_imported(
    oms: Terminal, use: Use, manager: Person, product: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = product(stock=5, sku="AB-1")
    file = tmp_path / "stock.csv"
    file.write_text("sku,on_hand\nAB-1,7\nAB-2,1\n")
    use(manager)
    functions, uploaded = Functions(), []

    def route(request: httpx.Request) -> httpx.Response:
        if request.url.host == httpx.URL(URL).host:
            return functions.handle_request(request)
        if request.method == "GET":
            return httpx.Response(200, content=result(uploaded[0]))
        uploaded.append(get_item(Import, Import.key(request.url.path.rpartition("/")[2])))
        upload(uploaded[0], request.content)
        return httpx.Response(200)

    def work(seconds: float) -> None:
        if seconds == POLL_SECONDS:
            process_until_finished(uploaded[0])

    monkeypatch.setattr("oms_client.sending.time.sleep", work)
    oms.transport = httpx.MockTransport(route)

    assert oms.run("import", str(file), "--kind", "stock", "--json") == 6

    assert [(it.get("row"), it.get("code")) for it in oms.lines] == [(2, "not-found"), (None, None)]
    assert "2 rows: 0 created, 1 updated, 0 unchanged, 1 failed." in oms.err
    assert stock(known, manager) == (7, 0, 7)
    # The same file is the same import.
    assert oms.run("import", str(file), "--kind", "stock") == 6
    assert "was imported at" in oms.err
    assert len(uploaded) == 1


# ---- events ---------------------------------------------------------------------------------------------------------


def test_events_are_followed_and_resumed_by_a_file(oms: Terminal, use: Use, manager: Person, tmp_path: Path) -> None:
    events = [an_event() for _ in range(3)]
    feed_in(*events[:2])
    use(manager)
    follow = ("events", "follow", "--no-wait", "--json", "--state", str(tmp_path / "place"))

    assert oms.run(*follow) == 0
    first = [it["id"] for it in oms.lines]
    feed_in(events[2])
    assert oms.run(*follow) == 0

    assert first + [it["id"] for it in oms.lines] == ids(events)


def test_events_are_forwarded_with_a_signature(
    oms: Terminal, use: Use, manager: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, *new = [an_event() for _ in range(3)]
    feed_in(old, *new)
    use(manager)
    functions, received = Functions(), []
    monkeypatch.setattr("time.sleep", lambda _: None)

    def route(request: httpx.Request) -> httpx.Response:
        if request.url.host != "receiver.test":
            return functions.handle_request(request)
        received.append(request)
        return httpx.Response(503 if len(received) == 1 else 204)

    oms.transport = httpx.MockTransport(route)
    forward = ("listen", "--forward-to", "http://receiver.test/oms", "--after", old["id"], "--no-wait", "--json")
    assert oms.run(*forward) == 0

    secret = oms.err.split("signed with ")[1].split()[0]
    assert [webhooks.verify(it.content, it.headers, secret).id for it in received] == ids([new[0], *new])
    assert [json.loads(it.content) for it in received[1:]] == new
    assert [it["result"] for it in oms.lines] == ["204", "204"]


# ---- keys and the doctor --------------------------------------------------------------------------------------------


def test_a_key_is_created_listed_and_revoked(oms: Terminal, use: Use, admin: Person) -> None:
    use(admin)

    assert oms.run("keys", "create", "Warehouse", "--scope", "orders:read", "--scope", "stock:write") == 0
    key = oms.out.strip()
    assert key.startswith("oms_")
    assert oms.run("keys", "list", "--json") == 0
    (listed,) = oms.lines
    assert (listed["name"], listed["scopes"]) == ("Warehouse", ["orders:read", "stock:write"])
    use(key)
    assert oms.run("doctor") == 0
    assert "orders:read (not catalogue:read" in oms.out
    assert "imports:write); unknown, as only changes need them: catalogue:write, stock:write," in oms.out
    use(admin)
    assert oms.run("keys", "revoke", listed["id"], "--yes") == 0
    use(key)
    assert oms.run("doctor", "--json") == 3
    assert [it["ok"] for it in oms.lines if it["check"] == "credentials"] == [False]


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (httpx.ConnectError("refused"), "url"),
        (httpx.Response(404), "url"),
        (httpx.Response(200, json={"hello": "world"}), "version"),
        (httpx.Response(200, json={"version": "0.1.0"}, headers={"Date": "Mon, 01 Jan 2024 00:00:00 GMT"}), "clock"),
    ],
)
def test_the_doctor_names_what_is_wrong(oms: Terminal, answer: Any, failed: str) -> None:
    def respond(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    oms.transport = httpx.MockTransport(respond)

    assert oms.run("doctor", "--json") == 1
    assert failed in [it["check"] for it in oms.lines if it["ok"] is False]


def test_credentials_over_plain_http_are_a_failure_beyond_this_machine(oms: Terminal) -> None:
    for url, ok in (("http://shop.example", False), ("http://localhost:5000", None), ("https://shop.example", True)):
        oms.run("--url", url, "doctor", "--json")
        assert [it["ok"] for it in oms.lines if it["check"] == "tls"] == [ok]
