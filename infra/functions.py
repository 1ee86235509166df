"""All functions, their defaults, and their permissions on tables and keys."""

from collections.abc import Mapping
from functools import partial

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.alarms import Alarms
from infra.assets import RUNTIME, Layers, function_code, project_version
from infra.checks import acknowledge
from infra.data import READ, WRITE, Data, grant, grant_append, grant_in
from infra.keys import ADDRESS_KEYS, AUDIT_KEYS, ORIGIN, PEPPER, SIGNING_KEYS, WEBHOOK_KEYS, Keys
from infra.live import publish, version_options
from infra.retention import retention
from infra.stages import Stage

# Lambda gives a function one full core from this size on, and bcrypt needs all of it.
FULL_CORE_MEMORY_MB = 1769
# The code ends a request within 28 s, and API Gateway times out at 30 s. So the client gets a response of the code.
HTTP_SECONDS = 29
# Enough for the overdue deliveries of fifty webhooks, with some retries. It ends before the next sweep starts.
SWEEPER_SECONDS = 60
# The worker starts no further hold when less than 30 s are left. So it works for 60 s, until the next sweep starts, and
# two workers never process the same shard.
EXPIRY_SECONDS = 90
# A batch of 100 movements takes one or two seconds. The rest is for retries.
BOOKKEEPER_SECONDS = 60
# A batch of 100 new orders needs about 30 calls, most of them at once. The rest is for retries.
FINDER_SECONDS = 60
# A batch of 100 changes needs about ten calls. The rest is for retries.
PUBLISHER_SECONDS = 60
# A batch is one transaction, which is repeated after a conflict with another writer.
FEEDER_SECONDS = 60
# The batch's last call starts early enough to end before this: see oms.reports.aggregation.
AGGREGATOR_SECONDS = 90
# For one mail, the calls to DynamoDB and SES end within 43 s.
NOTIFIER_SECONDS = 60
# For ten events with up to fifty deliveries each. The rest is for retries.
DISPATCHER_SECONDS = 60
# 15 s for the subscriber, and the rest for the calls before and after. It must not exceed a claim's lease: see
# oms.webhooks.
SENDER_SECONDS = 60
REPLAYER_SECONDS = 60
# A stream batch needs ten transactions. Each night, the sealer reads all entries of a day.
SEALER_SECONDS = 300
# In this time, a run must write at least one part of the file, even if the file is compressed and reads are throttled:
# see docs/integrate/exports.md. A longer timeout would delay the retry of an interrupted run.
EXPORTER_SECONDS = 300
# Lambda's maximum. The importer continues by a queue message when less than 180 s are left.
IMPORTER_SECONDS = 900
# A run makes four calls with their retries. The check of one schedule makes as many.
SCHEDULER_SECONDS = 60
# Lambda's maximum. Shortly before the end, a check hands over to the next worker by a queue message.
VERIFIER_SECONDS = 900
# Lambda's name for each log level of the stage.
LOG_LEVELS = {
    "DEBUG": lambda_.ApplicationLogLevel.DEBUG,
    "INFO": lambda_.ApplicationLogLevel.INFO,
    "WARNING": lambda_.ApplicationLogLevel.WARN,
    "ERROR": lambda_.ApplicationLogLevel.ERROR,
}


# The partitions of users, with their sessions, devices and mailed tokens.
USERS = "user#*"
# The copies of service keys, which requests read.
SERVICE_KEYS = "key#*"
# The counters of the requests of users and service keys, and the noted uses of service keys.
# The counters of the orders of unverified customers, contacts and guests, and of the requests of guests.
ORDER_COUNTERS = ("slot#orders#*", "slot#contact-orders#*", "slot#guest-orders#*", "slot#address#*")
REQUESTS = ("slot#user#*", "slot#key#*", "key-use#*")
SECRET_SETTINGS = {"OMS_SIGNING_KEYS_SECRET": SIGNING_KEYS, "OMS_PEPPER_SECRET": PEPPER}


