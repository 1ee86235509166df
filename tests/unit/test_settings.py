from dataclasses import replace
from datetime import timedelta

import pytest

from oms.core.settings import MissingSettingError, read, require
from tests.support.deployment import deployed_with

TABLES = {
    f"{domain}_TABLE": domain.lower()
    for domain in ("IDENTITY", "INVENTORY", "ORDERS", "AUDIT", "EVENTS", "WEBHOOKS", "REPORTS", "SEARCH")
}
LOOSENING = {
    "OMS_CLOCK_OFFSET": "3600",
    "OMS_REGISTER_LIMIT": "1000",
    "OMS_LOGIN_LIMIT": "2000",
    "OMS_SETTLE_SECONDS": "5",
    "OMS_STAFF_PASSWORD_MIN_LENGTH": "8",
    "OMS_WEBHOOK_PRIVATE_TARGETS": "true",
}


@pytest.mark.parametrize(
    "endpoint",
    ["http://127.0.0.1:4566", "http://127.8.9.10", "http://localhost:4566", "http://[::1]:4566", "https://LOCALHOST"],
)
def test_loosening_settings_count_on_loopback(endpoint: str) -> None:
    loosened = read({"AWS_ENDPOINT_URL": endpoint, **LOOSENING})

    assert loosened.consistency_grace == timedelta(seconds=5)
    assert loosened.clock_offset == timedelta(hours=1)
    assert (loosened.register_limit, loosened.login_limit) == (1000, 2000)
    assert loosened.staff_password_min_length == 8
    assert loosened.webhook_private_targets


