"""The settings of the stages: local (this machine), dev and prod (AWS)."""

import re
from collections.abc import Mapping
from decimal import Decimal
from importlib.resources import files
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from infra.email_addresses import is_address

# These settings weaken a protection, so that tests can shift the clock, raise a limit or skip a wait. Only the local
# stage may have them.
LOOSENING = ("clock_offset", "register_limit", "login_limit", "settle_seconds", "webhook_private_targets")

# ISO 4217's currencies in use, by the number of decimals of their amounts.
CURRENCIES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC "
    "CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD "
    "KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO "
    "NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL "
    "THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD XCG YER ZAR ZMW ZWG",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
DECIMALS = {currency: digits for digits, currencies in CURRENCIES.items() for currency in currencies.split()}
AMOUNT = re.compile(r"[0-9]{1,16}(\.[0-9]{1,10})?")
# Maxima of one amount and of an order's total, the same as in `oms.core.money`.
MAX_MINOR_UNITS = 10**12
MAX_TOTAL_MINOR_UNITS = 10**15
AMOUNT_LIMITS = {
    "shipping_max": MAX_MINOR_UNITS,
    "shipping_flat": MAX_MINOR_UNITS,
    "order_value_limit": MAX_TOTAL_MINOR_UNITS,
    "unverified_order_value_limit": MAX_TOTAL_MINOR_UNITS,
}
# The default fits only currencies whose unit is worth about one euro. Others have no maximum until it is set.
DEFAULT_SHIPPING_MAX = "1000.00"
NEAR_EURO = frozenset(["EUR", "USD", "GBP", "CHF", "CAD", "AUD", "NZD", "SGD"])
# The form of origins that browsers send: in lower case, without a path and a final slash.
ORIGIN = re.compile(r"https://[a-z0-9-]+(\.[a-z0-9-]+)*(:[0-9]{1,5})?")
PUBLIC_URL = re.compile(ORIGIN.pattern + r"(/[A-Za-z0-9._~-]+)*")
# The minimum for managers and admins, who sign in with a password alone (NIST SP 800-63B-4).
MIN_STAFF_PASSWORD_LENGTH = 15
NOT_MAILED = "none"
_IN_ASCII = "Write an international domain in ASCII, as xn--bcher-kva.example."
# An address that needs no quoting in the header From, with its domain in lower case, as SES stores verified domains.
_SENDER = re.compile(r"[A-Za-z0-9._+-]+@[^A-Z]+")
_HOST = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+")
# CloudFront takes certificates of this region only.
_CERTIFICATE = re.compile(r"arn:aws:acm:us-east-1:[0-9]{12}:certificate/[0-9a-f-]+")
DEVELOPERS_ORIGIN = re.compile(r"http://localhost:[0-9]{1,5}")


def _is_sender(address: str) -> bool:
    return _SENDER.fullmatch(address) is not None and is_address(address)


class StageError(Exception):
    """The stage or one of its settings is invalid. The message names the setting, and says what to write instead."""


def _first_error(stage: str, error: ErrorDetails) -> str:
    setting = ".".join(str(part) for part in error["loc"])
    if setting == "name":
        return f"The stage {stage!r} does not exist: use {error['ctx']['expected']}."
    if error["type"] == "extra_forbidden":
        return f"{setting!r} of the stage {stage!r} is not a setting. Correct or remove it in cdk.json."
    return f"The setting {setting!r} of the stage {stage!r} is refused: {error['msg']}. Correct it in cdk.json."


