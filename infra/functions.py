"""Every function, its defaults, and what it may reach."""

from collections.abc import Mapping

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

# Lambda gives one full core from here on, and bcrypt needs all of it.
FULL_CORE_MEMORY = 1769
# The code's own limits end a request before 28 s, and API Gateway gives up at 30: in between, the answer is ours.
HTTP_SECONDS = 29
# What is overdue of fifty webhooks, some of which may take their retries; until the next sweep begins.
SWEEPER_SECONDS = 60
# The worker starts no hold when less than 30 s are left. The minute before them is as long as it takes until the next
# sweep begins: one worker a shard is at work, and no two of them at the same holds.
EXPIRY_SECONDS = 90
# A batch of 100 movements is written in a second or two; the rest is for retries.
BOOKKEEPER_SECONDS = 60
# A batch of 100 changes is some ten calls; the rest is for retries.
PUBLISHER_SECONDS = 60
# A batch is one transaction, made again while another writer is faster.
FEEDER_SECONDS = 60
# A batch's last call is begun in time to end before it: oms.reports.aggregation.
AGGREGATOR_SECONDS = 90
# One mail: its calls to DynamoDB and the one to SES end within 43 s.
NOTIFIER_SECONDS = 60
# Ten events, each put for and nudged at up to fifty subscriptions; the rest is for retries.
DISPATCHER_SECONDS = 60
# 15 s of a subscriber's, the rest for the calls before and after. No longer than a claim holds: see oms.webhooks.
SENDER_SECONDS = 60
REPLAYER_SECONDS = 60
# A batch of the stream is ten transactions; each night it reads all entries of a day.
SEALER_SECONDS = 300
# Time for a part of the file, which is what a run is to write at least, also of a compressed one and where reads are
# throttled: see docs/integrate/exports.md. With a longer limit, a run that was cut off would be retried later.
EXPORTER_SECONDS = 300
# A run is four calls, with their retries; so is a look at a schedule.
SCHEDULER_SECONDS = 60
# As long as Lambda lets it: a check hands over shortly before, and goes on by queue.
VERIFIER_SECONDS = 900
# Lambda's name of each of the stage's levels.
LOG_LEVELS = {
    "DEBUG": lambda_.ApplicationLogLevel.DEBUG,
    "INFO": lambda_.ApplicationLogLevel.INFO,
    "WARNING": lambda_.ApplicationLogLevel.WARN,
    "ERROR": lambda_.ApplicationLogLevel.ERROR,
}


