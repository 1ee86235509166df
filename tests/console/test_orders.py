"""The way of an order in the back office, from the list to the parcel."""

import re
import time
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.console.office import Office, SignedIn
from tests.support.local_cloud.shop import create_product, order_of

ORDERS = "/api/v1/orders"


@pytest.fixture(scope="session")
def product(signed_in: SignedIn) -> str:
    return create_product(signed_in("manager"), stock=1000)


def place(signed_in: SignedIn, product: str, quantity: int = 1, **fields: object) -> dict[str, str]:
    placed = signed_in("alice").post(ORDERS, json=order_of((product, quantity)) | fields)
    assert placed.status_code == 201, placed.text
    return dict(placed.json())


def status_of(signed_in: SignedIn, order: dict[str, str]) -> str:
    return str(signed_in("manager").get(f"{ORDERS}/{order['id']}").json()["status"])


def open_order(page: Page, order: dict[str, str]) -> None:
    page.goto(f"/orders/{order['id']}")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Order {order['number']}")


def test_a_new_order_appears_automatically_and_is_shipped_in_four_clicks(
    office: Office, signed_in: SignedIn, product: str
) -> None:
    page = office.open("manager", "/orders")
    expect(page.get_by_role("row")).not_to_have_count(0)
    with page.expect_response(re.compile("/events.*cursor=")):  # the feed is followed from now on
        pass
    started = time.monotonic()
    order = place(signed_in, product, 3)
    link = page.get_by_role("link", name=order["number"])
    expect(link).to_be_visible()
    assert time.monotonic() - started < 10, "it is read at once, within one read of the feed"

    link.click()
    page.get_by_role("button", name="Confirm").click()
    page.get_by_role("button", name="Ship").click()
    page.get_by_label("Carrier").fill("DHL")
    page.get_by_label("Tracking number").fill("JD014600")
    page.get_by_role("dialog").get_by_role("button", name="Ship").click()
    expect(page.get_by_role("button", name="Mark as delivered")).to_be_visible()
    expect(page.get_by_text("JD014600")).to_be_visible()
    assert status_of(signed_in, order) == "shipped"
    expect(page.locator(".timeline li")).to_have_count(3)


def test_selected_orders_are_confirmed_together_and_one_that_was_cancelled_is_shown(
    office: Office, signed_in: SignedIn, product: str
) -> None:
    orders = [place(signed_in, product) for _ in range(3)]
    page = office.open("manager", "/orders?status=pending")
    for order in orders:
        page.get_by_label(f"Select order {order['number']}").check()
    cancelled = signed_in("alice").post(f"{ORDERS}/{orders[0]['id']}/cancel", json={})
    assert cancelled.status_code == 200
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("2 of 3 confirmed")).to_be_visible()
    expect(page.locator(".toast.bad")).to_contain_text(orders[0]["number"])
    assert [status_of(signed_in, it) for it in orders] == ["cancelled", "confirmed", "confirmed"]


def test_three_orders_are_shipped_together_by_scanning_their_labels(
    office: Office, signed_in: SignedIn, product: str
) -> None:
    orders = [place(signed_in, product) for _ in range(3)]
    manager = signed_in("manager")
    for order in orders:
        assert manager.post(f"{ORDERS}/{order['id']}/confirm", json={}).status_code == 200
    page = office.open("manager", "/orders?status=confirmed")
    for order in orders:
        page.get_by_label(f"Select order {order['number']}").check()
    page.get_by_role("button", name="Ship (3)").click()
    # Meanwhile one of them is cancelled.
    assert manager.post(f"{ORDERS}/{orders[0]['id']}/cancel", json={}).status_code == 200
    expect(page.get_by_label("Carrier")).to_be_focused()
    for text in ("DHL", "JD1", "JD2", "JD3"):
        page.keyboard.type(text)
        page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("[aria-invalid=true]")).to_have_count(1)
    expect(dialog.locator(".error")).to_contain_text("Someone else changed this meanwhile")
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("link", name=orders[2]["number"])).to_have_count(0)
    assert [status_of(signed_in, it) for it in orders] == ["cancelled", "shipped", "shipped"]


def test_the_stock_that_a_cancelled_order_gives_back_is_shown_at_once(
    office: Office, signed_in: SignedIn, product: str
) -> None:
    order = place(signed_in, product, 4)
    page = office.open("manager")
    page.route("**/api/v1/events**", lambda route: route.abort())  # the page does not wait for the feed
    page.goto(f"/products/{product}")
    available = page.locator(".tiles .value").first
    before = int(available.inner_text().replace(",", ""))
    page.keyboard.press("g")
    page.keyboard.press("o")
    page.get_by_role("link", name=order["number"]).click()
    page.get_by_role("button", name="Cancel order").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel order").click()
    expect(page.get_by_text("The units are for sale again")).to_be_visible()
    page.locator("tbody a").first.click()
    expect(available).to_have_text(f"{before + 4:,}")