class Stage(BaseModel):
    """A stage's settings: the defaults here, overridden by `settings.<stage>` in the CDK context (cdk.json)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["local", "dev", "prod"]
    currency: str = "EUR"
    # A name of the IANA time zone database. Reports, exports, order numbers and mails use its days.
    time_zone: str = "UTC"
    hold_seconds: int = Field(1800, ge=1)
    # The sweeper checks an order's hold from this age of the order on. Before you raise `hold_seconds`, set this to the
    # old value: pending orders keep their shorter holds.
    shortest_hold_seconds: int | None = Field(None, ge=1)
    # Limits of a customer, against hoarding. Managers and admins have no limits. Open orders are pending or confirmed.
    # The limits of units and of the value of goods are for one order. The share is a percentage of a product's
    # available stock. Customers without a verified e-mail address have the lower limits.
    open_orders_limit: int = Field(10, ge=1)
    order_units_limit: int = Field(1000, ge=1)
    stock_share_limit: int = Field(100, ge=1, le=100)
    order_value_limit: str | None = None
    unverified_open_orders_limit: int = Field(3, ge=0)
    unverified_order_units_limit: int = Field(50, ge=1)
    unverified_stock_share_limit: int = Field(25, ge=1, le=100)
    unverified_order_value_limit: str | None = None
    # The hold of pending orders of unverified customers; None means `hold_seconds`.
    unverified_hold_seconds: int | None = Field(None, ge=1)
    # It must only grow: a smaller number would hide the orders of the removed shards.
    order_shards: int = Field(1, ge=1)
    # The partitions of a webhook's deliveries. It must only grow: a smaller number would hide those of removed shards.
    delivery_shards: Literal[1, 2, 4, 8, 16, 32] = 1
    # The maximum shipping cost of an order; None: see `shipping_bound`.
    shipping_max: str | None = None
    shipping_flat: str | None = None
    # http://localhost:PORT is for a developer's shop front that uses the local stage or dev.
    cors_origins: tuple[str, ...] = ()
    # Requests per second to the whole API, and their burst. API Gateway answers 429 to requests above them.
    throttle_rate: int = Field(200, ge=1)
    throttle_burst: int = Field(400, ge=1)
    # The same for each route without sign-in: those of /auth, and $default with the documents and /health. So clients
    # without sign-in cannot use up the limit of the others.
    public_throttle_rate: int = Field(50, ge=1)
    public_throttle_burst: int = Field(100, ge=1)
    # Whether the API is also available at API Gateway's own address. Without it, the API needs a custom domain.
    default_endpoint: bool = True
    # Whether a CloudFront distribution serves the back office and the API under one origin. API Gateway's own address
    # then answers only the distribution.
    console: bool = False
    # The distribution's host name, such as office.shop.example, and its certificate in us-east-1.
    console_domain: str | None = None
    console_certificate_arn: str | None = None
    # Whether a web application firewall protects the distribution; None: in prod only. See `has_web_acl`.
    console_web_acl: bool | None = None
    # Requests of one client address in five minutes, above which the firewall answers 429.
    console_web_acl_rate: int = Field(10_000, ge=10)
    # Requests per minute of one signed-in user to the whole API: a customer, and a manager or admin. 0 means no limit.
    # Up to a quarter more may pass: see docs/decisions/2026-11-30-requests-are-leased-in-tens.md.
    customer_requests_per_minute: int = Field(600, ge=0, multiple_of=10)
    manager_requests_per_minute: int = Field(6000, ge=0, multiple_of=10)
    # Whether requests without a token may read the products on sale and the categories, and caches keep the responses
    # for 30 seconds: see docs/decisions/2026-12-01-the-public-catalogue-is-cached-without-a-token.md.
    public_catalogue: bool = False
    # Such requests per minute of one client address, without those that a cache answers; 0 means no limit.
    anonymous_requests_per_minute: int = Field(600, ge=0, multiple_of=10)
    # Whether guests, who send no token, may place orders: see docs/integrate/orders-for-anyone.md. Their requests also
    # count as `anonymous_requests_per_minute`.
    guest_checkout: bool = False
    # Orders of guests from one client address in the time of a hold, `hold_seconds`.
    guest_orders_limit: int = Field(20, ge=1)
    # The functions' architecture. arm64 is cheaper for the same work; the local stage has that of its machine.
    architecture: Literal["arm64", "x86_64"] = "arm64"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    # A name of CDK's RetentionDays.
    log_retention: Literal["ONE_WEEK", "ONE_MONTH", "THREE_MONTHS", "SIX_MONTHS", "ONE_YEAR"] = "ONE_MONTH"
    # The maximum number of parallel logins, each of which needs a full core for bcrypt; None: the account's quota.
    passwords_concurrency: int | None = Field(None, ge=1)
    # The account's quota of concurrent executions in the region, L-B99A9384. An alarm watches 80 % of it.
    lambda_concurrency: int = Field(1000, ge=10)
    # Batches of a queue that are processed at once, from 2 to 1,000: see docs/operate/capacity.md.
    # Batches of one mail: two at once send about 14 mails per second, the limit of a new SES account.
    mail_concurrency: int = Field(2, ge=2, le=1000)
    # Batches of ten events for which deliveries are created.
    dispatch_concurrency: int = Field(5, ge=2, le=1000)
    # Batches of a hundred events that are added to the sums of reports, and to the customers' open orders.
    aggregate_concurrency: int = Field(2, ge=2, le=1000)
    # Batches of 50 events that are appended to the feed.
    feed_concurrency: int = Field(2, ge=2, le=1000)
    # Replays of webhooks, each with ten deliveries per second.
    replay_concurrency: int = Field(2, ge=2, le=1000)
    # Exports; each needs a core, and adds its reads to those of the shop.
    export_concurrency: int = Field(5, ge=2, le=1000)
    # Imports; each needs a core, and adds its writes to those of the shop.
    import_concurrency: int = Field(5, ge=2, le=1000)
    # Deliveries to webhooks, and separately the same number to slow subscribers.
    delivery_concurrency: int = Field(20, ge=2, le=1000)
    # The time for which no one can change or remove an anchor of the audit log's chain.
    audit_lock_days: int = Field(365, ge=1, le=36_500)
    # The retention of daily backups of all tables; None: no backups except point-in-time recovery.
    backup_days: int | None = Field(None, ge=1, le=36_500)
    # The region to which each backup is copied, into an existing vault: see docs/operate/restoring.md.
    backup_copy_region: str | None = Field(None, pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")
    # The address to which alarms are mailed, or "none" to mail no one. `prod` requires one of the two.
    alarm_email: str | None = None
    # The time for which a new version of an HTTP function gets a tenth of the requests, before it gets all.
    canary_minutes: Literal[5, 10, 15, 30] | None = None
    # The shop front's address. Links in mails lead to its pages /reset-password, /verify-email and
    # /take-back-email.
    public_url: str | None = None
    # The sender of all mail. SES must have verified it or its domain. Without a sender, no mail is sent.
    mail_from: str | None = None
    # Mails to unverified addresses of all users together. Mails above the limit are not sent.
    unverified_mails_per_day: int = Field(2000, ge=1)
    # E-mail addresses of managers and admins who receive the daily report of orders.
    daily_report_to: tuple[str, ...] = Field((), max_length=20)
    clock_offset: int | None = None
    # Minimum lengths of new passwords, in characters. For managers and admins it is at least 15, except in the local
    # stage, whose demo accounts have shorter passwords.
    password_min_length: int = Field(8, ge=8, le=64)
    staff_password_min_length: int = Field(15, ge=8, le=64)
    register_limit: int | None = Field(None, ge=1)
    login_limit: int | None = Field(None, ge=1)
    settle_seconds: int | None = Field(None, ge=1)
    webhook_private_targets: bool | None = None

    @property
    def is_local(self) -> bool:
        return self.name == "local"

    @property
    def alarm_address(self) -> str | None:
        return None if self.alarm_email == NOT_MAILED else self.alarm_email

    @property
    def has_web_acl(self) -> bool:
        return self.console and (self.name == "prod" if self.console_web_acl is None else self.console_web_acl)

    @property
    def shipping_bound(self) -> str | None:
        """The maximum shipping cost of an order, or None for no maximum."""
        return self.shipping_max or (DEFAULT_SHIPPING_MAX if self.currency in NEAR_EURO else None)

    @property
    def metrics_namespace(self) -> str:
        """The namespace of the functions' metrics, which separates the stages of one account."""
        return f"Oms/{self.name}"

    @classmethod
    def named(cls, name: str, settings: Mapping[str, Any]) -> Self:
        try:
            stage = cls(**{**settings, "name": name})
        except ValidationError as error:
            raise StageError(_first_error(name, error.errors()[0])) from error
        stage._refuse_loosening()
        stage._refuse_short_passwords()
        stage._refuse_unknown_money()
        stage._refuse_unknown_time_zone()
        stage._refuse_incomplete_origins()
        stage._refuse_incomplete_mail()
        stage._refuse_incomplete_backups()
        stage._refuse_local_canary()
        stage._refuse_local_without_endpoint()
        stage._refuse_incomplete_console()
        stage._refuse_longer_unverified_hold()
        stage._refuse_missing_alarm_address()
        return stage

    def _refuse_loosening(self) -> None:
        for setting in LOOSENING:
            if not self.is_local and getattr(self, setting) is not None:
                raise StageError(
                    f"The setting {setting!r} is refused in {self.name!r}: it is for the stage 'local' only. Remove it."
                )

    def _refuse_short_passwords(self) -> None:
        if not self.is_local and self.staff_password_min_length < MIN_STAFF_PASSWORD_LENGTH:
            raise StageError(
                f"The setting 'staff_password_min_length' is refused in {self.name!r}: it must be at least "
                f"{MIN_STAFF_PASSWORD_LENGTH}. Only the stage 'local' may have a shorter length."
            )

    def _refuse_unknown_money(self) -> None:
        """Refuses an unknown currency and invalid amounts.

        The functions refuse them too, but only when they start; then every request gets a 500.
        """
        if self.currency not in DECIMALS:
            raise StageError(
                f"The setting 'currency' is refused: {self.currency!r} is not the ISO 4217 code of a currency. "
                "Write a code such as EUR."
            )
        digits = DECIMALS[self.currency]
        for setting, limit in AMOUNT_LIMITS.items():
            amount = getattr(self, setting)
            if amount is None:
                continue
            minor = Decimal(amount).scaleb(digits) if AMOUNT.fullmatch(amount) else None
            if minor is None or minor % 1:
                raise StageError(
                    f"The setting {setting!r} is refused: {amount!r} is not an amount of {self.currency}, "
                    f"which has {digits} decimals. Write digits and a decimal point only, such as 1000.00."
                )
            if minor > limit:
                raise StageError(
                    f"The setting {setting!r} is refused: {amount} is more than "
                    f"{Decimal(limit).scaleb(-digits):f} {self.currency}, the maximum. Write a smaller amount."
                )

    def _refuse_unknown_time_zone(self) -> None:
        # The functions use the zones of the same package.
        if self.time_zone not in files("tzdata").joinpath("zones").read_text().split():
            raise StageError(
                f"The setting 'time_zone' is refused: {self.time_zone!r} is not a name of the IANA time zone database. "
                "Write a name such as Europe/Berlin."
            )

    def _refuse_incomplete_mail(self) -> None:
        if self.public_url is not None:
            local = self.name != "prod" and DEVELOPERS_ORIGIN.fullmatch(self.public_url)
            if not local and not PUBLIC_URL.fullmatch(self.public_url):
                raise StageError(
                    f"The setting 'public_url' is refused: {self.public_url!r} must have the form https://host, or "
                    "https://host/path without a final slash."
                )
        if self.mail_from is not None and not _is_sender(self.mail_from):
            raise StageError(
                f"The setting 'mail_from' is refused: {self.mail_from!r} must have the form shop@example.com. "
                f"{_IN_ASCII}"
            )
        if self.mail_from and not self.public_url:
            raise StageError("The setting 'mail_from' needs 'public_url', with which links in mails begin. Set both.")
        if self.daily_report_to and not self.mail_from:
            raise StageError("The setting 'daily_report_to' needs 'mail_from', the sender of the mails. Set both.")
        for address in self.daily_report_to:
            if not is_address(address):
                raise StageError(
                    f"The setting 'daily_report_to' is refused: {address!r} must have the form ada@example.com. "
                    f"{_IN_ASCII}"
                )

    def _refuse_missing_alarm_address(self) -> None:
        if self.name == "prod" and self.alarm_email is None:
            raise StageError(
                "The stage 'prod' needs the setting 'alarm_email' in cdk.json: write the address to which alarms are "
                f"mailed, or {NOT_MAILED!r} to mail no one."
            )
        if self.alarm_address is not None and not is_address(self.alarm_address):
            raise StageError(
                f"The setting 'alarm_email' is refused: {self.alarm_address!r} is not an e-mail address. Write an "
                f"address, or {NOT_MAILED!r}. {_IN_ASCII}"
            )

    def _refuse_local_without_endpoint(self) -> None:
        if self.is_local and not self.default_endpoint:
            raise StageError(
                "The setting 'default_endpoint' is refused in 'local', which has no custom domain. Remove it."
            )

    def _refuse_incomplete_console(self) -> None:
        if self.is_local and self.console:
            raise StageError(
                "The setting 'console' is refused in 'local': the local cloud has no CloudFront, and its front door "
                "serves the back office. Remove it."
            )
        for setting in ("console_domain", "console_certificate_arn", "console_web_acl"):
            if getattr(self, setting) and not self.console:
                raise StageError(f"The setting {setting!r} needs 'console', whose distribution it is for. Set both.")
        if self.console and not self.default_endpoint:
            raise StageError(
                "The settings 'console' and 'default_endpoint': false exclude each other: the distribution calls API "
                "Gateway's own address, which answers no one else. Remove 'default_endpoint'."
            )
        if (self.console_domain is None) != (self.console_certificate_arn is None):
            raise StageError(
                "The settings 'console_domain' and 'console_certificate_arn' need each other: a distribution has a "
                "domain only with its certificate. Set both, or remove both."
            )
        if self.console_domain is not None and not _HOST.fullmatch(self.console_domain):
            raise StageError(
                f"The setting 'console_domain' is refused: {self.console_domain!r} must be a host name in lower case, "
                f"such as office.shop.example. {_IN_ASCII}"
            )
        if self.console_certificate_arn is not None and not _CERTIFICATE.fullmatch(self.console_certificate_arn):
            raise StageError(
                f"The setting 'console_certificate_arn' is refused: {self.console_certificate_arn!r} is not the ARN of "
                "a certificate of ACM in us-east-1, the only region whose certificates CloudFront takes. Request one "
                "there: arn:aws:acm:us-east-1:ACCOUNT:certificate/ID."
            )

    def _refuse_longer_unverified_hold(self) -> None:
        if self.unverified_hold_seconds and self.unverified_hold_seconds > self.hold_seconds:
            raise StageError(
                "The setting 'unverified_hold_seconds' is refused: it is more than 'hold_seconds'. Write a smaller one."
            )

    def _refuse_incomplete_backups(self) -> None:
        if self.backup_copy_region and self.backup_days is None:
            raise StageError(
                "The setting 'backup_copy_region' needs 'backup_days', without which there is no backup. Set both."
            )
        if self.backup_days is not None and self.is_local:
            raise StageError(
                "The setting 'backup_days' is refused in 'local': the local cloud has no AWS Backup. Remove it."
            )

    def _refuse_local_canary(self) -> None:
        if self.canary_minutes is not None and self.is_local:
            raise StageError(
                "The setting 'canary_minutes' is refused in 'local': its functions have no versions. Remove it."
            )

    def _refuse_incomplete_origins(self) -> None:
        for origin in self.cors_origins:
            local = self.name != "prod" and DEVELOPERS_ORIGIN.fullmatch(origin)
            if not local and not ORIGIN.fullmatch(origin):
                raise StageError(
                    f"The setting 'cors_origins' is refused: the origin {origin!r} must have the form https://host, "
                    "without a path."
                )
