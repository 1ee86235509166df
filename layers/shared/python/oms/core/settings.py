"""Typed settings, read from the environment and checked once, at first use. No other module reads the environment."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta, tzinfo
from decimal import Decimal
from functools import cache
from importlib.resources import files
from ipaddress import ip_address
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

# ISO 4217: the currencies whose minor unit is not a hundredth, by how many decimals they have.
_DECIMALS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_MINOR_DIGITS = {currency: digits for digits, currencies in _DECIMALS.items() for currency in currencies.split()}


@dataclass(frozen=True)
class WatchedQueue:
    """`name` is for people; `queue` and `failures` are SQS's names of the queue and of its dead-letter queue.

    The poison queue of a stream has no queue before it: `queue` is None.
    """

    name: str
    queue: str | None
    failures: str


@dataclass(frozen=True)
class OrderLimits:
    """Limits of a customer's orders. `stock_share` is a percentage of a product's available units. `value` limits one
    order's goods, in minor units. None means unlimited.
    """

    open_orders: int
    per_minute: int | None
    units: int
    stock_share: int
    value: int | None


@dataclass(frozen=True)
class Settings:
    """The settings of a deployment. Money is in minor units of `currency`."""

    stage: str
    version: str
    identity_table: str
    inventory_table: str
    orders_table: str
    audit_table: str
    events_table: str
    webhooks_table: str
    reports_table: str
    event_bus: str
    webhook_keys_secret: str
    signing_keys_secret: str
    jwks_parameter: str
    pepper_secret: str
    origin_secret: str
    audit_keys_secret: str
    address_keys_secret: str
    audit_bucket: str
    expiry_queue_url: str
    poison_queue_url: str
    public_url: str
    mail_from: str
    mail_configuration_set: str
    unverified_mails_per_day: int
    stock_check_queue_url: str
    delivery_queue_url: str
    slow_delivery_queue_url: str
    replay_queue_url: str
    queues: tuple[WatchedQueue, ...]
    export_queue_url: str
    export_tries: int
    exports_bucket: str
    schedule_group: str
    schedule_role: str
    schedule_target: str
    schedule_dead_letters: str
    daily_report_to: tuple[str, ...]
    currency: str
    currency_digits: int
    time_zone: tzinfo
    hold: timedelta
    unverified_hold: timedelta
    shortest_hold: timedelta
    order_shards: int
    shipping_max: int | None
    shipping_flat: int | None
    order_limits: OrderLimits
    unverified_order_limits: OrderLimits
    clock_offset: timedelta
    consistency_grace: timedelta
    customer_requests: int
    manager_requests: int
    register_limit: int
    login_limit: int
    password_min_length: int
    staff_password_min_length: int
    webhook_private_targets: bool


@cache
def settings() -> Settings:
    """The settings of this process. Loosening ones count only while the AWS endpoint is on loopback."""
    return read(os.environ)


class MissingSettingError(Exception):
    """A function was deployed without a setting that it needs."""


def require(*names: str) -> None:
    """Called by each function as it starts, with the names of the settings that it needs and that have no default.

    Raises MissingSettingError for those that are not set: the function then fails to start, and not at a request.
    Outside Lambda it checks nothing, since tools import handlers to read their routes.
    """
    if "AWS_LAMBDA_FUNCTION_NAME" not in os.environ:
        return
    missing = [f"OMS_{name.upper()}" for name in names if not getattr(settings(), name)]
    if missing:
        raise MissingSettingError(f"not set: {', '.join(missing)}")


def adopt(**environment: str) -> None:
    """For commands, which run outside the functions: takes over variables that the stage's functions have."""
    os.environ.update(environment)
    settings.cache_clear()