# The partitions of users, with their sessions, devices and mailed tokens.
USERS = "user#*"
PRIVATE = {"OMS_SIGNING_KEYS_SECRET": SIGNING_KEYS, "OMS_PEPPER_SECRET": PEPPER}


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
                why=f"The function {name} found no signing key: no one can sign in or refresh a session.",
                see="signing-key-missing",
            )

    def _add_routes(self, stage: Stage, keys: Keys) -> None:
        """What answers HTTP."""
        signing, pepper = ({it: keys.name(name)} for it, name in PRIVATE.items())
        requests = {
            "OMS_CUSTOMER_REQUESTS": str(stage.customer_requests_per_minute),
            "OMS_MANAGER_REQUESTS": str(stage.manager_requests_per_minute),
        }
        self.auth = self.add("Auth", "auth.handler", environment=requests | signing | _auth_limits(stage))
        self.passwords = self.add(
            "Passwords",
            "auth.passwords",
            environment=requests | signing | pepper | _mail_settings(stage) | _auth_limits(stage),
            memory=FULL_CORE_MEMORY,
            concurrency=stage.passwords_concurrency,
        )
        self.inventory = self.add("Inventory", "inventory.handler", environment=requests)
        self.orders = self.add("Orders", "orders.handler", environment=requests | order_limits(stage))
        # The pepper is for the digests that stand for addresses; no password is compared here.
        self.admin = self.add("Admin", "admin.handler", environment=requests | pepper)
        self.webhooks = self.add(
            "Webhooks", "webhooks.handler", environment=requests | {"OMS_WEBHOOK_KEYS_SECRET": keys.name(WEBHOOK_KEYS)}
        )
        self.reports = self.add("Reports", "reports.handler", environment=requests)
        self.docs = self.add("Docs", "docs.handler")

    def _add_consumers(self, stage: Stage, keys: Keys) -> None:
        """What streams, queues and schedules invoke."""
        self.sweeper = self.add("Sweeper", "sweeper.handler", timeout=SWEEPER_SECONDS)
        self.expiry = self.add("Expiry", "sweeper.worker", timeout=EXPIRY_SECONDS)
        self.bookkeeper = self.add("Bookkeeper", "bookkeeper.handler", timeout=BOOKKEEPER_SECONDS)
        self.notifier = self.add(
            "Notifier",
            "notifier.handler",
            environment=_mail_settings(stage) | _mail_limits(stage),
            timeout=NOTIFIER_SECONDS,
        )
        self.publisher = self.add("Publisher", "publisher.handler", timeout=PUBLISHER_SECONDS)
        self.feeder = self.add("Feeder", "feeder.handler", timeout=FEEDER_SECONDS)
        self.aggregator = self.add("Aggregator", "aggregator.handler", timeout=AGGREGATOR_SECONDS)
        self.dispatcher = self.add("Dispatcher", "dispatcher.handler", timeout=DISPATCHER_SECONDS)
        self.sender = self.add(
            "Sender",
            "sender.handler",
            environment={"OMS_WEBHOOK_KEYS_SECRET": keys.name(WEBHOOK_KEYS)},
            timeout=SENDER_SECONDS,
            loops=True,
        )
        self.scheduler = self.add("Scheduler", "scheduler.handler", timeout=SCHEDULER_SECONDS)
        self.replayer = self.add("Replayer", "sweeper.replays", timeout=REPLAYER_SECONDS, loops=True)
        self.sealer = self.add(
            "Sealer",
            "sealer.handler",
            environment={"OMS_AUDIT_KEYS_SECRET": keys.name(AUDIT_KEYS)},
            timeout=SEALER_SECONDS,
        )
        self.exporter = self.add(
            "Exporter", "exporter.handler", memory=FULL_CORE_MEMORY, timeout=EXPORTER_SECONDS, loops=True
        )
        self.verifier = self.add(
            "Verifier", "verifier.handler", memory=FULL_CORE_MEMORY, timeout=VERIFIER_SECONDS, loops=True
        )

    def _grant_tables(self, data: Data) -> None:
        """What each function does with items, and nothing beside it: `make privileges` compares it with the calls."""
        grant(data.identity, self.auth, "BatchGetItem", "UpdateItem")
        # A user's own sessions; not the index of users.
        grant_in(data.identity, self.auth, ["Query"], partitions=[USERS])
        grant(data.identity, self.passwords, "BatchGetItem", "GetItem", *WRITE)
        # It makes no user and no session: it changes users, the count of admins, and ends locks.
        grant(data.identity, self.admin, *READ, "UpdateItem", "DeleteItem")
        # Users and their mailed tokens, what is known of each mail, requests for one by an address, and how many mails
        # went to each mailbox and to all unverified ones.
        grant_in(
            data.identity,
            self.notifier,
            ["GetItem", "PutItem", "UpdateItem", "DeleteItem"],
            partitions=[USERS, "mail#*", "mail-request#*", "email#*", "mailbox#*", "unverified-mails#*"],
        )
        # Session and user of a request, by their keys; and the users whose orders are shown.
        for function in (self.inventory, self.orders, self.webhooks):
            grant_in(data.identity, function, ["BatchGetItem"], partitions=[USERS])
        # And the recipients of scheduled reports, by their addresses.
        grant_in(data.identity, self.reports, ["BatchGetItem"], partitions=[USERS, "email#*"])
        # The requests of a user in a minute; the orders of a customer with an unverified address.
        for function in (self.inventory, self.webhooks, self.reports):
            grant_in(data.identity, function, ["UpdateItem"], partitions=["slot#user#*"])
        grant_in(data.identity, self.orders, ["UpdateItem"], partitions=["slot#user#*", "slot#orders#*"])

        grant(data.inventory, self.inventory, *READ, "PutItem", "UpdateItem")
        # A category that has no products left.
        grant_in(data.inventory, self.inventory, ["DeleteItem"], partitions=["categories"])
        grant(data.inventory, self.admin, *READ, "PutItem", "UpdateItem", "ConditionCheckItem")
        grant(data.inventory, self.verifier, *READ, "PutItem", "UpdateItem", "DeleteItem")
        grant(data.inventory, self.orders, "BatchGetItem", "UpdateItem")
        grant(data.inventory, self.expiry, "UpdateItem")
        grant(data.inventory, self.bookkeeper, "PutItem")
        # Events of products are completed with their stock, and the report of scarce ones with how low each is.
        for function in (self.publisher, self.reports):
            grant(data.inventory, function, "BatchGetItem")

        grant(data.orders, self.orders, *READ, "PutItem", "UpdateItem")
        grant(data.orders, self.expiry, *READ, "UpdateItem")
        grant(data.orders, self.verifier, "BatchGetItem", "Query")

        grant(data.events, self.feeder, "GetItem", "BatchGetItem", "PutItem")
        grant(data.events, self.webhooks, "GetItem", "Query")
        grant(data.webhooks, self.webhooks, "GetItem", "Query", "PutItem", "UpdateItem", "DeleteItem")
        grant(data.reports, self.reports, *READ)
        grant(data.reports, self.bookkeeper, "BatchGetItem", "PutItem", "UpdateItem")
        for of_a_mail in (data.webhooks, data.reports):
            grant(of_a_mail, self.notifier, "GetItem")

        grant(data.audit, self.admin, "Query", "BatchGetItem")
        for function in (self.auth, self.passwords):
            grant_append(data.audit, function, ["PutItem"])
        # The denials of these are counted: they have routes that a role may not use.
        for function in (self.inventory, self.orders, self.admin, self.webhooks, self.reports):
            grant_append(data.audit, function, ["PutItem", "UpdateItem"])

    def _grant_keys(self, keys: Keys) -> None:
        # Minting tokens, and working with passwords.
        for function in (self.auth, self.passwords):
            keys.grant(keys.signing, function)
        for function in (self.passwords, self.admin):
            keys.grant(keys.pepper, function)
        keys.grant(keys.webhooks, self.webhooks)
        # It counts mails by mailbox. Not under the pepper: it can read the hashes of passwords.
        keys.grant(keys.addresses, self.notifier)
        for function in self.serving.values():
            keys.grant_public(function)
            if function is not self.docs:
                keys.grant(keys.origin, function)
                # Every function with routes may write an audit entry: a denial at least.
                keys.grant(keys.addresses, function)

    def add(
        self,
        construct_id: str,
        module: str,
        *,
        environment: Mapping[str, str] | None = None,
        memory: int = 1024,
        timeout: int = HTTP_SECONDS,
        concurrency: int | None = None,
        loops: bool = False,
    ) -> lambda_.Function:
        """A function with the defaults of all functions. `timeout` is in seconds; `concurrency` caps what runs at once.

        One that `loops` hands work on by a queue that it reads itself. Lambda ends such a chain after 16 rounds, unless
        it is allowed; the code ends each of them by itself.
        """
        package = module.partition(".")[0]
        role, log_group = self._role_and_logs(construct_id)
        function = lambda_.Function(
            self,
            construct_id,
            runtime=RUNTIME,
            architecture=self._layers.architecture,
            code=function_code(package),
            handler=f"{module}.lambda_handler",
            layers=list(self._layers.all),
            role=role,
            memory_size=memory,
            timeout=cdk.Duration.seconds(timeout),
            reserved_concurrent_executions=concurrency,
            environment=self._environment | {"POWERTOOLS_SERVICE_NAME": construct_id.lower()} | dict(environment or {}),
            log_group=log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            # With JSON logs Lambda's own level goes before Powertools', and is INFO where it is left out.
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
            "One Python version everywhere, on purpose: the locks, the layers' bytecode and the tests are of this one.",
        )
        self._alarms.on_errors(construct_id, function)
        self.all[construct_id] = function
        return function

    def _role_and_logs(self, construct_id: str) -> tuple[iam.Role, logs.LogGroup]:
        """A role that may write to its own log group alone, where AWS's managed policy would open them all."""
        log_group = logs.LogGroup(
            self,
            f"{construct_id}Logs",
            retention=logs.RetentionDays[self._stage.log_retention],
            removal_policy=retention(self._stage),
        )
        role = iam.Role(self, f"{construct_id}Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log_group.grant_write(role)
        acknowledge(
            role,
            "AwsSolutions-IAM5[Resource::*]",
            "X-Ray's actions name no resource.",
        )
        return role, log_group


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
        "OMS_JWKS_PARAMETER": keys.public.parameter_name,
        "OMS_ORIGIN_SECRET": keys.name(ORIGIN),
        "OMS_ADDRESS_KEYS_SECRET": keys.name(ADDRESS_KEYS),
        "OMS_CURRENCY": stage.currency,
        "OMS_TIME_ZONE": stage.time_zone,
        "OMS_HOLD_SECONDS": str(stage.hold_seconds),
        "OMS_SHORTEST_HOLD_SECONDS": str(stage.shortest_hold_seconds or stage.hold_seconds),
        "OMS_ORDER_SHARDS": str(stage.order_shards),
        "OMS_PASSWORD_MIN_LENGTH": str(stage.password_min_length),
        "OMS_STAFF_PASSWORD_MIN_LENGTH": str(stage.staff_password_min_length),
        "POWERTOOLS_METRICS_NAMESPACE": stage.metrics_namespace,
        "POWERTOOLS_LOG_LEVEL": stage.log_level,
        # The text of an exception, and what a function answers, may hold what has no business in X-Ray.
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
        # No X-Ray daemon listens here, and patching botocore for it costs every cold start.
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
    """Of mails; a new password may not be made of the names in them."""
    return {"OMS_MAIL_FROM": stage.mail_from or "", "OMS_PUBLIC_URL": stage.public_url or ""}


def _mail_limits(stage: Stage) -> dict[str, str]:
    return {"OMS_UNVERIFIED_MAILS_PER_DAY": str(stage.unverified_mails_per_day)}


def _auth_limits(stage: Stage) -> dict[str, str]:
    limits = {"OMS_REGISTER_LIMIT": stage.register_limit, "OMS_LOGIN_LIMIT": stage.login_limit}
    return {name: str(value) for name, value in limits.items() if value is not None}
