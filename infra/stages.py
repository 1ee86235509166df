"""What differs between the stages: local (this machine), dev and prod (AWS)."""

import re
from collections.abc import Mapping
from decimal import Decimal
from importlib.resources import files
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from infra.email_addresses import is_address

# These weaken a protection so that tests can move time, skip a limit or a wait. Only the local cloud may have them.
LOOSENING = ("clock_offset", "register_limit", "login_limit", "settle_seconds", "webhook_private_targets")

# ISO 4217's currencies in use, by how many decimals an amount has.
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
# The most that an amount and that an order may be, in minor units: the API takes no more (`oms.core.money`).
MAX_MINOR_UNITS = 10**12
MAX_TOTAL_MINOR_UNITS = 10**15
AMOUNTS = {
    "shipping_max": MAX_MINOR_UNITS,
    "shipping_flat": MAX_MINOR_UNITS,
    "order_value_limit": MAX_TOTAL_MINOR_UNITS,
    "unverified_order_value_limit": MAX_TOTAL_MINOR_UNITS,
}
# A bound on shipping that only fits currencies whose unit is worth about a euro; others have none until it is set.
DEFAULT_SHIPPING_MAX = "1000.00"
NEAR_EURO = frozenset(["EUR", "USD", "GBP", "CHF", "CAD", "AUD", "NZD", "SGD"])
# As browsers send it: in lower case, without a path, not even a slash.
ORIGIN = re.compile(r"https://[a-z0-9-]+(\.[a-z0-9-]+)*(:[0-9]{1,5})?")
PUBLIC_URL = re.compile(ORIGIN.pattern + r"(/[A-Za-z0-9._~-]+)*")
# The least for managers and admins, who sign in with a password alone (NIST SP 800-63B-4).
STAFF_PASSWORD = 15
NOT_MAILED = "none"
_IN_ASCII = "Write an international domain in ASCII, as xn--bcher-kva.example."
# Of what an address may have, what needs no quoting in the header From, and a domain as SES has it verified.
_SENDER = re.compile(r"[A-Za-z0-9._+-]+@[^A-Z]+")
DEVELOPERS_ORIGIN = re.compile(r"http://localhost:[0-9]{1,5}")


def _is_sender(address: str) -> bool:
    return _SENDER.fullmatch(address) is not None and is_address(address)


class StageError(Exception):
    """The stage or one of its settings is refused; the message says which."""


