"""The back office in Chromium, over a deployed system of its own."""

from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright

from local.demo import PASSWORD
from local.system import LocalSystem
from tests.console.browser import MissingBrowserError, launch
from tests.console.office import Office
from tests.support.local_cloud.settings import SETTINGS
from tests.support.local_cloud.shop import WAIT_SECONDS


@pytest.fixture(scope="session")
def system() -> Iterator[LocalSystem]:
    with LocalSystem(settings=SETTINGS) as running:
        running.build_console()
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        try:
            browser = launch(playwright)
        except MissingBrowserError as error:
            pytest.exit(str(error), 1)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def signed_in(system: LocalSystem) -> Iterator[Callable[[str], httpx.Client]]:
    """`signed_in("alice")`: a client of the API with the demo account's token."""
    known: dict[str, httpx.Client] = {}

    def sign_in(name: str) -> httpx.Client:
        if name not in known:
            http = httpx.Client(base_url=system.base_url, timeout=WAIT_SECONDS, trust_env=False)
            answer = http.post("/api/v1/auth/login", json={"email": f"{name}@demo.example", "password": PASSWORD})
            assert answer.status_code == 200, answer.text
            http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            known[name] = http
        return known[name]

    yield sign_in
    for http in known.values():
        http.close()


@pytest.fixture
def office(system: LocalSystem, browser: Browser) -> Iterator[Office]:
    """Fails the test if a page has an error, or breaks the content security policy."""
    office = Office(browser, system.base_url)
    yield office
    office.close()
    assert not office.complaints
