"""Sign-in, roles, tabs, and a session that ends while someone types."""

from playwright.sync_api import Page, expect

from local.demo import PASSWORD
from tests.console.office import Office, SignedIn, sign_in
from tests.support.local_cloud.shop import create_product, order_of


def end_sessions(signed_in: SignedIn, name: str, page: Page) -> None:
    """Ends the page's session at the API, as an admin or the user does on another machine."""
    http = signed_in(name)
    sessions = http.get("/api/v1/auth/sessions", params={"limit": 100}).json()["items"]
    for it in sessions:
        if not it["current"] and "Mozilla" in it["user_agent"]:
            assert http.delete(f"/api/v1/auth/sessions/{it['id']}").status_code == 204
    assert page.url


def test_a_wrong_password_is_shown_and_the_address_stays(office: Office) -> None:
    page = office.context().new_page()
    page.goto("/")
    page.get_by_label("E-mail address").fill("manager@demo.example")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("is wrong")
    expect(page.get_by_label("E-mail address")).to_have_value("manager@demo.example")


def test_a_reload_keeps_the_session_and_scripts_cannot_read_its_token(office: Office) -> None:
    page = office.open("manager")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate("document.cookie") == ""
    assert "eyJ" not in page.evaluate("JSON.stringify([localStorage, sessionStorage])")


def test_a_customer_sees_no_back_office(office: Office) -> None:
    page = office.open("alice", "/orders")
    expect(page.get_by_role("heading")).to_have_text("This account has no back office")
    expect(page.get_by_role("navigation")).to_have_count(0)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_a_manager_has_no_pages_for_admins(office: Office) -> None:
    page = office.open("manager", "/users")
    expect(page.get_by_text("Your role may not see this page.")).to_be_visible()
    expect(page.get_by_role("link", name="Audit log")).to_have_count(0)


def test_an_ended_session_loses_nothing_that_was_typed(office: Office, signed_in: SignedIn) -> None:
    manager = signed_in("manager")
    product = create_product(manager, stock=5)
    order = signed_in("alice").post("/api/v1/orders", json=order_of((product, 1))).json()
    assert manager.post(f"/api/v1/orders/{order['id']}/confirm", json={}).status_code == 200
    page = office.open("manager", f"/orders/{order['id']}")
    page.route("**/api/v1/events**", lambda route: route.abort())
    page.get_by_role("button", name="Ship").click()
    page.get_by_label("Carrier").fill("UPS")
    page.get_by_label("Tracking number").fill("1Z999")
    end_sessions(signed_in, "manager", page)
    page.get_by_role("dialog").get_by_role("button", name="Ship").click()

    expect(page.get_by_role("dialog", name="Sign in again")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("1Z999")).to_be_visible()
    expect(page.get_by_role("button", name="Mark as delivered")).to_be_visible()


def test_two_tabs_share_a_session_and_its_end(office: Office) -> None:
    context = office.context()
    first, second = context.new_page(), context.new_page()
    first.goto("/")
    sign_in(first, "manager")
    expect(first.get_by_role("heading", level=1)).to_be_visible()
    second.goto("/orders")
    # Both tabs exchange the cookie at the same time.
    first.evaluate("location.reload()")
    second.evaluate("location.reload()")
    for page in (first, second):
        expect(page.get_by_role("heading", level=1)).to_be_visible()
    first.locator(".user").click()
    first.get_by_role("menuitem", name="Sign out").click()
    for page in (first, second):
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    second.reload()
    expect(second.get_by_role("button", name="Sign in")).to_be_visible()


def test_a_role_that_changes_takes_effect_on_the_next_request(office: Office, signed_in: SignedIn) -> None:
    admin = signed_in("admin")
    email = f"role-{id(office)}@demo.example"
    body = {"email": email, "password": PASSWORD, "first_name": "Rita"}
    user = signed_in("alice").post("/api/v1/auth/register", json=body).json()
    path = f"/api/v1/admin/users/{user['id']}/role"
    assert admin.patch(path, json={"role": "manager"}).status_code == 200
    page = office.context().new_page()
    page.goto("/orders")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Orders")
    assert admin.patch(path, json={"role": "customer"}).status_code == 200
    page.get_by_role("link", name="To confirm").click()
    expect(page.get_by_text("This account has no back office")).to_be_visible()


def test_the_back_office_speaks_german(office: Office) -> None:
    page = office.context(locale="de-DE").new_page()
    page.goto("/")
    expect(page.get_by_role("button", name="Anmelden")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "de"
