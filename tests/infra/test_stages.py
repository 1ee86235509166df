"""The settings that a stage may have, and the synthesis that rejects all others."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_sqs as sqs
from hypothesis import example, given
from hypothesis import strategies as st

from infra.checks import check
from infra.email_addresses import is_address
from infra.functions import order_limits
from infra.stages import DECIMALS, LOOSENING, MAX_MINOR_UNITS, MAX_TOTAL_MINOR_UNITS, NEAR_EURO, Stage, StageError
from oms.core import email_addresses, money, settings
from tests.support.deployment import deployed_with
from tests.support.template import EVERY_SETTING, Synthesized

ROOT = Path(__file__).resolve().parents[2]
HEARD = {"alarm_email": "ops@shop.example"}
MAILING = {"public_url": "https://shop.example", "mail_from": "shop@shop.example"}


@pytest.mark.parametrize("setting", LOOSENING)
@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_a28_a_loosening_setting_is_refused_outside_the_local_stage(stage: str, setting: str) -> None:
    with pytest.raises(StageError, match=f"'{setting}' is refused in '{stage}'"):
        Stage.named(stage, {setting: 1})


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_a28_short_passwords_of_managers_and_admins_are_for_the_local_stage(stage: str) -> None:
    with pytest.raises(
        StageError, match=f"'staff_password_min_length' is refused in '{stage}': it must be at least 15"
    ):
        Stage.named(stage, {**HEARD, "staff_password_min_length": 14})

    assert Stage.named(stage, {**HEARD, "staff_password_min_length": 15})
    assert Stage.named("local", {"staff_password_min_length": 8})


def test_a28_the_synth_ends_with_one_sentence_and_no_template(tmp_path: Path) -> None:
    context = {"stage": "prod", "settings": {"prod": {"clock_offset": 3600}}}
    result = subprocess.run(
        [sys.executable, "-m", "infra.app"],
        cwd=ROOT,
        env={**os.environ, "CDK_CONTEXT_JSON": json.dumps(context), "CDK_OUTDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 1
    assert result.stderr.strip() == (
        "The setting 'clock_offset' is refused in 'prod': it is for the stage 'local' only. Remove it."
    )
    assert not list(tmp_path.glob("*.template.json"))


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"public_url": "http://shop.example"}, "public_url"),
        ({"public_url": "https://shop.example/"}, "public_url"),
        ({"public_url": "https://shop.example/#x"}, "public_url"),
        ({"public_url": "http://localhost:5000"}, "public_url"),
        ({"public_url": "https://shop.example", "mail_from": "Shop <shop@shop.example>"}, "mail_from"),
        ({"public_url": "https://shop.example", "mail_from": "shop"}, "mail_from"),
        ({"mail_from": "shop@shop.example"}, "'mail_from' needs 'public_url'"),
        ({"daily_report_to": ["ada@shop.example"]}, "'daily_report_to' needs 'mail_from'"),
        ({**MAILING, "daily_report_to": ["Ada <ada@shop.example>"]}, "daily_report_to"),
        ({**MAILING, "daily_report_to": ["ada@shop.example,bob@shop.example"]}, "daily_report_to"),
        ({**MAILING, "daily_report_to": ["ada"]}, "daily_report_to"),
        ({**MAILING, "daily_report_to": ["\u212aim@shop.example"]}, "daily_report_to"),
        ({**MAILING, "daily_report_to": ["ada@bücher.example"]}, "in ASCII, as xn--"),
        ({**MAILING, "mail_from": "shop@bücher.example"}, "mail_from"),
        ({"alarm_email": "ops@bücher.example"}, "alarm_email"),
        (
            {**MAILING, "daily_report_to": ["a..b@shop.example"]},
            "'a..b@shop.example' must have the form ada@example.com",
        ),
        ({**MAILING, "daily_report_to": [".ada@shop.example"]}, "daily_report_to"),
        ({**MAILING, "daily_report_to": ["ada.@shop.example"]}, "daily_report_to"),
        ({**MAILING, "daily_report_to": ["ada@xn--a.example"]}, "daily_report_to"),
        ({**MAILING, "daily_report_to": [f"ada@{'e' * 64}.example"]}, "daily_report_to"),
        ({**MAILING, "daily_report_to": [f"ada@{'.'.join(['e' * 60] * 5)}"]}, "daily_report_to"),
        ({**MAILING, "mail_from": "a..b@shop.example"}, "mail_from"),
        ({**MAILING, "mail_from": "shop@xn--a.example"}, "mail_from"),
        ({**MAILING, "mail_from": f"shop@{'e' * 64}.example"}, "mail_from"),
        ({**MAILING, "mail_from": "o'brien@shop.example"}, "mail_from"),
        ({**MAILING, "mail_from": "shop@Shop.example"}, "mail_from"),
        ({"alarm_email": "a..b@shop.example"}, "'alarm_email' is refused: 'a..b@shop.example' is not an e-mail"),
        ({"alarm_email": ".ops@shop.example"}, "alarm_email"),
        ({"alarm_email": "ops@xn--a.example"}, "alarm_email"),
        ({"alarm_email": f"ops@{'e' * 64}.example"}, "alarm_email"),
        ({"alarm_email": ""}, "alarm_email"),
        ({**MAILING, "daily_report_to": [f"m{it}@shop.example" for it in range(21)]}, "daily_report_to"),
    ],
)
def test_mail_that_could_not_be_sent_or_followed_is_refused(settings: dict[str, Any], what: str) -> None:
    with pytest.raises(StageError, match=what):
        Stage.named("prod", settings)


def _is_canonical(text: str) -> bool:
    """Whether the functions accept the address, and change at most upper case in its domain."""
    try:
        form = email_addresses.canonical(text)
    except ValueError:
        return False
    local, _, domain = text.rpartition("@")
    return form == f"{local}@{domain.lower()}"


_PARTS = st.sampled_from(
    [*"aZ0.-_+'@ ", "..", "xn--", "xn--bcher-kva", "XN--STRAE-OQA", "a--b", "ü", "\u0131", "e" * 62]
)
_SIDES = st.lists(_PARTS, max_size=6).map("".join)


@given(_SIDES, _SIDES, st.sampled_from(["", ".example", "."]))
@example("ada", "xn--bcher-kva", ".example")
@example("ada", "xn--a", ".example")
@example("a" * 64, "shop", ".example")
@example("a" * 65, "shop", ".example")
def test_an_address_of_the_settings_is_one_that_the_functions_take(local: str, domain: str, end: str) -> None:
    text = f"{local}@{domain}{end}"

    assert is_address(text) == _is_canonical(text)


def test_cfn_lint_checks_a_template_with_every_setting() -> None:
    assert EVERY_SETTING.keys() == Stage.model_fields.keys() - {"name", *LOOSENING}
    assert Stage.named("prod", EVERY_SETTING)


def test_links_in_mails_may_lead_below_a_path() -> None:
    assert Stage.named("prod", {**HEARD, "public_url": "https://shop.example/account"}).public_url
    assert Stage.named("local", {"public_url": "http://localhost:5000"}).public_url


def test_prod_says_to_whom_alarms_are_mailed_or_that_no_one_is() -> None:
    with pytest.raises(StageError, match=r"'prod' needs the setting 'alarm_email' in cdk\.json"):
        Stage.named("prod", {})
    with pytest.raises(StageError, match="'ops' is not an e-mail address"):
        Stage.named("prod", {"alarm_email": "ops"})

    assert Stage.named("prod", HEARD).alarm_address == "ops@shop.example"
    assert Stage.named("prod", {"alarm_email": "none"}).alarm_address is None
    assert Stage.named("dev", {}).alarm_address is None


def test_no_two_stages_share_their_metrics() -> None:
    spaces = [Stage.named(name, HEARD).metrics_namespace for name in ("local", "dev", "prod")]

    assert len(set(spaces)) == 3


def test_loosening_settings_reach_the_functions_of_the_local_stage(local: Synthesized, prod: Synthesized) -> None:
    names = {
        "OMS_CLOCK_OFFSET",
        "OMS_REGISTER_LIMIT",
        "OMS_LOGIN_LIMIT",
        "OMS_SETTLE_SECONDS",
        "OMS_WEBHOOK_PRIVATE_TARGETS",
    }
    environments = {name: function["Environment"]["Variables"] for name, function in local.functions().items()}

    assert all(environment["OMS_CLOCK_OFFSET"] == "60" for environment in environments.values())
    assert environments["Passwords"]["OMS_LOGIN_LIMIT"] == "9"
    assert environments["Admin"]["OMS_SETTLE_SECONDS"] == "5"
    assert environments["Webhooks"]["OMS_WEBHOOK_PRIVATE_TARGETS"] == "true"
    assert not [
        name for function in prod.functions().values() for name in function["Environment"]["Variables"] if name in names
    ]


def test_the_limit_of_open_orders_is_ten_and_a_deployments_choice(prod: Synthesized, local: Synthesized) -> None:
    for synthesized in (prod, local):
        environments = {name: it["Environment"]["Variables"] for name, it in synthesized.functions().items()}
        limits = {name: it.get("OMS_OPEN_ORDERS_LIMIT") for name, it in environments.items()}
        assert {name: limit for name, limit in limits.items() if limit} == {"Orders": "10", "Importer": "10"}
    assert Stage.named("prod", {**HEARD, "open_orders_limit": 500}).open_orders_limit == 500


def test_each_limit_of_orders_is_a_deployments_choice() -> None:
    chosen = {**HEARD, **{name: value for name, value in EVERY_SETTING.items() if name.endswith("_limit")}}
    stage = Stage.named("prod", chosen)

    environment = {name: str(value) for name, value in order_limits(stage).items()}
    read = settings.read(environment)

    assert len(environment) == 8, "each setting is given to the function"
    assert read.order_limits == settings.OrderLimits(100, None, 500, 50, 500_000)
    assert read.unverified_order_limits == settings.OrderLimits(1, 1, 20, 10, 25_000)


def test_the_functions_limits_are_the_stages_by_default() -> None:
    assert settings.read(order_limits(Stage.named("prod", HEARD))) == settings.read({})


@pytest.mark.parametrize(
    ("stage", "settings", "message"),
    [
        ("dev", {"curency": "EUR"}, "'curency'"),
        ("dev", {"order_shards": 0}, "'order_shards'"),
        ("dev", {"delivery_shards": 12}, "'delivery_shards'"),
        ("dev", {"open_orders_limit": 0}, "'open_orders_limit'"),
        ("dev", {"unverified_open_orders_limit": -1}, "'unverified_open_orders_limit'"),
        ("dev", {"guest_orders_limit": 0}, "'guest_orders_limit'"),
        ("dev", {"stock_share_limit": 101}, "'stock_share_limit'"),
        ("dev", {"customer_requests_per_minute": 15}, "'customer_requests_per_minute'"),
        ("dev", {"manager_requests_per_minute": -10}, "'manager_requests_per_minute'"),
        ("dev", {"public_throttle_rate": 0}, "'public_throttle_rate'"),
        ("local", {"default_endpoint": False}, "'default_endpoint' is refused in 'local'"),
        ("dev", {"order_value_limit": "10.005"}, "'order_value_limit'"),
        ("dev", {"unverified_order_value_limit": "none"}, "'unverified_order_value_limit'"),
        ("dev", {"unverified_hold_seconds": 3600}, "'unverified_hold_seconds'"),
        ("dev", {"currency": "Euro"}, "'currency'"),
        ("dev", {"currency": "XXX"}, "'currency'"),
        ("dev", {"time_zone": "Berlin"}, "'time_zone'.* as Europe/Berlin"),
        ("dev", {"time_zone": "europe/berlin"}, "'time_zone'"),
        ("dev", {"time_zone": "+01:00"}, "'time_zone'"),
        ("dev", {"time_zone": ""}, "'time_zone'"),
        ("dev", {"shipping_max": "1e3"}, "'shipping_max'"),
        ("dev", {"shipping_max": "-1.00"}, "'shipping_max'"),
        ("dev", {"shipping_max": "10.005"}, "'shipping_max'"),
        ("dev", {"shipping_flat": "4,90"}, "'shipping_flat'"),
        ("dev", {"shipping_flat": ""}, "'shipping_flat'"),
        ("dev", {"currency": "JPY", "shipping_flat": "4.90"}, "'shipping_flat'"),
        ("dev", {"currency": "JPY", "shipping_max": "0.5"}, "'shipping_max'.* has 0 decimals"),
        ("dev", {"currency": "JPY", "order_value_limit": "0.5"}, "'order_value_limit'.* has 0 decimals"),
        ("dev", {"currency": "KWD", "unverified_order_value_limit": "0.0005"}, "'unverified_order_value_limit'"),
        ("dev", {"currency": "KWD", "shipping_flat": "1000000000.001"}, "more than 1000000000.000 KWD"),
        ("dev", {"currency": "JPY", "shipping_max": "1000000000001"}, "more than 1000000000000 JPY"),
        ("dev", {"currency": "IRR", "shipping_max": "10000000000.01"}, "more than 10000000000.00 IRR"),
        ("dev", {"currency": "IRR", "order_value_limit": "10000000000000.01"}, "more than 10000000000000.00 IRR"),
        ("dev", {"currency": "JPY", "unverified_order_value_limit": "1000000000000001"}, "than 1000000000000000 JPY"),
        ("dev", {"log_retention": "FOREVER"}, "'log_retention'"),
        ("local", {"canary_minutes": 10}, "'canary_minutes' is refused in 'local'"),
        ("staging", {}, "The stage 'staging' does not exist: use 'local', 'dev' or 'prod'"),
        ("dev", {"curency": "EUR"}, "'curency' of the stage 'dev' is not a setting"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(stage: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(StageError, match=message):
        Stage.named(stage, settings)


@pytest.mark.parametrize(
    ("currency", "amount"), [("EUR", "4.9"), ("EUR", "1000"), ("JPY", "500"), ("KWD", "1.505"), ("CLF", "0.0001")]
)
def test_an_amount_has_at_most_the_currencys_decimals(currency: str, amount: str) -> None:
    stage = Stage.named("dev", {"currency": currency, "shipping_max": amount, "shipping_flat": amount})

    assert (stage.shipping_max, stage.shipping_flat) == (amount, amount)


@pytest.mark.parametrize("currency", DECIMALS)
def test_the_value_of_orders_may_be_limited_to_all_that_an_order_may_cost(currency: str) -> None:
    with deployed_with(CURRENCY=currency):
        most = money.to_text(money.MAX_TOTAL_MINOR_UNITS)
    limits = {"order_value_limit": most, "unverified_order_value_limit": most}

    stage = Stage.named("dev", {"currency": currency, **limits})

    read = settings.read({"OMS_CURRENCY": currency, **order_limits(stage)})
    assert (read.order_limits.value, read.unverified_order_limits.value) == (money.MAX_TOTAL_MINOR_UNITS,) * 2


def test_amounts_are_bounded_as_those_of_requests_and_orders() -> None:
    assert (MAX_MINOR_UNITS, MAX_TOTAL_MINOR_UNITS) == (money.MAX_MINOR_UNITS, money.MAX_TOTAL_MINOR_UNITS)


@pytest.mark.parametrize("currency", DECIMALS)
def test_the_functions_read_every_currency_as_the_stage_does(currency: str) -> None:
    stage = Stage.named("dev", {"currency": currency})

    read = settings.read({"OMS_CURRENCY": stage.currency, "OMS_SHIPPING_MAX": stage.shipping_bound or ""})

    assert read.currency_digits == DECIMALS[currency]
    assert (read.shipping_max is None) == (currency not in NEAR_EURO)


@pytest.mark.parametrize(("currency", "bound"), [("EUR", "1000.00"), ("USD", "1000.00"), ("JPY", None), ("KWD", None)])
def test_shipping_is_bounded_by_default_only_where_the_bound_makes_sense(currency: str, bound: str | None) -> None:
    assert Stage.named("dev", {"currency": currency}).shipping_bound == bound
    assert Stage.named("dev", {"currency": currency, "shipping_max": "7000"}).shipping_bound == "7000"


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "https://*.shop.example",
        "https://shop.example/",
        "https://shop.example/cart",
        "https://SHOP.example",
        "https://user@shop.example",
        "https://shop.example:port",
        "https://",
        "http://shop.example",
        "http://localhost",
        "http://localhost:3000/",
        "http://localhost:3000.evil.example",
    ],
)
def test_a17_an_origin_that_is_not_exact_is_refused(origin: str) -> None:
    with pytest.raises(StageError, match=re.escape(repr(origin))):
        Stage.named("dev", {"cors_origins": [origin]})


def test_a_developers_origin_is_for_every_stage_but_prod() -> None:
    origins = ["https://shop.example", "https://shop.example:8443", "http://localhost:3000"]

    assert Stage.named("dev", {"cors_origins": origins}).cors_origins == tuple(origins)
    with pytest.raises(StageError, match="http://localhost:3000"):
        Stage.named("prod", {"cors_origins": origins})


def test_an_unacknowledged_finding_fails_the_synth(tmp_path: Path) -> None:
    app = cdk.App(outdir=str(tmp_path))
    stack = cdk.Stack(app, "Careless")
    sqs.Queue(stack, "QueueWithoutDeadLetters")
    check(app)

    with pytest.raises(RuntimeError, match="QueueWithoutDeadLetters"):
        app.synth()


def test_the_settings_page_has_each_setting_with_its_default() -> None:
    _, _, section = (ROOT / "docs/operate/deploying.md").read_text().partition("\n## Settings\n")
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (.+?) \| ", section, re.MULTILINE)
    documented = {}
    for names, defaults in rows:
        settings = re.findall(r"`(\w+)`", names)
        # Of several settings in a row, each has its own default.
        values = defaults.split(", ") if len(settings) > 1 else [defaults]
        documented |= dict(zip(settings, values, strict=True))

    fields = {name: it for name, it in Stage.model_fields.items() if name != "name" and name not in LOOSENING}
    assert documented.keys() == fields.keys()
    defaults = {name: it.default for name, it in fields.items()}
    assert {name: documented[name].strip("`") for name, default in defaults.items() if default not in (None, ())} == {
        name: str(default).lower() if isinstance(default, bool) else str(default)
        for name, default in defaults.items()
        if default not in (None, ())
    }
