"""The palette, which finds everything, and the German texts."""

import time
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Page, expect

from local.demo import PASSWORD
from local.system import LocalSystem
from tests.console.office import Office, SignedIn, settle
from tests.support.local_cloud.shop import create_product, order_of, wait_until

# The time in which someone on the telephone is answered, less that of the typing hand.
ANSWER_SECONDS = 10
NAME = "Wanda"
# Words that are the same in German, and names.
SAME = {"Webhooks", "Status", "SKU", "Name", "Version", "Id", "Live", "System", "Test", "Format", "Excel", "CSV", "Ada"}
PAGES = (
    "/",
    "/orders",
    "/products",
    "/products/new",
    "/stock-count",
    "/reports",
    "/exports",
    "/exports?tab=schedules",
    "/imports",
    "/webhooks",
    "/events",
    "/users",
    "/keys",
    "/requests",
    "/audit",
    "/stock-check",
    "/account",
)


@pytest.fixture
def parcel(signed_in: SignedIn, system: LocalSystem) -> tuple[str, str]:
    """The e-mail address of a customer, and the tracking number of their parcel."""
    account = {"email": f"where-{uuid4().hex[:8]}@demo.example", "password": PASSWORD}
    tracking, manager = f"JD{uuid4().int % 10**10}", signed_in("manager")
    with httpx.Client(base_url=system.base_url, trust_env=False, timeout=60) as http:
        assert http.post("/api/v1/auth/register", json=account | {"first_name": NAME}).status_code == 201
        token = http.post("/api/v1/auth/login", json=account).json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        placed = http.post("/api/v1/orders", json=order_of((create_product(manager, stock=5), 1)))
        assert placed.status_code == 201, placed.text
    path = f"/api/v1/orders/{placed.json()['id']}"
    for step, body in (("confirm", {}), ("ship", {"carrier": "DHL", "tracking_number": tracking})):
        assert manager.post(f"{path}/{step}", json=body).status_code == 200
    found = wait_until(
        lambda: manager.get("/api/v1/orders", params={"tracking": tracking}).json()["items"], lambda it: bool(it)
    )
    assert found
    return account["email"], tracking


def open_by(page: Page, words: str) -> None:
    """Finds an order from any page. No key is lost, and Enter waits for the results."""
    page.keyboard.press("Control+k")
    page.keyboard.type(words)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_where_is_my_parcel(office: Office, parcel: tuple[str, str]) -> None:
    email, tracking = parcel
    page = office.open("admin")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    started = time.monotonic()
    open_by(page, email)
    expect(page.get_by_text(tracking)).to_be_visible()
    assert time.monotonic() - started < ANSWER_SECONDS


def test_a_manager_finds_an_order_by_the_terms_that_the_customer_knows(office: Office, parcel: tuple[str, str]) -> None:
    email, tracking = parcel
    page = office.open("manager")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    open_by(page, tracking)
    expect(page.get_by_text(tracking)).to_be_visible()
    heading = page.get_by_role("heading", level=1).inner_text()
    for words in (email.upper(), heading.removeprefix("Order ")):
        settle(page, "/")
        open_by(page, words)
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)

    page.goto(f"/orders?q={NAME}")
    page.get_by_role("link", name="Search the names").click()
    expect(page.get_by_role("link", name=heading.removeprefix("Order "))).to_be_visible()
    expect(page.get_by_text("Searched ")).to_be_visible()


def words(page: Page, path: str) -> set[str]:
    """Returns the texts of a page that are not those of the shop: headings, labels, links, buttons, options."""
    settle(page, path)
    found: list[str] = page.evaluate(
        """[...document.querySelectorAll(
               'h1, h2, h3, th, label, legend, dt, option:not([translate=no]), nav a, header a, button, main p')]
             .map(it => it.innerText.trim()).filter(it => /[a-z]{2}/i.test(it))"""
    )
    return set(found)


def test_german_pages_have_no_english_left(office: Office) -> None:
    page = office.open("admin")
    english = {path: words(page, path) for path in PAGES}
    assert page.evaluate("document.documentElement.lang") == "en"
    # Each page that is opened refreshes the session, which may do that 30 times a minute.
    page = office.open("admin")
    page.get_by_role("button", name="Ada").click()
    page.get_by_role("menuitemradio", name="Deutsch").click()
    expect(page.get_by_role("link", name="Übersicht")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "de"
    left = [f"{path}: {word}" for path in PAGES for word in sorted((words(page, path) & english[path]) - SAME)]
    assert not left, "\n".join(left)
    page.get_by_role("button", name="Ada").click()
    expect(page.get_by_role("menu")).to_contain_text("Administrator")