class Functions(Construct):
    def __init__(
        self, scope: Construct, construct_id: str, *, stage: Stage, data: Data, keys: Keys, alarms: Alarms
    ) -> None:
        super().__init__(scope, construct_id)
        self._stage = stage
        self._alarms = alarms
        self._layers = Layers(self, "Layers", stage)
        self._environment = _environment(stage, data, keys)
        self.all: dict[str, lambda_.Function] = {}
        # One log group of all functions with routes. The admin function, one of them, reads the request log there.
        self.request_logs = self._log_group("Requests")
        self._add_routes(stage, keys)
        self.serving = dict(self.all)
        self._add_consumers(stage, keys)
        self._grant_tables(data)
        self._grant_keys(keys)
        for name in ("Auth", "Passwords"):
            alarms.on(
                f"{name}SigningKeyMissing",
                alarms.counted("SigningKeyMissing", by=name.lower()),
                threshold=1,
                why=f"The function {name} found no signing key: no user can sign in or refresh a session.",
                see="signing-key-missing",
            )

    def _add_routes(self, stage: Stage, keys: Keys) -> None:
        """Adds the functions that answer HTTP requests."""
        signing, pepper = ({setting: keys.name(name)} for setting, name in SECRET_SETTINGS.items())
        requests = {
            "OMS_CUSTOMER_REQUESTS": str(stage.customer_requests_per_minute),
            "OMS_MANAGER_REQUESTS": str(stage.manager_requests_per_minute),
            **_front(stage),
        }
        serving = partial(self.add, log_group=self.request_logs)
        self.auth = serving(
            "Auth", "auth.handler", environment=requests | signing | _auth_limits(stage) | _public_url(stage)
        )
        self.passwords = serving(
            "Passwords",
            "auth.passwords",
            environment=requests | signing | pepper | _mail_settings(stage) | _auth_limits(stage),
            memory_mb=FULL_CORE_MEMORY_MB,
            concurrency=stage.passwords_concurrency,
        )
        self.inventory = serving("Inventory", "inventory.handler", environment=requests | _public_catalogue(stage))
        self.orders = serving("Orders", "orders.handler", environment=requests | order_limits(stage) | _guests(stage))
        # The pepper is for the digests of addresses; this function compares no passwords.
        self.admin = serving("Admin", "admin.handler", environment=requests | pepper)
        self.webhooks = serving(
            "Webhooks", "webhooks.handler", environment=requests | {"OMS_WEBHOOK_KEYS_SECRET": keys.name(WEBHOOK_KEYS)}
        )
        self.reports = serving("Reports", "reports.handler", environment=requests)
        self.docs = serving("Docs", "docs.handler", environment=_front(stage))

    def _add_consumers(self, stage: Stage, keys: Keys) -> None:
        """Adds the functions that streams, queues and schedules invoke."""
        self.sweeper = self.add("Sweeper", "sweeper.handler", timeout_seconds=SWEEPER_SECONDS)
        self.expiry = self.add("Expiry", "sweeper.worker", timeout_seconds=EXPIRY_SECONDS)
        self.bookkeeper = self.add("Bookkeeper", "bookkeeper.handler", timeout_seconds=BOOKKEEPER_SECONDS)
        self.finder = self.add("Finder", "finder.handler", timeout_seconds=FINDER_SECONDS)
        self.notifier = self.add(
            "Notifier",
            "notifier.handler",
            environment=_mail_settings(stage) | _mail_limits(stage),
            timeout_seconds=NOTIFIER_SECONDS,
        )
        self.publisher = self.add("Publisher", "publisher.handler", timeout_seconds=PUBLISHER_SECONDS)
        self.feeder = self.add("Feeder", "feeder.handler", timeout_seconds=FEEDER_SECONDS)
        self.aggregator = self.add("Aggregator", "aggregator.handler", timeout_seconds=AGGREGATOR_SECONDS)
        self.dispatcher = self.add("Dispatcher", "dispatcher.handler", timeout_seconds=DISPATCHER_SECONDS)
        self.sender = self.add(
            "Sender",
            "sender.handler",
            environment={"OMS_WEBHOOK_KEYS_SECRET": keys.name(WEBHOOK_KEYS)},
            timeout_seconds=SENDER_SECONDS,
            loops=True,
        )
        self.scheduler = self.add("Scheduler", "scheduler.handler", timeout_seconds=SCHEDULER_SECONDS)
        self.replayer = self.add("Replayer", "sweeper.replays", timeout_seconds=REPLAYER_SECONDS, loops=True)
        self.sealer = self.add(
            "Sealer",
            "sealer.handler",
            environment={"OMS_AUDIT_KEYS_SECRET": keys.name(AUDIT_KEYS)},
            timeout_seconds=SEALER_SECONDS,
        )
        self.exporter = self.add(
            "Exporter", "exporter.handler", memory_mb=FULL_CORE_MEMORY_MB, timeout_seconds=EXPORTER_SECONDS, loops=True
        )
        self.importer = self.add(
            "Importer", "importer.handler", memory_mb=FULL_CORE_MEMORY_MB, timeout_seconds=IMPORTER_SECONDS, loops=True
        )
        self.verifier = self.add(
            "Verifier", "verifier.handler", memory_mb=FULL_CORE_MEMORY_MB, timeout_seconds=VERIFIER_SECONDS, loops=True
        )

    def _grant_tables(self, data: Data) -> None:
        """Allows exactly the operations that each function uses: `make privileges` compares them with its calls."""
        grant(data.identity, self.auth, "BatchGetItem", "UpdateItem")
        # For the sessions of a user, without the index of users.
        grant_in(data.identity, self.auth, ["Query"], partitions=[USERS])
        grant(data.identity, self.passwords, "BatchGetItem", "GetItem", *WRITE)
        # The function changes users and the count of admins, and ends locks. It does not create users or sessions.
        grant(data.identity, self.admin, *READ, "UpdateItem", "DeleteItem")
        grant_in(data.identity, self.admin, ["PutItem"], partitions=["keys", SERVICE_KEYS])
        # For users and mailed tokens, the state of each mail, requests for mails by address, and the counters of mails,
        # for each mailbox and for all unverified addresses.
        grant_in(
            data.identity,
            self.notifier,
            ["GetItem", "PutItem", "UpdateItem", "DeleteItem"],
            partitions=[USERS, "mail#*", "mail-request#*", "email#*", "mailbox#*", "unverified-mails#*"],
        )
        # For the session and the user of a request, or its service key, and the customers of listed orders.
        for function in (self.inventory, self.webhooks):
            grant_in(data.identity, function, ["BatchGetItem"], partitions=[USERS, SERVICE_KEYS])
        # For the same, and by their addresses for the customers of searched orders, and for the recipients of scheduled
        # reports.
        for function in (self.orders, self.reports):
            grant_in(data.identity, function, ["BatchGetItem"], partitions=[USERS, SERVICE_KEYS, "email#*"])
        # For the counters of requests, and of the orders of an unverified customer, in a minute.
        for function in (self.webhooks, self.reports):
            grant_in(data.identity, function, ["UpdateItem"], partitions=REQUESTS)
        # Also for the requests without a token of an address.
        grant_in(data.identity, self.inventory, ["UpdateItem"], partitions=[*REQUESTS, "slot#address#*"])
        grant_in(data.identity, self.orders, ["UpdateItem"], partitions=[*REQUESTS, *ORDER_COUNTERS])

        grant(data.inventory, self.inventory, *READ, "PutItem", "UpdateItem")
        # For categories whose last product was removed.
        grant_in(data.inventory, self.inventory, ["DeleteItem"], partitions=["categories"])
        grant(data.inventory, self.admin, *READ, "PutItem", "UpdateItem", "ConditionCheckItem")
        grant(data.inventory, self.verifier, *READ, "PutItem", "UpdateItem", "DeleteItem")
        grant(data.inventory, self.orders, "BatchGetItem", "UpdateItem")
        # For moves of units between shards, if a product's units are too scattered for one order.
        grant_in(data.inventory, self.orders, ["PutItem"], partitions=["adjustment#*"])
        # For the snapshots of all shards, which orders share when a hot product runs out.
        grant_in(data.inventory, self.orders, ["GetItem", "PutItem"], partitions=["snapshot#*"])
        grant(data.inventory, self.expiry, "UpdateItem")
        # Beside the ledger, for the levels of products with several shards, and for their offers.
        grant(data.inventory, self.bookkeeper, "GetItem", "BatchGetItem", "PutItem", "UpdateItem")
        # For events of products, which include their stock, and for the report of low stock.
        for function in (self.publisher, self.reports):
            grant(data.inventory, function, "BatchGetItem")

        grant(data.orders, self.orders, *READ, "PutItem", "UpdateItem")
        grant(data.orders, self.expiry, *READ, "UpdateItem")
        grant(data.orders, self.verifier, "BatchGetItem", "Query")
        grant(data.orders, self.finder, "BatchGetItem")
        grant(data.search, self.finder, "BatchWriteItem")
        grant(data.search, self.orders, "Query")
        # For the search of admins.
        grant(data.orders, self.admin, "BatchGetItem", "Query")
        grant(data.search, self.admin, "Query")

        grant(data.events, self.feeder, "BatchGetItem", "PutItem", "UpdateItem")
        grant(data.events, self.webhooks, "GetItem", "Query")
        grant(data.webhooks, self.webhooks, "GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "DeleteItem")
        grant(data.reports, self.reports, *READ)
        grant(data.reports, self.bookkeeper, "BatchGetItem", "PutItem", "UpdateItem")
        # For the subscription or the export of a mail, and the contact of an order without an account.
        for table in (data.webhooks, data.reports, data.orders):
            grant(table, self.notifier, "GetItem")

        self.request_logs.grant(self.admin, "logs:FilterLogEvents")
        grant(data.audit, self.admin, "Query", "BatchGetItem")
        # All functions with routes that have an access rule count its denials.
        for function in self.serving.values():
            if function is not self.docs:
                grant_append(data.audit, function, ["PutItem", "UpdateItem"])

    def _grant_keys(self, keys: Keys) -> None:
        # These functions sign access tokens.
        for function in (self.auth, self.passwords):
            keys.grant(keys.signing, function)
        for function in (self.passwords, self.admin):
            keys.grant(keys.pepper, function)
        keys.grant(keys.webhooks, self.webhooks)
        # The notifier counts mails by mailbox. It must not have the pepper, because it can read password hashes.
        keys.grant(keys.addresses, self.notifier)
        # The finder hashes the search terms that are about persons.
        keys.grant(keys.addresses, self.finder)
        for function in self.serving.values():
            keys.grant_public(function)
            # Behind a front, each function checks that a request came through it. Otherwise the public documents need
            # no client address.
            if function is not self.docs or self._stage.console:
                keys.grant(keys.origin, function)
            if function is not self.docs:
                # Every function with routes can write an audit entry, at least a denial.
                keys.grant(keys.addresses, function)

    def add(
        self,
        construct_id: str,
        module: str,
        *,
        environment: Mapping[str, str] | None = None,
        memory_mb: int = 1024,
        timeout_seconds: int = HTTP_SECONDS,
        concurrency: int | None = None,
        loops: bool = False,
        log_group: logs.LogGroup | None = None,
    ) -> lambda_.Function:
        """Adds a function with the defaults of all functions. `concurrency` limits its parallel executions. Without
        `log_group`, the function has its own.

        A function that `loops` sends messages to its own queue to continue its work. Lambda would stop it after 16
        rounds; this allows it, and the code ends each loop.
        """
        package = module.partition(".")[0]
        log_group = log_group or self._log_group(construct_id)
        role = self._role(construct_id, log_group)
        function = lambda_.Function(
            self,
            construct_id,
            runtime=RUNTIME,
            architecture=self._layers.architecture,
            code=function_code(package),
            handler=f"{module}.lambda_handler",
            layers=list(self._layers.all),
            role=role,
            memory_size=memory_mb,
            timeout=cdk.Duration.seconds(timeout_seconds),
            reserved_concurrent_executions=concurrency,
            environment=self._environment | {"POWERTOOLS_SERVICE_NAME": construct_id.lower()} | dict(environment or {}),
            log_group=log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            # With JSON logs, this level overrides Powertools' level. Its default is INFO.
            application_log_level_v2=LOG_LEVELS[self._stage.log_level],
            system_log_level_v2=lambda_.SystemLogLevel.WARN,
            tracing=lambda_.Tracing.ACTIVE,
            recursive_loop=lambda_.RecursiveLoop.ALLOW if loops else None,
            current_version_options=version_options(self._stage),
        )
        publish(function, self._stage)
        acknowledge(
            function,
            "AwsSolutions-L1",
            "The locks, the layers' bytecode and the tests are made for this Python version.",
        )
        self._alarms.on_errors(construct_id, function)
        self.all[construct_id] = function
        return function

    def _log_group(self, name: str) -> logs.LogGroup:
        days = logs.RetentionDays[self._stage.log_retention]
        return logs.LogGroup(self, f"{name}Logs", retention=days, removal_policy=retention(self._stage))

    def _role(self, construct_id: str, log_group: logs.LogGroup) -> iam.Role:
        """Returns a role that may write to this log group alone. AWS's managed policy would allow all log groups."""
        role = iam.Role(self, f"{construct_id}Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log_group.grant_write(role)
        acknowledge(role, "AwsSolutions-IAM5[Resource::*]", "X-Ray's actions do not support resources.")
        return role


def _environment(stage: Stage, data: Data, keys: Keys) -> dict[str, str]:
    environment = {
        "OMS_STAGE": stage.name,
        "OMS_VERSION": project_version(),
        "OMS_IDENTITY_TABLE": data.identity.table_name,
        "OMS_INVENTORY_TABLE": data.inventory.table_name,
        "OMS_ORDERS_TABLE": data.orders.table_name,
        "OMS_AUDIT_TABLE": data.audit.table_name,
        "OMS_EVENTS_TABLE": data.events.table_name,
        "OMS_WEBHOOKS_TABLE": data.webhooks.table_name,
        "OMS_REPORTS_TABLE": data.reports.table_name,
        "OMS_SEARCH_TABLE": data.search.table_name,
        "OMS_JWKS_PARAMETER": keys.public.parameter_name,
        "OMS_ORIGIN_SECRET": keys.name(ORIGIN),
        "OMS_ADDRESS_KEYS_SECRET": keys.name(ADDRESS_KEYS),
        "OMS_CURRENCY": stage.currency,
        "OMS_TIME_ZONE": stage.time_zone,
        "OMS_HOLD_SECONDS": str(stage.hold_seconds),
        "OMS_SHORTEST_HOLD_SECONDS": str(stage.shortest_hold_seconds or stage.hold_seconds),
        "OMS_ORDER_SHARDS": str(stage.order_shards),
        "OMS_DELIVERY_SHARDS": str(stage.delivery_shards),
        "OMS_PASSWORD_MIN_LENGTH": str(stage.password_min_length),
        "OMS_STAFF_PASSWORD_MIN_LENGTH": str(stage.staff_password_min_length),
        "POWERTOOLS_METRICS_NAMESPACE": stage.metrics_namespace,
        "POWERTOOLS_LOG_LEVEL": stage.log_level,
        # Texts of exceptions and answers of functions can have secrets or personal data, which X-Ray must not store.
        "POWERTOOLS_TRACER_CAPTURE_ERROR": "false",
        "POWERTOOLS_TRACER_CAPTURE_RESPONSE": "false",
    }
    if stage.unverified_hold_seconds is not None:
        environment["OMS_UNVERIFIED_HOLD_SECONDS"] = str(stage.unverified_hold_seconds)
    if stage.shipping_bound is not None:
        environment["OMS_SHIPPING_MAX"] = stage.shipping_bound
    if stage.shipping_flat is not None:
        environment["OMS_SHIPPING_FLAT"] = stage.shipping_flat
    if stage.clock_offset is not None:
        environment["OMS_CLOCK_OFFSET"] = str(stage.clock_offset)
    if stage.settle_seconds is not None:
        environment["OMS_SETTLE_SECONDS"] = str(stage.settle_seconds)
    if stage.webhook_private_targets:
        environment["OMS_WEBHOOK_PRIVATE_TARGETS"] = "true"
    if stage.is_local:
        # The local cloud has no X-Ray daemon, and patching botocore for it slows every cold start.
        environment["POWERTOOLS_TRACE_DISABLED"] = "true"
    return environment


def order_limits(stage: Stage) -> dict[str, str]:
    limits = {
        "OMS_OPEN_ORDERS_LIMIT": stage.open_orders_limit,
        "OMS_ORDER_UNITS_LIMIT": stage.order_units_limit,
        "OMS_STOCK_SHARE_LIMIT": stage.stock_share_limit,
        "OMS_ORDER_VALUE_LIMIT": stage.order_value_limit,
        "OMS_UNVERIFIED_OPEN_ORDERS_LIMIT": stage.unverified_open_orders_limit,
        "OMS_UNVERIFIED_ORDER_UNITS_LIMIT": stage.unverified_order_units_limit,
        "OMS_UNVERIFIED_STOCK_SHARE_LIMIT": stage.unverified_stock_share_limit,
        "OMS_UNVERIFIED_ORDER_VALUE_LIMIT": stage.unverified_order_value_limit,
    }
    return {name: str(value) for name, value in limits.items() if value is not None}


def _mail_settings(stage: Stage) -> dict[str, str]:
    """Returns the settings of mails. The names in them must not be part of a new password."""
    return {"OMS_MAIL_FROM": stage.mail_from or "", **_public_url(stage)}


def _public_url(stage: Stage) -> dict[str, str]:
    return {"OMS_PUBLIC_URL": stage.public_url or ""}


def _mail_limits(stage: Stage) -> dict[str, str]:
    return {"OMS_UNVERIFIED_MAILS_PER_DAY": str(stage.unverified_mails_per_day)}


def _public_catalogue(stage: Stage) -> dict[str, str]:
    limit = {"OMS_ANONYMOUS_REQUESTS": str(stage.anonymous_requests_per_minute)}
    return {"OMS_PUBLIC_CATALOGUE": "true", **limit} if stage.public_catalogue else {}


def _guests(stage: Stage) -> dict[str, str]:
    if not stage.guest_checkout:
        return {}
    return {
        "OMS_GUEST_CHECKOUT": "true",
        "OMS_GUEST_ORDERS": str(stage.guest_orders_limit),
        "OMS_ANONYMOUS_REQUESTS": str(stage.anonymous_requests_per_minute),
    }


def _front(stage: Stage) -> dict[str, str]:
    return {"OMS_FRONT_REQUIRED": "true"} if stage.console else {}


def _auth_limits(stage: Stage) -> dict[str, str]:
    limits = {"OMS_REGISTER_LIMIT": stage.register_limit, "OMS_LOGIN_LIMIT": stage.login_limit}
    return {name: str(value) for name, value in limits.items() if value is not None}
