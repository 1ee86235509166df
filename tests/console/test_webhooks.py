"""Webhooks in the back office: their secrets, the replay after a subscriber's outage, and what a manager may do."""

import time

from playwright.sync_api import Page, expect

from tests.console.office import Office, SignedIn, settle
from tests.support.local_cloud.shop import create_product, order_of, wait_until
from tests.support.local_cloud.subscriber import WEBHOOKS, subscribed

# The dead subscriber's events.
ORDERS = 5
# A failed attempt is repeated after 5 s, and then after 5 minutes.
SOON_SECONDS = 120


def close_secret(page: Page) -> str:
    """Returns the secret that a dialog shows, and closes it."""
    dialog = page.get_by_role("dialog")
    secret = str(dialog.locator("code").inner_text())
    assert secret.startswith("whsec_")
    page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="I have stored it").click()
    expect(dialog).to_have_count(0)
    return secret


def is_known(page: Page, secret: str) -> bool:
    """Whether the page, or what it keeps in the browser, still has the secret."""
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, history.state])")
    return secret in page.content() or secret in kept


def test_a_secret_is_shown_once(office: Office, signed_in: SignedIn) -> None:
    page = office.open("admin", "/webhooks")
    page.get_by_role("button", name="New webhook").click()
    page.get_by_label("URL of the receiver").fill("http://127.0.0.1:9/once")
    page.get_by_label("Webhook disabled").check()
    page.get_by_role("dialog").get_by_role("button", name="Create").click()
    created = close_secret(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("127.0.0.1:9")
    webhook = page.url.rpartition("/")[2]
    assert not is_known(page, created)

    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Replace the secret").click()
    page.get_by_role("dialog").get_by_role("button", name="Replace").click()
    replaced = close_secret(page)
    assert replaced != created
    assert not is_known(page, replaced)
    for path in ("/webhooks", f"/webhooks/{webhook}"):
        settle(page, path)
        assert not is_known(page, created)
        assert not is_known(page, replaced)
    assert signed_in("admin").delete(f"{WEBHOOKS}/{webhook}").status_code == 204


def test_a_dead_subscriber_gets_all_it_missed(office: Office, signed_in: SignedIn) -> None:
    admin, alice = signed_in("admin"), signed_in("alice")
    product = create_product(admin, stock=100)

    def place() -> str:
        placed = alice.post("/api/v1/orders", json=order_of((product, 1)))
        assert placed.status_code == 201, placed.text
        return str(placed.json()["id"])

    with subscribed(admin, ["order.created"]) as subscriber:
        received = place()
        wait_until(lambda: subscriber.of(received), bool)
        subscriber.is_dead = True
        missed = {place() for _ in range(ORDERS)}
        # The second attempt has failed too, so that none is due within minutes.
        wait_until(lambda: len(subscriber.missed), lambda it: it >= 2 * ORDERS)
        assert len(subscriber.missed) == 2 * ORDERS
        subscriber.is_dead = False

        page = office.open("manager", subscriber.path.removeprefix("/api/v1"))
        expect(page.get_by_text("Deliveries have failed since")).to_be_visible()
        page.get_by_role("button", name="Send a period again").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_label("Only those that failed or were held back")).to_be_checked()
        dialog.get_by_role("button", name="Continue").click()
        expect(dialog).to_contain_text("Send them again?")
        dialog.get_by_role("button", name="Send again").click()
        expect(page.get_by_text("Started. Deliveries are sent again")).to_be_visible()
        started = time.monotonic()
        wait_until(lambda: {it["data"]["id"] for it in subscriber.events}, lambda it: it >= missed)
        assert {it["data"]["id"] for it in subscriber.events} == {received, *missed}
        assert time.monotonic() - started < SOON_SECONDS, "they were sent by the replay, not by the next attempt"
        assert len(subscriber.of(received)) == 1, "what was delivered is not sent again"
        # The page shows it without a reload.
        expect(page.locator("main").get_by_role("cell", name="Delivered")).to_have_count(ORDERS + 1)
        expect(page.get_by_text("Deliveries have failed since")).to_have_count(0)


def test_a_manager_sees_no_buttons_of_admins(office: Office, signed_in: SignedIn) -> None:
    with subscribed(signed_in("admin"), ["webhook.disabled"]) as subscriber:
        path = subscriber.path.removeprefix("/api/v1")
        for name, count in (("admin", 1), ("manager", 0)):
            page = office.open(name, path)
            expect(page.get_by_role("button", name="Send a test")).to_be_visible()
            expect(page.get_by_role("button", name="Pause")).to_have_count(count)
            expect(page.get_by_role("button", name="More actions")).to_have_count(count)
            # The path of a receiver may be its password.
            expect(page.get_by_text("/hook")).to_have_count(count)
            settle(page, "/webhooks")
            expect(page.get_by_role("button", name="New webhook")).to_have_count(count)
            for admins_page in ("Users", "Service keys", "Audit log", "Stock check"):
                expect(page.get_by_role("navigation").get_by_role("link", name=admins_page)).to_have_count(count)
