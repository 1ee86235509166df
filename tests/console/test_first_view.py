"""The first visit of the orders, by its requests and bytes: a time would depend on the machine.

On slow 4G, a step takes 150 ms and 150 KB take 750 ms: see docs/operate/performance.md.
"""

from playwright.sync_api import Page, Request, Route, expect

from local.demo import PASSWORD
from tests.console.office import Office

ORDERS = "/api/v1/orders?"
MOST_BYTES = 175_000
OPEN = """async body => {
  const answer = await fetch('/api/v1/auth/login', {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
  })
  localStorage.setItem('oms.session', '1')
  return answer.status
}"""


def new_page(office: Office) -> Page:
    """Returns a page of a browser that has a session and an empty cache."""
    context = office.context()
    before = context.new_page()
    before.goto("/icon.svg")
    body = {"email": "manager@demo.example", "password": PASSWORD, "refresh_token_in": "cookie"}
    assert before.evaluate(OPEN, body) == 200
    before.close()
    return context.new_page()


def test_the_orders_are_read_while_the_application_loads(office: Office) -> None:
    page = new_page(office)
    held: list[Route] = []
    reads: list[Request] = []
    page.on("request", lambda it: reads.append(it) if ORDERS in it.url else None)
    page.route("**/assets/application-*", lambda route: held.append(route))

    with page.expect_request(lambda it: ORDERS in it.url):
        page.goto("/orders", wait_until="commit")
    for route in held:
        route.continue_()

    expect(page.locator("tbody a").first).to_be_visible()
    assert held
    assert len(reads) == 1, "the page uses the response that the entry has read"


def test_the_first_view_of_the_orders_needs_few_bytes(office: Office) -> None:
    page = new_page(office)
    requests: list[Request] = []
    page.on("request", lambda it: requests.append(it))
    page.goto("/orders")
    expect(page.locator("tbody a").first).to_be_visible()

    until_read = requests[: 1 + next(place for place, it in enumerate(requests) if ORDERS in it.url)]
    files = [it for it in until_read if "/api/" not in it.url]
    assert any("/assets/application-" in it.url for it in files)
    assert not any("UserMenu" in it.url for it in files)
    assert sum(it.sizes()["responseBodySize"] for it in files) < MOST_BYTES
