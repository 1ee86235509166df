"""Typed settings. They are read from the environment and checked at first use; no other module reads it."""

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

# ISO 4217: the currencies whose minor unit is not a hundredth, by number of decimals.
_DECIMALS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_MINOR_DIGITS = {currency: digits for digits, currencies in _DECIMALS.items() for currency in currencies.split()}
# Every function gets their names.
_TABLES = tuple(
    f"{domain}_table"
    for domain in ("identity", "inventory", "orders", "audit", "events", "webhooks", "reports", "search")
)


@dataclass(frozen=True)
class WatchedQueue:
    """A queue whose depth is shown. `name` is for people; `queue` and `failures` are SQS's names of it and its
    dead-letter queue.

    For a stream's poison queue, `queue` is None: no queue precedes it.
    """

    name: str
    queue: str | None
    failures: str


@dataclass(frozen=True)
class OrderLimits:
    """Limits of a customer's orders. None means unlimited.

    `stock_share` is a percentage of a product's available units. `value` limits the price of one order's goods, in
    minor units.
    """

    open_orders: int
    per_minute: int | None
    units: int
    stock_share: int
    value: int | None


@dataclass(frozen=True)
class Settings:
    """The settings of a deployment. Amounts are in minor units of `currency`."""

    stage: str
    version: str
    identity_table: str
    inventory_table: str
    orders_table: str
    audit_table: str
    events_table: str
    webhooks_table: str
    reports_table: str
    search_table: str
    event_bus: str
    webhook_keys_secret: str
    signing_keys_secret: str
    jwks_parameter: str
    pepper_secret: str
    origin_secret: str
    front_required: bool
    audit_keys_secret: str
    address_keys_secret: str
    audit_bucket: str
    expiry_queue_url: str
    poison_queue_url: str
    request_log_group: str | None
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
    import_queue_url: str
    import_tries: int
    imports_bucket: str
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
    delivery_shards: int
    shipping_max: int | None
    shipping_flat: int | None
    order_limits: OrderLimits
    unverified_order_limits: OrderLimits
    clock_offset: timedelta
    consistency_grace: timedelta
    response_check_every: int
    customer_requests: int
    manager_requests: int
    public_catalogue: bool
    guest_checkout: bool
    guest_orders: int
    anonymous_requests: int
    register_limit: int
    login_limit: int
    password_min_length: int
    staff_password_min_length: int
    webhook_private_targets: bool


@cache
def settings() -> Settings:
    """Returns the settings of this process.

    Settings that loosen security or limits apply only if the AWS endpoint is on loopback.
    """
    return read(os.environ)


class MissingSettingError(Exception):
    """A function was deployed without a setting that it needs."""


def require(*names: str) -> None:
    """Checks the settings of a function. Each calls it at its start with the names that have no default and that it
    needs. The tables are checked in every function: their defaults are for tests and tools.

    Raises MissingSettingError with the missing names, and ValueError for a wrong value. So a function fails at its
    start, not at a request. Outside Lambda it checks nothing, since tools import handlers to read their routes.
    """
    if "AWS_LAMBDA_FUNCTION_NAME" not in os.environ:
        return
    needed = [f"OMS_{name.upper()}" for name in (*_TABLES, *names)]
    missing = [variable for variable in needed if not os.environ.get(variable)]
    if missing:
        raise MissingSettingError(f"not set: {', '.join(missing)}")
    settings()


def adopt(**environment: str) -> None:
    """Sets variables in the environment of this process. Commands call it with those of the stage's functions."""
    os.environ.update(environment)
    settings.cache_clear()


def aws_region() -> str | None:
    """Returns AWS's region from the environment. Not cached, because the local tools set it after the import."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")


def aws_variable(name: str) -> str | None:
    """Returns a variable that AWS's SDKs or Lambda define, such as AWS_ENDPOINT_URL. Not cached, as `aws_region`."""
    return os.environ.get(name)


