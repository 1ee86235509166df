"""Figures in the back office: this month and the last one, their schedule, and who changed a price."""

from uuid import uuid4

from playwright.sync_api import expect

from tests.console.office import Office, SignedIn
from tests.support.local_cloud.shop import create_product

SCHEDULES = "/api/v1/reports/schedules"


def test_a_report_of_the_month_is_sent_weekly(office: Office, signed_in: SignedIn) -> None:
    manager = signed_in("manager")
    before = {it["id"] for it in manager.get(SCHEDULES).json()["items"]}
    page = office.open("manager", "/reports")
    page.get_by_role("button", name="Last month").click()
    expect(page.get_by_text("Compared with 1 ")).to_be_visible()
    page.get_by_role("link", name="Send regularly").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Report")).to_have_value("sales")
    expect(dialog.get_by_label("When")).to_have_value("cron(0 7 ? * MON *)")
    dialog.get_by_role("button", name="Create").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("main").get_by_text("Every Monday at 07:00 UTC")).to_be_visible()
    (created,) = [it for it in manager.get(SCHEDULES).json()["items"] if it["id"] not in before]
    assert created["recipients"] == ["manager@demo.example"]
    assert manager.delete(f"{SCHEDULES}/{created['id']}").status_code == 204


def test_an_admin_sees_who_changed_a_price(office: Office, signed_in: SignedIn) -> None:
    manager = signed_in("manager")
    product = create_product(manager, stock=1)
    old = manager.get(f"/api/v1/inventory/products/{product}").json()["price"]
    new = f"{uuid4().int % 900 + 100}.00"
    assert manager.patch(f"/api/v1/inventory/products/{product}", json={"price": new}).status_code == 200
    page = office.open("admin", f"/products/{product}")
    page.get_by_role("link", name="Who changed it").click()
    row = page.get_by_role("main").locator("tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("manager@demo.example")
    expect(row).to_contain_text(f"old: {old}, new: {new}")
