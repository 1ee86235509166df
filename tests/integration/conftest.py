"""One deployed system for the whole run, and HTTP clients that appear as clients on other machines."""

from collections.abc import Callable, Iterator
from functools import partial

import httpx
import pytest

from local.demo import PASSWORD
from local.system import LocalSystem
from tests.support import contract
from tests.support.local_cloud.mailbox import overhear
from tests.support.local_cloud.settings import SETTINGS
from tests.support.local_cloud.shop import WAIT_SECONDS

type ClientFactory = Callable[..., httpx.Client]

# For a test that hangs: its own waits end before, with their last result.
TEST_SECONDS = 900


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Orders the tests on the one system: those that change it are later, then those that slow it down, and last those
    that read all of it.
    """
    items.sort(key=lambda item: [item.get_closest_marker(name) is not None for name in ("last", "bulk", "alone")])
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TEST_SECONDS))


@pytest.fixture(scope="session")
def system() -> Iterator[LocalSystem]:
    """The deployed and seeded system. Its limits are raised so that tests can sign in as often as they need."""
    with LocalSystem(settings=SETTINGS) as running:
        overhear(running)
        yield running


@pytest.fixture(scope="session")
def client(system: LocalSystem) -> Iterator[ClientFactory]:
    """`client()` or `client("127.0.0.3")`: each loopback address is another client for the system's limits."""
    opened: list[httpx.Client] = []

    def connect(address: str = "127.0.0.2") -> httpx.Client:
        http = httpx.Client(
            base_url=f"http://127.0.0.1:{system.front_door.port}",
            transport=httpx.HTTPTransport(local_address=address, retries=0),
            timeout=WAIT_SECONDS,
            trust_env=False,
            event_hooks={"response": [partial(_check, system.front_door.port)]},
        )
        opened.append(http)
        return http

    yield connect
    for http in opened:
        http.close()


def _check(port: int, response: httpx.Response) -> None:
    """Compares an answer of the API with the OpenAPI document. Redirects lead to other servers."""
    request = response.request
    if request.url.port == port and request.method != "OPTIONS" and not request.url.path.startswith("/_"):
        response.read()
        contract.check(request.method, request.url.path, response.status_code, response.headers, response.text)


@pytest.fixture(scope="session")
def signed_in(client: ClientFactory) -> Callable[[str], httpx.Client]:
    """`signed_in("alice")`: a client with the demo account's token, which is valid for an hour."""
    known: dict[str, httpx.Client] = {}

    def sign_in(name: str) -> httpx.Client:
        if name not in known:
            http = client()
            answer = http.post("/api/v1/auth/login", json={"email": f"{name}@demo.example", "password": PASSWORD})
            assert answer.status_code == 200, answer.text
            http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            known[name] = http
        return known[name]

    return sign_in
