"""Every page: accessible in both colours and on a phone, without an error, and small."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, ViewportSize, expect

from local.console import BUILT
from tests.console.office import Office, SignedIn, settle, too_wide
from tests.support.local_cloud.shop import create_product, order_of, wait_until
from tests.support.local_cloud.subscriber import subscribed

ROOT = Path(__file__).parents[2]
AXE = ROOT / "console/node_modules/axe-core/axe.min.js"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
# A menu is over the page, not in one of its regions: its button leads to it.
OVER_THE_PAGE = RULES | {"rules": {"region": {"enabled": False}}}
# Only the colours differ between the schemes.
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
PAGES = (
    "/",
    "/orders",
    "/orders/{order}",
    "/products",
    "/products/{product}",
    "/products/new",
    "/stock-count",
    "/reports",
    "/reports?group=product",
    "/exports",
    "/exports?tab=schedules",
    "/exports/{export}",
    "/imports",
    "/webhooks",
    "/webhooks/{webhook}?delivery={delivery}",
    "/events",
    "/events?view=log",
    "/users",
    "/users/{user}",
    "/keys",
    "/requests",
    "/audit",
    "/stock-check",
    "/account",
)
PHONE = ViewportSize(width=360, height=740)
# Above it, Lighthouse's score falls: https://web.dev/articles/cls
MOST_SHIFT = 0.1
# Collects the parts of the page that moved while it loaded, each with its distance from the top before and after.
OBSERVE_SHIFTS = """
window.shifts = []
new PerformanceObserver(list => shifts.push(...list.getEntries().map(it => ({
  value: it.value,
  parts: it.sources.map(({ node, previousRect, currentRect }) =>
    `${node?.outerHTML?.slice(0, 60)} from ${previousRect.y} to ${currentRect.y}`),
})))).observe({ type: 'layout-shift', buffered: true })
"""
# Bytes of compressed script.
FIRST_LOAD = 180 * 1024
FURTHER_PAGE = 60 * 1024


def violations(page: Page, rules: object = RULES) -> list[str]:
    # Evaluated, not inserted: the page's policy allows no foreign script.
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    found = page.evaluate("rules => axe.run(document, rules)", rules)["violations"]
    return [f"{it['id']}: {it['help']}: {node['html'][:120]}" for it in found for node in it["nodes"]]


def faults(page: Page) -> list[str]:
    """Examines what is shown: on a phone and at a desk, in both colours."""
    found = []
    for width in (360, 1280):
        page.emulate_media(color_scheme="light")
        wrong = [f"wider than the page: {it}" for it in too_wide(page, width)] + violations(page)
        page.emulate_media(color_scheme="dark")
        wrong += [f"dark: {it}" for it in violations(page, COLOURS)]
        found += [f"{width} px: {it}" for it in wrong]
    page.set_viewport_size({"width": 1280, "height": 800})
    return found


@pytest.fixture(scope="module")
def examples(signed_in: SignedIn) -> Iterator[dict[str, str]]:
    """The ids of one resource of each kind, so that each page shows data."""
    admin, alice = signed_in("admin"), signed_in("alice")

    def create(path: str, body: object, http: httpx.Client = admin) -> str:
        made = http.post(f"/api/v1{path}", json=body)
        assert made.status_code in (201, 202), made.text
        return str(made.json().get("id"))

    with subscribed(admin, ["order.created"]) as subscriber:
        subscriber.is_dead = True
        product = create_product(admin, stock=3)
        note = "Please leave it at the gate."
        address = {
            "name": "A. Moreau",
            "line1": "Rue de la Paix 1",
            "city": "Paris",
            "postal_code": "75002",
            "country": "FR",
        }
        order = create("/orders", order_of((product, 2)) | {"note": note, "shipping_address": address}, alice)
        create(
            "/reports/schedules",
            {"report": "orders", "schedule": "cron(0 18 ? * MON-FRI *)", "recipients": ["manager@demo.example"]},
        )
        create("/admin/stock-check", {})
        create("/imports", {"kind": "stock", "size": 20, "dry_run": True})
        create("/admin/keys", {"name": "Warehouse", "scopes": ["orders:read"], "allowed_addresses": ["192.0.2.0/24"]})
        export = create("/reports/exports", {"report": "orders"})
        ended = wait_until(
            lambda: admin.get(f"/api/v1/reports/exports/{export}").json(), lambda it: it["status"] == "done"
        )
        assert ended["status"] == "done"
        sent = wait_until(
            lambda: admin.get(f"{subscriber.path}/deliveries").json()["items"],
            lambda it: bool(it and it[0]["attempts"]),
        )
        yield {
            "order": order,
            "product": product,
            "export": export,
            "webhook": subscriber.path.rpartition("/")[2],
            "delivery": sent[0]["id"],
            "user": alice.get("/api/v1/auth/me").json()["id"],
        }


def test_pages_are_accessible_and_fit_a_phone(office: Office, examples: dict[str, str]) -> None:
    page = office.open("admin", reduced_motion="reduce")
    page.add_init_script(OBSERVE_SHIFTS)
    found = {}
    for path in PAGES:
        page.set_viewport_size(PHONE)
        settle(page, path.format(**examples))
        moved = page.evaluate("shifts")
        wrong = [f"parts move: {moved}"] if sum(it["value"] for it in moved) > MOST_SHIFT else []
        if wrong := wrong + faults(page):
            found[path] = wrong
    assert not found, json.dumps(found, indent=1)


def test_what_opens_over_a_page_is_accessible_and_fits_a_phone(office: Office, examples: dict[str, str]) -> None:
    page = office.open("admin", reduced_motion="reduce")
    found = {}

    def examine(name: str, *, stays: bool = False) -> None:
        expect(page.get_by_role("dialog")).to_be_visible()
        if wrong := faults(page):
            found[name] = wrong
        # A form with fields closes by its button alone.
        page.get_by_role("button", name="Cancel").click() if stays else page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)

    settle(page, f"/orders/{examples['order']}")
    page.get_by_role("button", name="Cancel order").click()
    examine("a question")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox").fill("te")
    expect(page.get_by_role("option").first).to_be_visible()
    examine("the palette")
    page.keyboard.press("?")
    examine("the shortcuts")
    settle(page, f"/products/{examples['product']}")
    page.get_by_role("button", name="Adjust stock").click()
    examine("an adjustment")
    settle(page, f"/webhooks/{examples['webhook']}")
    page.get_by_role("button", name="Send a period again").click()
    examine("a replay")
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Change the webhook").click()
    expect(page.locator(".skeleton")).to_have_count(0)
    examine("a change of a webhook", stays=True)
    settle(page, "/keys")
    page.get_by_role("button", name="New key").click()
    examine("a new key", stays=True)
    settle(page, "/exports")
    page.get_by_role("button", name="New export").click()
    examine("a new export", stays=True)
    settle(page, "/imports")
    page.get_by_role("button", name="Import a file").click()
    examine("a new import", stays=True)
    page.get_by_role("button", name="Ada").click()
    expect(page.get_by_role("menu")).to_be_visible()
    if wrong := violations(page, OVER_THE_PAGE):
        found["the menu of the user"] = wrong
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 360, "height": 800})
    page.get_by_role("button", name="Open the menu").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    if wrong := violations(page):
        found["the navigation of a phone"] = wrong
    assert not found, json.dumps(found, indent=1)


def test_the_sign_in_is_accessible(office: Office) -> None:
    page = office.context().new_page()
    page.goto("/")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert not violations(page)


def test_scripts_stay_within_their_bounds() -> None:
    manifest = json.loads((BUILT / ".vite/manifest.json").read_text())

    def loaded(name: str) -> Iterator[str]:
        """Yields the scripts that a module loads with itself."""
        yield manifest[name]["file"]
        for part in manifest[name].get("imports", ()):
            yield from loaded(part)

    def size(files: set[str]) -> int:
        return sum(len(gzip.compress((BUILT / it).read_bytes(), 9)) for it in files)

    # index.html names the entry, which imports the application and the texts.
    modules = {"src/texts/en.ts", *manifest["index.html"]["dynamicImports"], "index.html"}
    entry = {file for name in modules for file in loaded(name)}
    first = size(entry | set(loaded("src/pages/orders/Orders.tsx")))
    assert first <= FIRST_LOAD, f"{first} bytes for sign-in and orders"
    further = {
        name: size(set(loaded(name)) - entry)
        for name, it in manifest.items()
        if it.get("isDynamicEntry") and name.startswith("src/pages/")
    }
    assert further, "the manifest lists the pages"
    assert max(further.values()) <= FURTHER_PAGE, further