def aws_region() -> str | None:
    """The region that the environment names for AWS, not cached: tools of the local cloud set it late."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")


def smoke_account() -> tuple[str, str] | None:
    """E-mail and password that `make smoke` signs in with: not arguments, which all of a machine can read."""
    account = os.environ.get("SMOKE_EMAIL", ""), os.environ.get("SMOKE_PASSWORD", "")
    return account if all(account) else None


def read(environment: Mapping[str, str]) -> Settings:
    """Settings from `environment`; raises ValueError, saying what is wrong, so that a deployment fails early."""
    currency = environment.get("OMS_CURRENCY", "EUR")
    if not re.fullmatch("[A-Z]{3}", currency):
        raise ValueError(f"{currency!r} is not an ISO 4217 code such as EUR")
    digits = _MINOR_DIGITS.get(currency, 2)
    loosened = environment if _is_loopback(environment.get("AWS_ENDPOINT_URL", "")) else {}
    most_shipping, flat = environment.get("OMS_SHIPPING_MAX"), environment.get("OMS_SHIPPING_FLAT")
    hold = _at_least(1, environment.get("OMS_HOLD_SECONDS", "1800"))
    unverified_hold = min(hold, _at_least(1, environment.get("OMS_UNVERIFIED_HOLD_SECONDS", str(hold))))
    # Set it while orders with an earlier, shorter hold are open: the sweeper reads orders of that age.
    shortest_hold = _at_least(1, environment.get("OMS_SHORTEST_HOLD_SECONDS", str(hold)))
    return Settings(
        stage=environment.get("OMS_STAGE", "local"),
        version=environment.get("OMS_VERSION", "0.0.0"),
        identity_table=environment.get("OMS_IDENTITY_TABLE", "identity"),
        inventory_table=environment.get("OMS_INVENTORY_TABLE", "inventory"),
        orders_table=environment.get("OMS_ORDERS_TABLE", "orders"),
        audit_table=environment.get("OMS_AUDIT_TABLE", "audit"),
        events_table=environment.get("OMS_EVENTS_TABLE", "events"),
        webhooks_table=environment.get("OMS_WEBHOOKS_TABLE", "webhooks"),
        reports_table=environment.get("OMS_REPORTS_TABLE", "reports"),
        event_bus=environment.get("OMS_EVENT_BUS", "oms"),
        webhook_keys_secret=environment.get("OMS_WEBHOOK_KEYS_SECRET", ""),
        signing_keys_secret=environment.get("OMS_SIGNING_KEYS_SECRET", ""),
        jwks_parameter=environment.get("OMS_JWKS_PARAMETER", ""),
        pepper_secret=environment.get("OMS_PEPPER_SECRET", ""),
        origin_secret=environment.get("OMS_ORIGIN_SECRET", ""),
        audit_keys_secret=environment.get("OMS_AUDIT_KEYS_SECRET", ""),
        address_keys_secret=environment.get("OMS_ADDRESS_KEYS_SECRET", ""),
        audit_bucket=environment.get("OMS_AUDIT_BUCKET", ""),
        expiry_queue_url=environment.get("OMS_EXPIRY_QUEUE_URL", ""),
        stock_check_queue_url=environment.get("OMS_STOCK_CHECK_QUEUE_URL", ""),
        delivery_queue_url=environment.get("OMS_DELIVERY_QUEUE_URL", ""),
        slow_delivery_queue_url=environment.get("OMS_SLOW_DELIVERY_QUEUE_URL", ""),
        replay_queue_url=environment.get("OMS_REPLAY_QUEUE_URL", ""),
        queues=tuple(
            WatchedQueue(name, queue or None, failures)
            for name, queue, failures in json.loads(environment.get("OMS_QUEUES", "[]"))
        ),
        export_queue_url=environment.get("OMS_EXPORT_QUEUE_URL", ""),
        # The queue's maximum receive count.
        export_tries=_at_least(1, environment.get("OMS_EXPORT_TRIES", "5")),
        exports_bucket=environment.get("OMS_EXPORTS_BUCKET", ""),
        schedule_group=environment.get("OMS_SCHEDULE_GROUP", ""),
        # ARNs of the role that sends to the queues, of the queue of runs, and of its dead-letter queue.
        schedule_role=environment.get("OMS_SCHEDULE_ROLE", ""),
        schedule_target=environment.get("OMS_SCHEDULE_TARGET", ""),
        schedule_dead_letters=environment.get("OMS_SCHEDULE_DEAD_LETTERS", ""),
        daily_report_to=tuple(it for it in environment.get("OMS_DAILY_REPORT_TO", "").split(",") if it),
        poison_queue_url=environment.get("OMS_POISON_QUEUE_URL", ""),
        public_url=environment.get("OMS_PUBLIC_URL", ""),
        mail_from=environment.get("OMS_MAIL_FROM", ""),
        mail_configuration_set=environment.get("OMS_MAIL_CONFIGURATION_SET", ""),
        unverified_mails_per_day=_at_least(1, environment.get("OMS_UNVERIFIED_MAILS_PER_DAY", "2000")),
        currency=currency,
        currency_digits=digits,
        time_zone=_time_zone(environment.get("OMS_TIME_ZONE", "UTC")),
        hold=timedelta(seconds=hold),
        unverified_hold=timedelta(seconds=unverified_hold),
        shortest_hold=timedelta(seconds=min(unverified_hold, shortest_hold)),
        order_shards=_at_least(1, environment.get("OMS_ORDER_SHARDS", "1")),
        shipping_max=_minor_units(most_shipping, digits) if most_shipping else None,
        shipping_flat=_minor_units(flat, digits) if flat else None,
        order_limits=_order_limits(environment, digits),
        unverified_order_limits=_unverified_order_limits(environment, digits),
        # After this time no request is in progress, and streams and indexes have caught up.
        consistency_grace=timedelta(seconds=float(loosened.get("OMS_SETTLE_SECONDS", "900"))),
        clock_offset=timedelta(seconds=float(loosened.get("OMS_CLOCK_OFFSET", "0"))),
        # For one user and minute, over the whole API; 0 means unlimited.
        customer_requests=_at_least(0, environment.get("OMS_CUSTOMER_REQUESTS", "600")),
        manager_requests=_at_least(0, environment.get("OMS_MANAGER_REQUESTS", "6000")),
        register_limit=_at_least(1, loosened.get("OMS_REGISTER_LIMIT", "5")),
        login_limit=_at_least(1, loosened.get("OMS_LOGIN_LIMIT", "5")),
        password_min_length=_at_least(8, environment.get("OMS_PASSWORD_MIN_LENGTH", "8")),
        # Where a password is all that they sign in with (NIST SP 800-63B-4, 3.1.1.2).
        staff_password_min_length=max(
            8 if loosened else 15, _at_least(8, environment.get("OMS_STAFF_PASSWORD_MIN_LENGTH", "15"))
        ),
        # Receivers on this machine: plain http, any port, and addresses that are not public.
        webhook_private_targets=loosened.get("OMS_WEBHOOK_PRIVATE_TARGETS") == "true",
    )


def _time_zone(name: str) -> tzinfo:
    """From the package tzdata alone, so that functions, commands and the synth have the same rules for a day."""
    if name == "UTC":
        return UTC
    if name not in files("tzdata").joinpath("zones").read_text().split():
        raise ValueError(f"{name!r} is not a time zone of the IANA database such as Europe/Berlin")
    with files("tzdata.zoneinfo").joinpath(*name.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=name)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _at_least(least: int, text: str) -> int:
    number = int(text)
    if number < least:
        raise ValueError(f"a setting must be at least {least}, not {number}")
    return number


def _order_limits(environment: Mapping[str, str], digits: int) -> OrderLimits:
    value = environment.get("OMS_ORDER_VALUE_LIMIT")
    return OrderLimits(
        open_orders=_at_least(1, environment.get("OMS_OPEN_ORDERS_LIMIT", "10")),
        per_minute=None,
        units=_at_least(1, environment.get("OMS_ORDER_UNITS_LIMIT", "1000")),
        stock_share=_at_least(1, environment.get("OMS_STOCK_SHARE_LIMIT", "100")),
        value=_minor_units(value, digits) if value else None,
    )


def _unverified_order_limits(environment: Mapping[str, str], digits: int) -> OrderLimits:
    """Never higher than those of other customers. As many orders can be placed in a minute as can be open."""
    most = _order_limits(environment, digits)
    open_orders = _at_least(0, environment.get("OMS_UNVERIFIED_OPEN_ORDERS_LIMIT", "3"))
    value = environment.get("OMS_UNVERIFIED_ORDER_VALUE_LIMIT")
    values = [most.value, _minor_units(value, digits) if value else None]
    return OrderLimits(
        open_orders=min(most.open_orders, open_orders),
        per_minute=open_orders,
        units=min(most.units, _at_least(1, environment.get("OMS_UNVERIFIED_ORDER_UNITS_LIMIT", "50"))),
        stock_share=min(most.stock_share, _at_least(1, environment.get("OMS_UNVERIFIED_STOCK_SHARE_LIMIT", "25"))),
        value=min((it for it in values if it is not None), default=None),
    )


def _minor_units(amount: str, digits: int) -> int:
    try:
        minor = Decimal(amount).scaleb(digits)
        whole = int(minor)
    except (ArithmeticError, ValueError) as error:
        raise ValueError(f"{amount!r} is not an amount of money") from error
    if minor != whole or whole < 0:
        raise ValueError(f"{amount} is not an amount of money with at most {digits} decimals")
    return whole
