"""The page of imports: a file is uploaded, checked, imported, and the errors of its rows are downloaded."""

import json
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.console.office import Office, SignedIn


def import_file(page: Page, file: Path, *, dry_run: bool) -> None:
    page.get_by_role("button", name="Import a file").click()
    page.get_by_label("Content").select_option("stock")
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_label("Only check the rows").set_checked(dry_run)
    page.get_by_role("button", name="Upload and start").click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_file_is_checked_and_imported_and_its_errors_are_downloaded(
    office: Office, signed_in: SignedIn, tmp_path: Path
) -> None:
    """The page's policy allows no other origin: the upload passes the front door."""
    admin = signed_in("admin")
    products = [it for it in admin.get("/api/v1/inventory/products?limit=4").json()["items"] if it["sku"]]
    file = tmp_path / "stock.csv"
    file.write_text("sku,on_hand\n" + "".join(f"{it['sku']},500\n" for it in products) + "NO-SUCH-SKU,1\n")

    def on_hand() -> int:
        return int(admin.get(f"/api/v1/inventory/products/{products[0]['id']}").json()["on_hand"])

    page = office.open("manager", "/imports")
    rows = page.locator("tbody tr")

    import_file(page, file, dry_run=True)
    expect(rows.first).to_contain_text("Done")
    expect(rows.first).to_contain_text("check only")
    assert on_hand() != 500, "a check changes nothing"

    import_file(page, file, dry_run=False)
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("Done")
    expect(rows.first).to_contain_text(f"{len(products)} changed")
    with page.expect_download() as downloading:
        rows.first.get_by_role("button", name="Errors").click()
    error = json.loads(Path(downloading.value.path()).read_text())
    assert (error["row"], error["code"]) == (len(products) + 1, "not-found")
    assert on_hand() == 500