def smoke_account() -> tuple[str, str] | None:
    """Returns the e-mail address and the password of `make smoke`.

    They are not arguments, because all users of the machine can read those.
    """
    account = os.environ.get("SMOKE_EMAIL", ""), os.environ.get("SMOKE_PASSWORD", "")
    return account if all(account) else None


def read(environment: Mapping[str, str]) -> Settings:
    """Reads settings from `environment`.

    Raises ValueError with the variable's name and what is wrong, so that a deployment fails early.
    """
    currency = environment.get("OMS_CURRENCY", "EUR")
    if not re.fullmatch("[A-Z]{3}", currency):
        raise ValueError(f"OMS_CURRENCY must be an ISO 4217 code such as EUR, not {currency!r}")
    digits = _MINOR_DIGITS.get(currency, 2)
    loosened = environment if _is_loopback(environment.get("AWS_ENDPOINT_URL", "")) else {}
    hold = _at_least(1, environment, "OMS_HOLD_SECONDS", "1800")
    unverified_hold = min(hold, _at_least(1, environment, "OMS_UNVERIFIED_HOLD_SECONDS", str(hold)))
    # Must be set while orders with an earlier, shorter hold are pending: the sweeper reads orders of at least this age.
    shortest_hold = _at_least(1, environment, "OMS_SHORTEST_HOLD_SECONDS", str(hold))
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
        search_table=environment.get("OMS_SEARCH_TABLE", "search"),
        event_bus=environment.get("OMS_EVENT_BUS", "oms"),
        webhook_keys_secret=environment.get("OMS_WEBHOOK_KEYS_SECRET", ""),
        signing_keys_secret=environment.get("OMS_SIGNING_KEYS_SECRET", ""),
        jwks_parameter=environment.get("OMS_JWKS_PARAMETER", ""),
        pepper_secret=environment.get("OMS_PEPPER_SECRET", ""),
        origin_secret=environment.get("OMS_ORIGIN_SECRET", ""),
        # Whether requests without the origin secret are refused: see `oms.http.client_address`.
        front_required=environment.get("OMS_FRONT_REQUIRED") == "true",
        audit_keys_secret=environment.get("OMS_AUDIT_KEYS_SECRET", ""),
        address_keys_secret=environment.get("OMS_ADDRESS_KEYS_SECRET", ""),
        audit_bucket=environment.get("OMS_AUDIT_BUCKET", ""),
        expiry_queue_url=environment.get("OMS_EXPIRY_QUEUE_URL", ""),
        stock_check_queue_url=environment.get("OMS_STOCK_CHECK_QUEUE_URL", ""),
        delivery_queue_url=environment.get("OMS_DELIVERY_QUEUE_URL", ""),
        slow_delivery_queue_url=environment.get("OMS_SLOW_DELIVERY_QUEUE_URL", ""),
        replay_queue_url=environment.get("OMS_REPLAY_QUEUE_URL", ""),
        queues=_queues(environment, "OMS_QUEUES"),
        export_queue_url=environment.get("OMS_EXPORT_QUEUE_URL", ""),
        # The queue's maximum receive count.
        export_tries=_at_least(1, environment, "OMS_EXPORT_TRIES", "5"),
        exports_bucket=environment.get("OMS_EXPORTS_BUCKET", ""),
        import_queue_url=environment.get("OMS_IMPORT_QUEUE_URL", ""),
        # The queue's maximum receive count.
        import_tries=_at_least(1, environment, "OMS_IMPORT_TRIES", "5"),
        imports_bucket=environment.get("OMS_IMPORTS_BUCKET", ""),
        schedule_group=environment.get("OMS_SCHEDULE_GROUP", ""),
        # ARNs of the role that sends to the queues, of the queue of runs, and of its dead-letter queue.
        schedule_role=environment.get("OMS_SCHEDULE_ROLE", ""),
        schedule_target=environment.get("OMS_SCHEDULE_TARGET", ""),
        schedule_dead_letters=environment.get("OMS_SCHEDULE_DEAD_LETTERS", ""),
        daily_report_to=tuple(address for address in environment.get("OMS_DAILY_REPORT_TO", "").split(",") if address),
        poison_queue_url=environment.get("OMS_POISON_QUEUE_URL", ""),
        # Lambda names the function's own log group, which all functions with routes share. None if the log level
        # excludes the lines of requests.
        request_log_group=environment.get("AWS_LAMBDA_LOG_GROUP_NAME") if _logs_requests(environment) else None,
        public_url=environment.get("OMS_PUBLIC_URL", ""),
        mail_from=environment.get("OMS_MAIL_FROM", ""),
        mail_configuration_set=environment.get("OMS_MAIL_CONFIGURATION_SET", ""),
        unverified_mails_per_day=_at_least(1, environment, "OMS_UNVERIFIED_MAILS_PER_DAY", "2000"),
        currency=currency,
        currency_digits=digits,
        time_zone=_time_zone(environment, "OMS_TIME_ZONE"),
        hold=timedelta(seconds=hold),
        unverified_hold=timedelta(seconds=unverified_hold),
        shortest_hold=timedelta(seconds=min(unverified_hold, shortest_hold)),
        order_shards=_at_least(1, environment, "OMS_ORDER_SHARDS", "1"),
        delivery_shards=_power_of_two(environment, "OMS_DELIVERY_SHARDS"),
        shipping_max=_minor_units(environment, "OMS_SHIPPING_MAX", digits),
        shipping_flat=_minor_units(environment, "OMS_SHIPPING_FLAT", digits),
        order_limits=_order_limits(environment, digits),
        unverified_order_limits=_unverified_order_limits(environment, digits),
        # After this time no request is in progress, and streams and indexes have caught up.
        consistency_grace=_seconds(loosened, "OMS_SETTLE_SECONDS", "900"),
        clock_offset=_seconds(loosened, "OMS_CLOCK_OFFSET", "0"),
        # Of the responses that are sent without a model, one of this number is checked: see `oms.core.schemas.Shown`.
        response_check_every=_at_least(1, environment, "OMS_RESPONSE_CHECK_EVERY", "100"),
        # Requests of one user in a minute, over the whole API; 0 means unlimited.
        customer_requests=_at_least(0, environment, "OMS_CUSTOMER_REQUESTS", "600"),
        manager_requests=_at_least(0, environment, "OMS_MANAGER_REQUESTS", "6000"),
        # Whether requests without a token may read products on sale and categories.
        public_catalogue=environment.get("OMS_PUBLIC_CATALOGUE") == "true",
        guest_checkout=environment.get("OMS_GUEST_CHECKOUT") == "true",
        # Orders of guests from one client address in the time of a hold.
        guest_orders=_at_least(1, environment, "OMS_GUEST_ORDERS", "20"),
        # Such requests of one client address in a minute; 0 means unlimited.
        anonymous_requests=_at_least(0, environment, "OMS_ANONYMOUS_REQUESTS", "600"),
        register_limit=_at_least(1, loosened, "OMS_REGISTER_LIMIT", "5"),
        login_limit=_at_least(1, loosened, "OMS_LOGIN_LIMIT", "5"),
        password_min_length=_at_least(8, environment, "OMS_PASSWORD_MIN_LENGTH", "8"),
        # NIST SP 800-63B-4, section 3.1.1.2: 15 characters if the password is the only factor.
        staff_password_min_length=max(
            8 if loosened else 15, _at_least(8, environment, "OMS_STAFF_PASSWORD_MIN_LENGTH", "15")
        ),
        # Allows receivers on this machine: plain http, any port, and addresses that are not public.
        webhook_private_targets=loosened.get("OMS_WEBHOOK_PRIVATE_TARGETS") == "true",
    )


