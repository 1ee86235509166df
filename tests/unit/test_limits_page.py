"""docs/integrate/limits.md has each rate limit of the code, with its default number."""

import ast
import re
from pathlib import Path

from oms.core.settings import read
from oms.core.strict_json import MAX_PARTS
from oms.exports.unfinished import MAX_UNFINISHED
from oms.http.body import MAX_BYTES
from oms.identity.address_limits import REFRESHES_PER_WINDOW, TAGGED_ACCOUNTS_PER_DAY
from oms.identity.recovery import REQUESTS_PER_MINUTE, RESETS_PER_MINUTE
from oms.identity.saved_addresses import MAX_SAVED_ADDRESSES
from oms.identity.user_limits import ADDRESS_LEASES, LEASES
from oms.orders.schemas import MAX_LINES
from oms.schedules.service import MAX_SCHEDULES
from oms.service_keys.schemas import DEFAULT_RATE_LIMIT, MAX_ADDRESSES
from oms.service_keys.service import MAX_KEYS
from oms.webhooks.delivery_admin import TESTS_PER_MINUTE
from oms.webhooks.service import MAX_WEBHOOKS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/integrate/limits.md").read_text()


def policies_of_code() -> set[str]:
    """The first argument of each `RateWindow(…)`."""
    files = (ROOT / "layers/shared/python/oms").rglob("*.py")
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text()))]
    calls = [it for it in nodes if isinstance(it, ast.Call) and ast.unparse(it.func) == "RateWindow"]
    named = [it.args[0] for it in calls if isinstance(it.args[0], ast.Constant)]
    # Leases have the name of their policy.
    return {str(ast.literal_eval(it)) for it in named} | {LEASES.policy, ADDRESS_LEASES.policy}


def test_the_rates_are_those_of_the_code() -> None:
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| .* \| ([\d, ·]+) \|$", PAGE, re.MULTILINE))
    settings = read({})

    assert policies_of_code() == rows.keys()
    assert rows == {
        "login": f"{settings.login_limit}",
        "register": f"{settings.register_limit}",
        "forgot": f"{REQUESTS_PER_MINUTE}",
        "reset": f"{RESETS_PER_MINUTE}",
        "refresh": f"{REFRESHES_PER_WINDOW}",
        "user": f"{settings.customer_requests:,} · {settings.manager_requests:,}",
        "address": f"{settings.anonymous_requests:,}",
        "key": f"{DEFAULT_RATE_LIMIT:,}",
        "orders": f"{settings.unverified_order_limits.per_minute}",
        "contact-orders": f"{settings.unverified_order_limits.open_orders} · {settings.order_limits.open_orders}",
        "guest-orders": f"{settings.guest_orders}",
        "webhook-test": f"{TESTS_PER_MINUTE}",
    }


def test_the_numbers_are_those_of_the_code() -> None:
    rows = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \|$", PAGE.partition("## Sizes")[2], re.MULTILINE))
    settings = read({})

    for row, numbers in {
        "any body": (MAX_BYTES // 1024, f"{MAX_PARTS:,}"),
        "`POST /orders`, `POST /orders/quote`": (MAX_LINES,),
        "open orders of a customer": (settings.order_limits.open_orders, settings.unverified_order_limits.open_orders),
        "unfinished exports of a user": (MAX_UNFINISHED,),
        "saved addresses of a user": (MAX_SAVED_ADDRESSES,),
        "webhooks, schedules": (MAX_WEBHOOKS, MAX_SCHEDULES),
        "service keys": (MAX_KEYS, MAX_ADDRESSES),
    }.items():
        assert set(map(str, numbers)) <= set(re.findall(r"\d+(?:,\d{3})*", rows[row])), row
    assert TAGGED_ACCOUNTS_PER_DAY == 5