class Stage(BaseModel):
    """A stage's settings: the defaults here, changed by `settings.<stage>` in the CDK context (cdk.json)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["local", "dev", "prod"]
    currency: str = "EUR"
    # A name of the IANA database: where the days of reports, exports, order numbers and mails begin.
    time_zone: str = "UTC"
    hold_seconds: int = Field(1800, ge=1)
    # The sweeper looks no later than this after an order's creation: set it before the hold is made longer.
    shortest_hold_seconds: int | None = Field(None, ge=1)
    # Limits of a customer, against hoarding; managers and admins have none. Open orders are those that hold stock,
    # pending or confirmed; the units are those of an order, the share is of a product's available stock in percent,
    # the value is that of an order's goods. Customers whose e-mail address is not verified have the lower ones.
    open_orders_limit: int = Field(10, ge=1)
    order_units_limit: int = Field(1000, ge=1)
    stock_share_limit: int = Field(100, ge=1, le=100)
    order_value_limit: str | None = None
    unverified_open_orders_limit: int = Field(3, ge=0)
    unverified_order_units_limit: int = Field(50, ge=1)
    unverified_stock_share_limit: int = Field(25, ge=1, le=100)
    unverified_order_value_limit: str | None = None
    # How long their pending orders hold stock; None is as long as all others.
    unverified_hold_seconds: int | None = Field(None, ge=1)
    # Only ever grows: a smaller number would hide the orders of the shards that are left out.
    order_shards: int = Field(1, ge=1)
    # None is `DEFAULT_SHIPPING_MAX` in a currency near the euro, and no bound in any other: see `shipping_bound`.
    shipping_max: str | None = None
    shipping_flat: str | None = None
    # http://localhost:PORT is for a developer's shop front, before the local stage or dev.
    cors_origins: tuple[str, ...] = ()
    # Requests a second over the whole API, and the burst above it; more is the gateway's 429.
    throttle_rate: int = Field(200, ge=1)
    throttle_burst: int = Field(400, ge=1)
    # The same for each route that needs no sign-in: those of /auth, and $default with the documents and /health. So
    # clients that are not signed in do not use up what the others need.
    public_throttle_rate: int = Field(50, ge=1)
    public_throttle_burst: int = Field(100, ge=1)
    # Whether the API answers at API Gateway's own address too. Without, there has to be a domain of one's own.
    default_endpoint: bool = True
    # Requests of one signed-in user in a minute over the whole API, of a customer and of a manager or admin; 0 is no
    # limit. Up to a quarter more pass: see docs/decisions/2026-11-30-requests-are-leased-in-tens.md.
    customer_requests_per_minute: int = Field(600, ge=0, multiple_of=10)
    manager_requests_per_minute: int = Field(6000, ge=0, multiple_of=10)
    # Of the functions. arm64 is cheaper for the same work; the local stage has that of the machine.
    architecture: Literal["arm64", "x86_64"] = "arm64"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    # A name of CDK's RetentionDays.
    log_retention: Literal["ONE_WEEK", "ONE_MONTH", "THREE_MONTHS", "SIX_MONTHS", "ONE_YEAR"] = "ONE_MONTH"
    # Caps how many logins run at once, each a full core of bcrypt; None leaves it to the account's limit.
    passwords_concurrency: int | None = Field(None, ge=1)
    # The account's quota of concurrent executions in the region, L-B99A9384: at 80 % of it there is an alarm.
    lambda_concurrency: int = Field(1000, ge=10)
    # How many batches of a queue are processed at once: see docs/operate/capacity.md. SQS takes 2 to 1,000.
    # Mails, one each: two are about the 14 a second that SES gives a new account.
    mail_concurrency: int = Field(2, ge=2, le=1000)
    # Ten events each, to become deliveries.
    dispatch_concurrency: int = Field(5, ge=2, le=1000)
    # Replays of webhooks, each with ten deliveries a second.
    replay_concurrency: int = Field(2, ge=2, le=1000)
    # Exports that are written at once; each takes a core, and its reads come on top of what the shop does.
    export_concurrency: int = Field(5, ge=2, le=1000)
    # How many deliveries to webhooks are attempted at once, and as many again of subscribers that are slow.
    delivery_concurrency: int = Field(20, ge=2, le=1000)
    # So long nobody can change or remove what tells how far the chain of the audit log went.
    audit_lock_days: int = Field(365, ge=1, le=36_500)
    # Daily backups of all tables are kept so long; None: there are none beside point-in-time recovery.
    backup_days: int | None = Field(None, ge=1, le=36_500)
    # Where a copy of each of them goes, into a vault that is there: see docs/operate/restoring.md.
    backup_copy_region: str | None = Field(None, pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")
    # Where alarms are mailed to; "none" says that no one is mailed. `prod` has to say one of the two.
    alarm_email: str | None = None
    # So long a new version of what answers HTTP gets a tenth of the requests before it gets all of them.
    canary_minutes: Literal[5, 10, 15, 30] | None = None
    # Where the links in mails lead: the shop front's pages /reset-password and /verify-email.
    public_url: str | None = None
    # The sender of all mail, verified in SES, itself or by its domain; without one no mail is sent.
    mail_from: str | None = None
    # To addresses that are not verified, of all users together; what is over it is not sent.
    unverified_mails_per_day: int = Field(2000, ge=1)
    # Managers and admins, by their addresses, who are mailed of the orders of each day.
    daily_report_to: tuple[str, ...] = Field((), max_length=20)
    clock_offset: int | None = None
    # Of new passwords, in characters; 15 and more for managers and admins everywhere but in the local stage, whose demo
    # accounts have shorter ones.
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
    def shipping_bound(self) -> str | None:
        """The most that a customer may say the shipping costs."""
        return self.shipping_max or (DEFAULT_SHIPPING_MAX if self.currency in NEAR_EURO else None)

    @property
    def metrics_namespace(self) -> str:
        """Of the metrics that functions emit: two stages of one account are apart."""
        return f"Oms/{self.name}"

    @classmethod
    def named(cls, name: str, settings: Mapping[str, Any]) -> Self:
        try:
            stage = cls(**{**settings, "name": name})
        except ValidationError as error:
            first = error.errors()[0]
            setting = ".".join(str(part) for part in first["loc"])
            raise StageError(f"The setting {setting!r} of the stage {name!r} is refused: {first['msg']}.") from error
        stage._refuse_loosening()
        stage._refuse_short_passwords()
        stage._refuse_unknown_money()
        stage._refuse_unknown_time_zone()
        stage._refuse_vague_origins()
        stage._refuse_useless_mail()
        stage._refuse_useless_backups()
        stage._refuse_local_canary()
        stage._refuse_local_without_endpoint()
        stage._refuse_longer_unverified_hold()
        stage._refuse_unheard_alarms()
        return stage

    def _refuse_loosening(self) -> None:
        for setting in LOOSENING:
            if not self.is_local and getattr(self, setting) is not None:
                raise StageError(f"The setting {setting!r} is refused in {self.name!r}: it is for the stage 'local'.")

    def _refuse_short_passwords(self) -> None:
        if not self.is_local and self.staff_password_min_length < STAFF_PASSWORD:
            raise StageError(
                f"The setting 'staff_password_min_length' is refused in {self.name!r}: it must be at least "
                f"{STAFF_PASSWORD}. A shorter one is for the stage 'local'."
            )

    def _refuse_unknown_money(self) -> None:
        """What the functions would refuse too, but only when they start, and then each of their answers is a 500."""
        if self.currency not in DECIMALS:
            raise StageError(f"The setting 'currency' is refused: {self.currency!r} is not an ISO 4217 code as EUR.")
        digits = DECIMALS[self.currency]
        for setting, most in AMOUNTS.items():
            amount = getattr(self, setting)
            if amount is None:
                continue
            minor = Decimal(amount).scaleb(digits) if AMOUNT.fullmatch(amount) else None
            if minor is None or minor % 1:
                raise StageError(
                    f"The setting {setting!r} is refused: {amount!r} is not an amount of {self.currency}, "
                    f"which has {digits} decimals."
                )
            if minor > most:
                raise StageError(
                    f"The setting {setting!r} is refused: {amount} is more than "
                    f"{Decimal(most).scaleb(-digits):f} {self.currency}."
                )

    def _refuse_unknown_time_zone(self) -> None:
        # Of the package whose rules the functions have.
        if self.time_zone not in files("tzdata").joinpath("zones").read_text().split():
            raise StageError(
                f"The setting 'time_zone' is refused: {self.time_zone!r} is not a name of the IANA database; "
                "write it as Europe/Berlin."
            )

    def _refuse_useless_mail(self) -> None:
        if self.public_url is not None:
            local = self.name != "prod" and DEVELOPERS_ORIGIN.fullmatch(self.public_url)
            if not local and not PUBLIC_URL.fullmatch(self.public_url):
                raise StageError(f"The setting 'public_url' is refused: {self.public_url!r} is not as https://host.")
        if self.mail_from is not None and not _is_sender(self.mail_from):
            raise StageError(
                f"The setting 'mail_from' is refused: {self.mail_from!r} is not as shop@example.com. {_IN_ASCII}"
            )
        if self.mail_from and not self.public_url:
            raise StageError("The setting 'mail_from' needs 'public_url': the links in mails begin with it.")
        if self.daily_report_to and not self.mail_from:
            raise StageError("The setting 'daily_report_to' needs 'mail_from': without it no mail is sent.")
        for address in self.daily_report_to:
            if not is_address(address):
                raise StageError(
                    f"The setting 'daily_report_to' is refused: {address!r} is not as ada@example.com. {_IN_ASCII}"
                )

    def _refuse_unheard_alarms(self) -> None:
        if self.name == "prod" and self.alarm_email is None:
            raise StageError(
                "The stage 'prod' needs the setting 'alarm_email' in cdk.json: the address that alarms are mailed to, "
                f"or {NOT_MAILED!r} to have no one mailed."
            )
        if self.alarm_address is not None and not is_address(self.alarm_address):
            raise StageError(
                f"The setting 'alarm_email' is refused: {self.alarm_address!r} is not an e-mail address. {_IN_ASCII}"
            )

    def _refuse_local_without_endpoint(self) -> None:
        if self.is_local and not self.default_endpoint:
            raise StageError("The setting 'default_endpoint' is refused in 'local': the local cloud has no domains.")

    def _refuse_longer_unverified_hold(self) -> None:
        if self.unverified_hold_seconds and self.unverified_hold_seconds > self.hold_seconds:
            raise StageError("The setting 'unverified_hold_seconds' is refused: it is longer than 'hold_seconds'.")

    def _refuse_useless_backups(self) -> None:
        if self.backup_copy_region and self.backup_days is None:
            raise StageError("The setting 'backup_copy_region' needs 'backup_days': without it there is no backup.")
        if self.backup_days is not None and self.is_local:
            raise StageError("The setting 'backup_days' is refused in 'local': the local cloud has no AWS Backup.")

    def _refuse_local_canary(self) -> None:
        if self.canary_minutes is not None and self.is_local:
            raise StageError("The setting 'canary_minutes' is refused in 'local': the local stage has no versions.")

    def _refuse_vague_origins(self) -> None:
        for origin in self.cors_origins:
            local = self.name != "prod" and DEVELOPERS_ORIGIN.fullmatch(origin)
            if not local and not ORIGIN.fullmatch(origin):
                raise StageError(f"The CORS origin {origin!r} is refused: name each origin in full, as https://host.")