# ---- the types of variables; each raises ValueError with the variable's name -----------------------------------------


def _queues(environment: Mapping[str, str], name: str) -> tuple[WatchedQueue, ...]:
    """Reads `name,queue,dead-letter queue` of each queue, separated by semicolons."""
    text = environment.get(name, "")
    try:
        rows = [row.split(",") for row in text.split(";") if row]
        return tuple(WatchedQueue(queue, url or None, failures) for queue, url, failures in rows)
    except ValueError as error:
        raise ValueError(f"{name} must be name,queue,failures of each queue, separated by ;, not {text!r}") from error


def _time_zone(environment: Mapping[str, str], name: str) -> tzinfo:
    """Reads a time zone from the package tzdata, so that functions, commands and synthesis have the same rules."""
    zone = environment.get(name, "UTC")
    if zone == "UTC":
        return UTC
    if zone not in files("tzdata").joinpath("zones").read_text().split():
        raise ValueError(f"{name} must be a time zone of the IANA database such as Europe/Berlin, not {zone!r}")
    with files("tzdata.zoneinfo").joinpath(*zone.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=zone)


def _seconds(environment: Mapping[str, str], name: str, default: str) -> timedelta:
    text = environment.get(name, default)
    try:
        return timedelta(seconds=float(text))
    except (OverflowError, ValueError) as error:
        raise ValueError(f"{name} must be a number of seconds, not {text!r}") from error


