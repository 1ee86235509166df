"""Service keys in the back office: one is made, shown once, used, replaced and deleted."""

import httpx
from playwright.sync_api import Page, expect

from local.system import LocalSystem
from tests.console.office import Office, SignedIn

KEYS = "/api/v1/admin/keys"
ORDERS = "/api/v1/orders"
PRODUCTS = "/api/v1/inventory/products"


def close_secret(page: Page) -> str:
    """Returns the key that a dialog shows, and closes it. The page then has it no more."""
    dialog = page.get_by_role("dialog")
    key = str(dialog.locator(".secret code").inner_text())
    assert key.startswith("oms_")
    expect(dialog).to_contain_text("Authorization: Bearer")
    page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="I have stored it").click()
    expect(dialog).to_have_count(0)
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, history.state])")
    assert key not in page.content() + kept
    return key


def test_an_admin_makes_replaces_and_deletes_a_key(office: Office, system: LocalSystem) -> None:
    page = office.open("admin", "/keys")
    dialog, row = page.get_by_role("dialog"), page.get_by_role("row").filter(has_text="Depot")

    def status(key: str, path: str) -> int:
        url = system.base_url + path
        return httpx.get(url, headers={"Authorization": f"Bearer {key}"}, timeout=60, trust_env=False).status_code

    def choose(action: str) -> None:
        page.get_by_role("button", name="Actions: Depot").click()
        page.get_by_role("menuitem", name=action).click()

    page.get_by_role("button", name="New key").first.click()
    dialog.get_by_label("Name of the system").fill("Depot")
    expect(dialog.get_by_role("checkbox", checked=True)).to_have_count(0)
    dialog.get_by_role("button", name="Create").click()
    expect(dialog).to_contain_text("Choose at least one.")
    dialog.get_by_label("Read orders").check()
    dialog.get_by_label("Only from these addresses").fill("10.0.0.300")
    dialog.get_by_role("button", name="Create").click()
    expect(dialog).to_contain_text("10.0.0.300: must be a network")
    dialog.get_by_label("Only from these addresses").fill("")
    dialog.get_by_role("button", name="Create").click()
    created = close_secret(page)
    expect(row).to_contain_text("Active")
    expect(row).to_contain_text("Read orders")
    assert status(created, ORDERS) == 200
    assert status(created, PRODUCTS) == 403

    choose("Change the key")
    dialog.get_by_label("Read products").check()
    dialog.get_by_label("Last day").fill("2099-12-31")
    dialog.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("Read products")
    expect(row).to_contain_text("31 Dec 2099")
    assert status(created, PRODUCTS) == 200

    choose("Replace the key")
    dialog.get_by_role("button", name="Replace").click()
    replaced = close_secret(page)
    expect(row).to_contain_text("the previous key works until")
    assert {status(key, ORDERS) for key in (created, replaced)} == {200}

    choose("Disable the key")
    dialog.get_by_role("button", name="Disable the key").click()
    expect(row).to_contain_text("Disabled")
    assert status(replaced, ORDERS) == 401

    choose("Delete the key")
    dialog.get_by_role("button", name="Delete the key").click()
    expect(row).to_have_count(0)


def test_a_change_of_someone_else_is_shown_beside_what_was_typed(office: Office, signed_in: SignedIn) -> None:
    admin = signed_in("admin")
    created = admin.post(KEYS, json={"name": "Till", "scopes": ["stock:write"]})
    key = f"{KEYS}/{created.json()['id']}"
    page = office.open("admin", "/keys")
    dialog = page.get_by_role("dialog")
    page.get_by_role("button", name="Actions: Till").click()
    page.get_by_role("menuitem", name="Change the key").click()
    dialog.get_by_label("Name of the system").fill("Till in Paris")
    changed = admin.patch(key, json={"rate_limit": 77}, headers={"If-Match": created.headers["ETag"]})
    assert changed.status_code == 200, changed.text

    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_contain_text("Someone else changed it meanwhile")
    expect(dialog).to_contain_text("77 a minute")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row").filter(has_text="Till in Paris")).to_contain_text("77 a minute")
    assert admin.delete(key).status_code == 204
