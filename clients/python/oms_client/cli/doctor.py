"""The command `oms doctor`: checks the way from this machine to the deployment, and the credentials."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import get_args

import click
import httpx

from oms_client.cli.state import FAILED, NOT_SIGNED_IN, Command, State, pass_state
from oms_client.client import VERSION, OmsClient
from oms_client.credentials import ServiceKey
from oms_client.errors import ApiError, OmsClientError
from oms_client.models import Scope

# Signatures and tokens allow for five minutes.
MAX_SKEW_SECONDS = 60
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
# A request for each scope that has one which changes nothing.
PROBES: dict[str, Callable[[OmsClient], object]] = {
    "orders:read": lambda it: it.orders.list_orders(limit=1),
    "catalogue:read": lambda it: it.inventory.list_categories(limit=1),
    "customers:read": lambda it: it.admin.list_users(limit=1),
    "events:read": lambda it: it.events.list_events(limit=1),
    "webhooks:manage": lambda it: it.webhooks.list_webhooks(limit=1),
    "reports:read": lambda it: it.reports.list_exports(limit=1),
    "imports:write": lambda it: it.imports.list_imports(limit=1),
}
UNKNOWN = ", ".join(it for it in get_args(Scope) if it not in PROBES)


@dataclass(frozen=True)
class Check:
    """A result. `ok` is None if it is only a remark."""

    name: str
    ok: bool | None
    text: str
    code: int = FAILED


@click.command(cls=Command)
@pass_state
def doctor(state: State) -> int:
    """Check URL, TLS, clock, version, credentials and scopes."""
    code = 0
    for check in checks(state):
        if check.ok is False:
            code = code or check.code
        mark = {True: "ok", False: "FAILED", None: "note"}[check.ok]
        state.show({"check": check.name, "ok": check.ok, "detail": check.text}, f"{mark:<7} {check.name}: {check.text}")
    return code


def checks(state: State) -> Iterator[Check]:
    url = httpx.URL(state.url)
    source = "--url or OMS_URL" if state.url_option else f"the profile {state.profile_name}"
    yield Check("deployment", None, f"{state.url}, from {source}")
    if url.scheme == "https":
        yield Check("tls", True, "https, with a certificate that is checked")
    else:
        local = url.host in LOOPBACK
        yield Check("tls", None if local else False, "http: others can read the credentials" if not local else "http")
    started = time.monotonic()
    try:
        with httpx.Client(transport=state.transport, timeout=10) as http:
            response = http.get(state.connect(None).exchange.base_url + "/api/v1/health")
    except (httpx.TransportError, httpx.InvalidURL) as error:
        yield Check("url", False, str(error) or type(error).__name__)
        return
    if not response.is_success:
        yield Check("url", False, f"status {response.status_code}")
        return
    yield Check("url", True, f"the deployment answers in {(time.monotonic() - started) * 1000:.0f} ms")
    yield from _clock(response)
    yield _version(response)
    yield from _credentials(state)


def _clock(response: httpx.Response) -> Iterator[Check]:
    try:
        skew = (datetime.now(UTC) - parsedate_to_datetime(response.headers["Date"])).total_seconds()
    except (KeyError, ValueError, TypeError):
        yield Check("clock", None, "the response has no date")
        return
    text = f"{abs(skew):.0f} seconds {'ahead of' if skew > 0 else 'behind'} the deployment"
    yield Check("clock", abs(skew) <= MAX_SKEW_SECONDS, text)


def _version(response: httpx.Response) -> Check:
    try:
        deployed = str(response.json()["version"])
    except (ValueError, KeyError, TypeError):
        return Check("version", False, "this URL is not one of this system")
    same = deployed.split(".")[:2] == VERSION.split(".")[:2]
    return Check("version", True if same else None, f"deployment {deployed}, client {VERSION}")


def _credentials(state: State) -> Iterator[Check]:
    credentials = state.credentials
    if credentials is None:
        yield Check("credentials", False, "none: use `oms login`, or set OMS_KEY", NOT_SIGNED_IN)
        return
    client = state.client
    try:
        if not isinstance(credentials, ServiceKey):
            me = client.auth.get_me()
            yield Check("credentials", True, f"{me.email}, {me.role}")
            return
        granted = [scope for scope, probe in PROBES.items() if _allowed(client, probe)]
    except OmsClientError as error:
        code = NOT_SIGNED_IN if isinstance(error, ApiError) and error.status == 401 else FAILED
        yield Check("credentials", False, str(error), code)
        return
    yield Check("credentials", True, "a service key that the deployment accepts")
    missing = ", ".join(it for it in PROBES if it not in granted)
    known = f"{', '.join(granted) or 'none'}{f' (not {missing})' if missing else ''}"
    yield Check("scopes", None, f"{known}; unknown, as only changes need them: {UNKNOWN}")


def _allowed(client: OmsClient, probe: Callable[[OmsClient], object]) -> bool:
    try:
        probe(client)
    except ApiError as error:
        if error.code != "insufficient-scope":
            raise
        return False
    return True
