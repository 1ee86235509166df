"""Products in the back office: edited in the list, counted by the keyboard, and with hostile texts."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Page, expect

from local.demo import PASSWORD
from local.system import LocalSystem
from tests.console.office import Office, SignedIn, settle, too_wide
from tests.support.local_cloud.shop import all_items, at_once, create_product, order_of, read

PRODUCTS = "/api/v1/inventory/products"
# The products of a count.
COUNTED = 50
BEFORE = 10


def sku_of(manager: httpx.Client, product: str) -> str:
    return str(read(manager, f"{PRODUCTS}/{product}")["sku"])


def type_price(page: Page, price: str) -> None:
    """Types over the price of the only product that is shown, without saving it."""
    page.get_by_role("button", name="Price of Test").focus()
    page.keyboard.type(price)
    expect(page.get_by_label("Price of Test")).to_have_value(price)


def test_a_price_is_changed_in_the_list_as_the_version_that_was_seen(office: Office, signed_in: SignedIn) -> None:
    manager = signed_in("manager")
    product = create_product(manager, stock=5)
    seen = read(manager, f"{PRODUCTS}/{product}")
    page = office.open("manager", f"/products?q={seen['sku']}")
    type_price(page, "7.25")
    with page.expect_request(lambda it: it.method == "PATCH") as sent:
        page.keyboard.press("Enter")
    assert sent.value.headers["if-match"] == f'"{seen["version"]}"'
    cell = page.get_by_role("button", name="Price of Test")
    expect(cell).to_contain_text("7.25")
    expect(cell).to_be_focused()
    assert read(manager, f"{PRODUCTS}/{product}")["price"] == "7.25"


def test_two_prices_are_shown_beside_each_other_and_the_user_chooses(office: Office, signed_in: SignedIn) -> None:
    manager = signed_in("manager")
    product = create_product(manager, stock=5)
    path = f"{PRODUCTS}/{product}"
    page = office.open("manager", f"/products?q={sku_of(manager, product)}")
    for mine, theirs, choice, left in (("7.25", "6.50", "Save yours", "7.25"), ("8.00", "9.10", "Keep theirs", "9.10")):
        type_price(page, mine)
        assert manager.patch(path, json={"price": theirs}).status_code == 200
        page.keyboard.press("Enter")
        question = page.locator(".conflict")
        expect(question).to_contain_text(mine)
        expect(question).to_contain_text(theirs)
        assert read(manager, path)["price"] == theirs, "nothing is overwritten before the choice"
        question.get_by_role("button", name=choice).click()
        expect(page.get_by_role("button", name="Price of Test")).to_contain_text(left)
        assert read(manager, path)["price"] == left


@pytest.fixture(scope="module")
def shelf(signed_in: SignedIn) -> dict[str, str]:
    """SKU → id of the products on a shelf."""
    manager = signed_in("manager")
    ids = at_once([lambda: create_product(manager, stock=BEFORE)] * COUNTED, clients=4)
    return {sku_of(manager, it): it for it in ids}


def test_fifty_products_are_counted_without_a_pointer(
    office: Office, signed_in: SignedIn, shelf: dict[str, str]
) -> None:
    page = office.open("manager", "/stock-count")
    expect(page.get_by_label("SKU")).to_be_focused()
    requests: list[str] = []
    page.on("request", lambda it: requests.append(it.method) if it.url.endswith("/inventory/stock") else None)
    # A third of the counts is one less, a third as expected, and a third one more.
    counts = {sku: BEFORE - 1 + place % 3 for place, sku in enumerate(shelf)}
    for sku, count in counts.items():
        # A scanner types at once, without waiting for the network.
        page.keyboard.type(sku)
        page.keyboard.press("Enter")
        page.keyboard.type(str(count))
        page.keyboard.press("Enter")
        expect(page.get_by_label("SKU")).to_be_focused()
        expect(page.get_by_role("link", name="Test")).to_have_count(list(counts).index(sku) + 1)
    expect(page.get_by_text("Saving …")).to_have_count(0)
    expect(page.get_by_text("As counted")).to_have_count(sum(it == BEFORE for it in counts.values()))
    expect(page.get_by_text("Adjusted")).to_have_count(sum(it != BEFORE for it in counts.values()))
    manager = signed_in("manager")
    left = {it["sku"]: it["available"] for it in all_items(manager, PRODUCTS, sku="TEST-")}
    assert {sku: left[sku] for sku in counts} == counts
    assert 0 < len(requests) <= len(counts)


SCRIPT = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'&amp;{{7*7}}"
LONG = "Donaudampfschifffahrtsgesellschaft" * 2
RIGHT_TO_LEFT = "שלום עולם \u202eabc"


@dataclass(frozen=True)
class Hostile:
    """A product, its buyer, their order, and a webhook, with the same hostile text in each of their fields."""

    text: str
    sku: str
    product: str
    buyer: str
    order: str
    webhook: str

    @property
    def pages(self) -> dict[str, int]:
        """The pages that show the text, each with how often."""
        return {
            # Name, category, description, both of an attribute.
            f"/products/{self.product}": 5,
            # The name; a category has no invisible characters.
            f"/products?q={quote(self.sku)}": 1,
            # Both names.
            f"/users/{self.buyer}": 2,
            f"/users?q={self.email}": 2,
            # The buyer, the product, the note, two lines of the address, the carrier.
            f"/orders/{self.order}": 7,
            f"/orders?customer={self.buyer}": 1,
            f"/webhooks/{self.webhook}": 1,
            "/webhooks": 1,
            # Only some of the products that run low are shown.
            "/": 0,
        }

    @property
    def email(self) -> str:
        return f"hostile-{self.sku[-6:]}"


@pytest.fixture(params=[SCRIPT, LONG, RIGHT_TO_LEFT], ids=["script", "long", "right-to-left"])
def hostile(request: pytest.FixtureRequest, signed_in: SignedIn, system: LocalSystem) -> Iterator[Hostile]:
    admin, text = signed_in("admin"), str(request.param)

    def post(path: str, body: object, http: httpx.Client = admin) -> dict[str, str]:
        answer = http.post(f"/api/v1{path}", json=body)
        assert answer.status_code in (200, 201), answer.text
        return dict(answer.json())

    unique = uuid4().hex[:6]
    # A SKU has ASCII characters alone, and no blanks.
    sku = f"{text.encode('ascii', 'ignore').decode().replace(' ', '/')[:50]}{unique}"
    fields = {"name": text, "category": text, "description": text, "attributes": {text: text}, "price": "5.00"}
    # Few units, so that the home page shows it as running low.
    product = post("/inventory/products", fields | {"sku": sku, "stock": 2, "low_stock_threshold": 9})["id"]
    account = {"email": f"hostile-{unique}@demo.example", "password": PASSWORD}
    buyer = post("/auth/register", account | {"first_name": text, "last_name": text})["id"]
    token = post("/auth/login", account)["access_token"]
    with httpx.Client(base_url=system.base_url, headers={"Authorization": f"Bearer {token}"}, trust_env=False) as http:
        address = {"name": text, "line1": text, "city": "Paris", "country": "FR"}
        order = post("/orders", order_of((product, 1)) | {"note": text, "shipping_address": address}, http)["id"]
    post(f"/orders/{order}/confirm", {})
    post(f"/orders/{order}/ship", {"carrier": text, "tracking_number": "1"})
    webhook = {"url": "http://127.0.0.1:9/hook", "events": ["webhook.disabled"], "description": text}
    webhook_id = post("/webhooks", webhook)["id"]
    yield Hostile(text, sku, product, buyer, order, webhook_id)
    # The list of webhooks is one page of the whole system.
    assert admin.delete(f"/api/v1/webhooks/{webhook_id}").status_code == 204


def shown(page: Page, text: str) -> int:
    """Returns how often the page shows a text, also in its fields."""
    everything: str = page.evaluate(
        "[document.body.innerText, ...[...document.querySelectorAll('input, textarea')].map(it => it.value)].join('|')"
    )
    return everything.count(text)


def test_hostile_texts_are_shown_as_texts(office: Office, hostile: Hostile) -> None:
    text = hostile.text
    page = office.open("admin")
    page.on("dialog", lambda _: pytest.fail("a script ran"))
    wrong = []
    for path, times in hostile.pages.items():
        page.set_viewport_size({"width": 1280, "height": 800})
        settle(page, path)
        if (found := shown(page, text)) < times:
            wrong.append(f"{path}: {found} of {times}")
        wrong += [f"{path}: {it}" for it in too_wide(page, 360)]
        assert not page.locator("img[src=x], main script").count(), path
    settle(page, "/stock-count")
    page.keyboard.type(hostile.sku)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=text)).to_be_visible()
    wrong += [f"counting: {it}" for it in too_wide(page, 360)]
    assert not wrong, "\n".join(wrong)