@pytest.mark.parametrize(
    "endpoint",
    [
        None,
        "",
        "127.0.0.1",
        "localhost",
        "https://dynamodb.eu-central-1.amazonaws.com",
        "http://10.0.0.1:4566",
        "http://0.0.0.0:4566",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://example.com/127.0.0.1",
        "http://127.0.0.1@example.com",
        "http://example.com#localhost",
        "http://169.254.169.254",
    ],
)
def test_a28_loosening_settings_are_ignored_anywhere_else(endpoint: str | None) -> None:
    kept = read(LOOSENING | ({} if endpoint is None else {"AWS_ENDPOINT_URL": endpoint}))

    assert (kept.clock_offset, kept.consistency_grace) == (timedelta(0), timedelta(minutes=15))
    assert (kept.register_limit, kept.login_limit) == (5, 5)
    assert kept.staff_password_min_length == 15
    assert not kept.webhook_private_targets


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OMS_HOLD_SECONDS", "0"),
        ("OMS_PASSWORD_MIN_LENGTH", "7"),
        ("OMS_HOLD_SECONDS", "-1"),
        ("OMS_HOLD_SECONDS", "half an hour"),
        ("OMS_SHORTEST_HOLD_SECONDS", "0"),
        ("OMS_ORDER_SHARDS", "0"),
        ("OMS_OPEN_ORDERS_LIMIT", "0"),
        ("OMS_GUEST_ORDERS", "0"),
        ("OMS_ORDER_UNITS_LIMIT", "0"),
        ("OMS_STOCK_SHARE_LIMIT", "0"),
        ("OMS_ORDER_VALUE_LIMIT", "1.005"),
        ("OMS_UNVERIFIED_OPEN_ORDERS_LIMIT", "-1"),
        ("OMS_UNVERIFIED_ORDER_UNITS_LIMIT", "0"),
        ("OMS_UNVERIFIED_STOCK_SHARE_LIMIT", "0"),
        ("OMS_UNVERIFIED_ORDER_VALUE_LIMIT", "-1"),
        ("OMS_UNVERIFIED_HOLD_SECONDS", "0"),
        ("OMS_UNVERIFIED_MAILS_PER_DAY", "0"),
        ("OMS_ORDER_SHARDS", "1.5"),
        ("OMS_DELIVERY_SHARDS", "0"),
        ("OMS_DELIVERY_SHARDS", "12"),
        ("OMS_SHIPPING_MAX", "-1"),
        ("OMS_SHIPPING_MAX", "10.001"),
        ("OMS_SHIPPING_MAX", "free"),
        ("OMS_SHIPPING_MAX", "NaN"),
        ("OMS_SHIPPING_MAX", "Infinity"),
        ("OMS_SHIPPING_FLAT", "4.999"),
        ("OMS_CURRENCY", "euro"),
        ("OMS_CURRENCY", "eur"),
        ("OMS_CURRENCY", ""),
        ("OMS_TIME_ZONE", "Europe/Atlantis"),
        ("OMS_TIME_ZONE", ""),
        ("OMS_QUEUES", "Feed"),
        ("OMS_QUEUES", "Feed,feed,feed-failures;Mail"),
        ("OMS_QUEUES", "Feed,feed,feed-failures,more"),
        ("OMS_CUSTOMER_REQUESTS", "-1"),
        ("OMS_RESPONSE_CHECK_EVERY", "0"),
        ("OMS_EXPORT_TRIES", ""),
    ],
)
def test_a_bad_value_fails_at_once_and_is_named(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be "):
        read({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OMS_LOGIN_LIMIT", "0"),
        ("OMS_REGISTER_LIMIT", "five"),
        ("OMS_SETTLE_SECONDS", "soon"),
        ("OMS_CLOCK_OFFSET", "nan"),
        ("OMS_CLOCK_OFFSET", "inf"),
    ],
)
def test_a_bad_limit_fails_where_it_would_count(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be "):
        read({"AWS_ENDPOINT_URL": "http://localhost", name: value})


@pytest.mark.parametrize(
    ("currency", "digits", "minor_units"), [("EUR", 2, 1050), ("JPY", 0, 1050), ("KWD", 3, 10_500), ("CLF", 4, 105_000)]
)
def test_amounts_are_in_the_currencys_minor_units(currency: str, digits: int, minor_units: int) -> None:
    amount = "1050" if digits == 0 else "10.5"
    chosen = read({"OMS_CURRENCY": currency, "OMS_SHIPPING_MAX": amount, "OMS_SHIPPING_FLAT": amount})

    assert chosen.currency_digits == digits
    assert chosen.shipping_max == chosen.shipping_flat == minor_units


def test_shipping_is_free_to_choose_unless_it_is_set() -> None:
    assert read({}).shipping_flat is None
    assert read({"OMS_SHIPPING_FLAT": "0"}).shipping_flat == 0


def test_the_sweeper_reads_the_shorter_holds_of_unverified_customers() -> None:
    chosen = read({"OMS_HOLD_SECONDS": "600", "OMS_UNVERIFIED_HOLD_SECONDS": "120"})

    assert (chosen.hold, chosen.unverified_hold) == (timedelta(minutes=10), timedelta(minutes=2))
    assert chosen.shortest_hold == chosen.unverified_hold
    assert read({"OMS_UNVERIFIED_HOLD_SECONDS": "86400"}).unverified_hold == timedelta(minutes=30)


def test_unverified_customers_never_have_higher_limits() -> None:
    low = {"OMS_OPEN_ORDERS_LIMIT": "1", "OMS_ORDER_UNITS_LIMIT": "5", "OMS_STOCK_SHARE_LIMIT": "2"}
    chosen = read(low | {"OMS_ORDER_VALUE_LIMIT": "9.00"})

    assert chosen.unverified_order_limits == replace(chosen.order_limits, per_minute=3)


def test_the_shortest_hold_is_never_longer_than_the_hold() -> None:
    shortened = read({"OMS_HOLD_SECONDS": "600", "OMS_SHORTEST_HOLD_SECONDS": "1800"})

    assert shortened.shortest_hold == shortened.hold == timedelta(minutes=10)
    assert read({"OMS_SHORTEST_HOLD_SECONDS": "60"}).shortest_hold == timedelta(minutes=1)


def test_a_function_without_a_setting_that_it_needs_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    names = TABLES | {"EXPORT_QUEUE_URL": "", "EXPORTS_BUCKET": "", "POISON_QUEUE_URL": "https://queue"}
    with deployed_with(**names):
        require("export_queue_url")  # outside Lambda nothing is checked
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "exporter")

        require("poison_queue_url")
        with pytest.raises(MissingSettingError, match="OMS_EXPORT_QUEUE_URL, OMS_EXPORTS_BUCKET"):
            require("export_queue_url", "exports_bucket", "poison_queue_url")


def test_a_function_without_the_name_of_a_table_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its default, for tests and tools, would be a table of another name or of no stage."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "orders")
    with deployed_with(**TABLES | {"ORDERS_TABLE": ""}), pytest.raises(MissingSettingError, match=r"OMS_ORDERS_TABLE$"):
        require()


def test_a_function_with_a_wrong_setting_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "orders")
    with deployed_with(**TABLES, ORDER_SHARDS="none"), pytest.raises(ValueError, match="OMS_ORDER_SHARDS"):
        require()