def test_a_change_of_another_person_is_shown_and_not_overwritten(
    office: Office, signed_in: SignedIn, product: str
) -> None:
    order = place(signed_in, product)
    page = office.open("manager")
    page.route("**/api/v1/events**", lambda route: route.abort())  # this page hears of it too late
    open_order(page, order)
    assert signed_in("manager").post(f"{ORDERS}/{order['id']}/confirm", json={}).status_code == 200
    page.get_by_role("button", name="Cancel order").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel order").click()
    expect(page.locator(".toast.bad")).to_contain_text("Someone else changed this meanwhile")
    expect(page.get_by_role("button", name="Ship")).to_be_visible()
    assert status_of(signed_in, order) == "confirmed"


def test_an_edit_shows_its_changes_and_keeps_those_of_others(office: Office, signed_in: SignedIn, product: str) -> None:
    address = {"name": "A. Moreau", "line1": "Rue de la Paix 1", "city": "Paris", "country": "FR"}
    order = place(signed_in, product, shipping_address=address, note="At the gate.")
    page = office.open("manager")
    open_order(page, order)
    page.get_by_role("button", name="Edit", exact=True).click()
    page.get_by_label("City").first.fill("Lyon")
    page.get_by_label("Tags").fill("VIP, gift")
    page.get_by_role("button", name="Show the changes").click()
    expect(page.get_by_role("dialog")).to_contain_text("Paris")
    expect(page.get_by_role("dialog")).to_contain_text("Lyon")

    path = f"{ORDERS}/{order['id']}"
    assert signed_in("alice").patch(path, json={"note": "At the door."}).status_code == 200
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Someone else changed this meanwhile")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_text("Changed: Ships to, Tags")).to_be_visible()
    now = signed_in("manager").get(path).json()
    assert (now["shipping_address"]["city"], now["tags"], now["note"]) == ("Lyon", ["gift", "vip"], "At the door.")


def test_an_order_is_taken_back_without_its_units(office: Office, signed_in: SignedIn, product: str) -> None:
    order = place(signed_in, product, 2)
    manager = signed_in("manager")
    for step, body in (("confirm", {}), ("ship", {"carrier": "DHL", "tracking_number": "1"}), ("deliver", {})):
        assert manager.post(f"{ORDERS}/{order['id']}/{step}", json=body).status_code == 200
    before = manager.get(f"/api/v1/inventory/products/{product}").json()["available"]
    page = office.open("manager", f"/orders/{order['id']}")
    page.get_by_role("button", name="Take back").click()
    page.get_by_label("Reason").fill("Broken on arrival")
    page.get_by_label("Put the units back on sale").uncheck()
    page.get_by_role("dialog").get_by_role("button", name="Take back").click()
    expect(page.locator(".timeline")).to_contain_text("Broken on arrival")
    assert status_of(signed_in, order) == "returned"
    assert manager.get(f"/api/v1/inventory/products/{product}").json()["available"] == before


def test_a_text_of_a_customer_is_shown_as_text(office: Office, signed_in: SignedIn, product: str) -> None:
    hostile = f"<img src=x onerror=alert(1)><script>alert({uuid4().int})</script>\"'&amp;{{{{7*7}}}}"
    order = place(signed_in, product, note=hostile)
    page = office.open("manager")
    page.on("dialog", lambda _: pytest.fail("a script ran"))
    open_order(page, order)
    expect(page.get_by_text(hostile, exact=True)).to_be_visible()


def test_filters_are_in_the_address_and_survive_a_reload(office: Office, signed_in: SignedIn, product: str) -> None:
    order = place(signed_in, product)
    page = office.open("manager", "/orders")
    page.get_by_role("link", name="To confirm").click()
    expect(page).to_have_url("/orders?status=pending")
    page.reload()
    expect(page.get_by_role("link", name="To confirm")).to_have_attribute("aria-current", "page")
    expect(page.get_by_role("link", name=order["number"])).to_be_visible()
    page.get_by_label("From").fill("2020-01-01")
    page.get_by_label("Until").fill("2020-01-02")
    expect(page.get_by_text("No order matches")).to_be_visible()
    page.get_by_role("link", name="Reset filters").click()
    expect(page.get_by_role("link", name=order["number"])).to_be_visible()


def test_the_keyboard_finds_opens_and_selects(office: Office, signed_in: SignedIn, product: str) -> None:
    order = place(signed_in, product)
    page = office.open("manager", "/orders")
    expect(page.get_by_role("link", name=order["number"])).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_text("1 selected")).to_be_visible()
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox")).to_be_focused()
    page.keyboard.type(order["id"])
    expect(page.get_by_role("option").first).to_contain_text(order["number"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Order {order['number']}")
    expect(page).to_have_title(f"Order {order['number']} · Back office")
    page.keyboard.press("g")
    page.keyboard.press("o")
    expect(page).to_have_url("/orders")
    expect(page).to_have_title("Orders · Back office")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Keyboard shortcuts")
