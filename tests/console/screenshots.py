"""`make screenshots`: writes the pictures of the back office that the README shows, from a system with demo data."""

import base64
import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect, sync_playwright

from local.demo import PASSWORD
from local.errors import LocalCloudError
from local.system import LocalSystem
from tests.console.browser import MissingBrowserError, launch
from tests.console.office import Office
from tests.support.local_cloud.settings import SETTINGS
from tests.support.local_cloud.shop import WAIT_SECONDS

FOLDER = Path(__file__).parents[2] / "docs/images"
MAX_BYTES = 150_000
SIZE = {"width": 1440, "height": 900}
# The hand coffee grinder, which is sold and restocked.
PRODUCT = "4"
UNCHANGED_SECONDS = 10
# For plots and fonts.
PAUSE_MS = 1500


@contextlib.contextmanager
def step(name: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)


def capture(page: Page, name: str) -> None:
    """Writes the page as WebP, which Playwright itself does not."""
    page.mouse.move(0, 0)
    expect(page.locator(".skeleton")).to_have_count(0)
    page.wait_for_timeout(PAUSE_MS)
    answer = page.context.new_cdp_session(page).send("Page.captureScreenshot", {"format": "webp", "quality": 88})
    picture = base64.b64decode(answer["data"])
    file = FOLDER / f"{name}.webp"
    if len(picture) > MAX_BYTES:
        sys.exit(f"{file.name} has {len(picture)} bytes, more than {MAX_BYTES}.")
    file.write_bytes(picture)
    print(f"{file.relative_to(FOLDER.parents[1])}: {len(picture) // 1000} KB", flush=True)


def take(office: Office, scheme: str) -> None:
    page = office.open("manager", color_scheme=scheme, viewport=SIZE, reduced_motion="reduce")
    page.get_by_role("heading", level=1).wait_for()
    capture(page, f"office-home-{scheme}")
    page.goto("/orders")
    page.get_by_role("cell").first.wait_for()
    capture(page, f"office-orders-{scheme}")
    page.goto("/orders?status=shipped")
    # The one with the most units.
    rows = page.locator("tbody tr")
    rows.locator("a").first.wait_for()
    units = [int(it.split()[-1]) for it in rows.locator("td:nth-last-child(2)").all_inner_texts()]
    rows.nth(units.index(max(units))).locator("a").first.click()
    page.locator(".timeline").wait_for()
    capture(page, f"office-order-{scheme}")
    page.goto(f"/products/{PRODUCT}")
    page.locator("canvas").first.wait_for()
    page.get_by_role("heading", name="Movements").evaluate("it => it.closest('section').scrollIntoView()")
    capture(page, f"office-product-{scheme}")


def wait_for_sums(system: LocalSystem) -> None:
    """Waits until the streams have carried all orders into the reports, so that the counts no longer change."""
    with httpx.Client(base_url=f"{system.base_url}/api/v1", timeout=WAIT_SECONDS, trust_env=False) as admin:
        answer = admin.post("/auth/login", json={"email": "admin@demo.example", "password": PASSWORD})
        admin.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        before: object = None
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            now = admin.get("/admin/stats").json()["orders"]
            if now == before:
                return
            before = now
            time.sleep(UNCHANGED_SECONDS)


def main() -> None:
    try:
        with LocalSystem(settings=SETTINGS, seed=False) as system, sync_playwright() as playwright:
            system.build_console()
            with step("Two months of orders"):
                system.run_module("tests.console.past_days")
            with step("Their sums"):
                wait_for_sums(system)
            browser = launch(playwright)
            office = Office(browser, system.base_url)
            for scheme in ("light", "dark"):
                take(office, scheme)
            office.close()
            browser.close()
    except (LocalCloudError, MissingBrowserError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