def _logs_requests(environment: Mapping[str, str]) -> bool:
    return environment.get("POWERTOOLS_LOG_LEVEL", "INFO") in ("DEBUG", "INFO")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _at_least(least: int, environment: Mapping[str, str], name: str, default: str) -> int:
    text = environment.get(name, default)
    try:
        number = int(text)
    except ValueError as error:
        raise ValueError(f"{name} must be a whole number, not {text!r}") from error
    if number < least:
        raise ValueError(f"{name} must be at least {least}, not {number}")
    return number


def _power_of_two(environment: Mapping[str, str], name: str) -> int:
    number = _at_least(1, environment, name, "1")
    if number & (number - 1):
        raise ValueError(f"{name} must be a power of two, not {number}")
    return number


def _order_limits(environment: Mapping[str, str], digits: int) -> OrderLimits:
    return OrderLimits(
        open_orders=_at_least(1, environment, "OMS_OPEN_ORDERS_LIMIT", "10"),
        per_minute=None,
        units=_at_least(1, environment, "OMS_ORDER_UNITS_LIMIT", "1000"),
        stock_share=_at_least(1, environment, "OMS_STOCK_SHARE_LIMIT", "100"),
        value=_minor_units(environment, "OMS_ORDER_VALUE_LIMIT", digits),
    )


def _unverified_order_limits(environment: Mapping[str, str], digits: int) -> OrderLimits:
    """Returns the limits of unverified customers, which are never higher than those of other customers.

    The limit of orders in a minute equals the limit of open orders.
    """
    most = _order_limits(environment, digits)
    open_orders = _at_least(0, environment, "OMS_UNVERIFIED_OPEN_ORDERS_LIMIT", "3")
    values = [most.value, _minor_units(environment, "OMS_UNVERIFIED_ORDER_VALUE_LIMIT", digits)]
    return OrderLimits(
        open_orders=min(most.open_orders, open_orders),
        per_minute=open_orders,
        units=min(most.units, _at_least(1, environment, "OMS_UNVERIFIED_ORDER_UNITS_LIMIT", "50")),
        stock_share=min(most.stock_share, _at_least(1, environment, "OMS_UNVERIFIED_STOCK_SHARE_LIMIT", "25")),
        value=min((value for value in values if value is not None), default=None),
    )


def _minor_units(environment: Mapping[str, str], name: str, digits: int) -> int | None:
    """Reads an amount in the currency, in minor units; None if it is not set."""
    amount = environment.get(name)
    if not amount:
        return None
    try:
        minor = Decimal(amount).scaleb(digits)
        whole = int(minor)
    except (ArithmeticError, ValueError) as error:
        raise ValueError(f"{name} must be an amount of money, not {amount!r}") from error
    if minor != whole or whole < 0:
        raise ValueError(f"{name} must be an amount of money with at most {digits} decimals, not {amount!r}")
    return whole
