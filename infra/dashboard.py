"""The dashboard of a stage: orders, latency, errors, queues, deliveries, and cost drivers."""

from collections.abc import Iterable, Mapping

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.alarms import Alarms
from infra.api import Api
from infra.data import Data
from infra.functions import Functions
from infra.mail import CONFIGURATION_SET
from infra.stages import Stage

PERIOD = cdk.Duration.minutes(5)
# A dashboard has 24 columns, so a row has three graphs.
WIDTH, HEIGHT = 8, 6
# Metrics by the service that emits them. Metrics with alarms are here, too, since a graph shows the past.
EMITTED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "Orders": {"publisher": ("OrdersCreated", "OrdersConfirmed", "OrdersShipped", "OrdersCancelled", "OrdersExpired")},
    "Holds": {"expiry": ("HoldsExpired",), "sweeper": ("SweepsAsked",)},
    "Events": {
        "publisher": ("EventsPublished",),
        "feeder": ("FeedRows",),
        "aggregator": ("ContributionsMoved",),
        "dispatcher": ("DeliveriesDispatched",),
    },
    "Deliveries": {
        "sender": (
            *(f"Delivery{outcome}" for outcome in ("Delivered", "Retried", "Failed", "Paused")),
            "WebhookSecretUnopened",
        ),
        "sweeper": ("DeliveriesOverdue",),
        "replayer": ("DeliveriesReplayed",),
    },
    "Mail": {
        "notifier": (
            *("MailsAsked", "MailSent", "MailHeldBack", "MailUnknown", "MailRefused", "MailUndeliverable"),
            *("MailNotSetUp", "MailUnverifiedAtLimit"),
        )
    },
    "Exports": {"exporter": ("ExportsDone", "ExportsFailed"), "scheduler": ("ScheduledExports",)},
    "Imports": {"importer": ("ImportsDone", "ImportsFailed")},
    "Stock ledger": {
        "bookkeeper": ("StreamRecords", "BookEntries"),
        "verifier": ("Stretches", "ProductsChecked", "ProductsUnsettled", "StockDrift"),
    },
    "Search": {"finder": ("StreamRecords",)},
    "Audit log": {"sealer": ("AuditEntriesSealed", "AuditWitnesses", "AuditTampered")},
    "Missing signing key": {"auth": ("SigningKeyMissing",), "passwords": ("SigningKeyMissing",)},
}


class Dashboard(Construct):
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        data: Data,
        functions: Functions,
        alarms: Alarms,
        api: Api,
    ) -> None:
        super().__init__(scope, construct_id)
        self._alarms = alarms
        dashboard = cloudwatch.Dashboard(
            self, "Dashboard", dashboard_name=f"Oms-{stage.name}", default_interval=cdk.Duration.days(1)
        )
        rows: dict[str, list[cloudwatch.IWidget]] = {
            "Orders and requests": [self._emitted("Orders"), *_requests(api)],
            "Errors": [_per_function("Errors", functions), _per_function("Throttles", functions), _concurrency()],
            "What waits": [
                _ages(alarms.queues),
                _failures(alarms.failure_queues),
                _stream_ages(alarms.stream_functions),
                _graph("Oldest overdue hold, seconds", [self._metric("expiry", "OldestOverdueHold", "Maximum")]),
                self._emitted("Holds"),
                self._emitted("Missing signing key"),
            ],
            "Events, deliveries and mail": [self._emitted(name) for name in ("Events", "Deliveries", "Mail")],
            "Jobs": [self._emitted(name) for name in ("Exports", "Imports", "Stock ledger", "Audit log")],
            "What costs money": [
                _per_function("Invocations", functions),
                _per_function("Duration", functions, "Sum"),
                *_units(data),
                _logs(functions, api),
            ],
        }
        if stage.mail_from:
            rows["Events, deliveries and mail"].append(_reputation(f"oms-{stage.name}"))
        for title, widgets in rows.items():
            dashboard.add_widgets(cloudwatch.TextWidget(markdown=f"## {title}", width=24, height=1))
            dashboard.add_widgets(*widgets)

    def _emitted(self, title: str) -> cloudwatch.GraphWidget:
        return _graph(
            title, [self._metric(service, name) for service, names in EMITTED[title].items() for name in names]
        )

    def _metric(self, service: str, name: str, statistic: str = "Sum") -> cloudwatch.Metric:
        label = f"{name} ({service})" if name == "SigningKeyMissing" else name
        return self._alarms.counted(name, by=service, statistic=statistic).with_(label=label, period=PERIOD)


def _graph(
    title: str, metrics: Iterable[cloudwatch.IMetric], right: Iterable[cloudwatch.IMetric] = ()
) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), right=list(right), width=WIDTH, height=HEIGHT)


def _requests(api: Api) -> list[cloudwatch.IWidget]:
    latency = [
        api.api.metric_latency(period=PERIOD, statistic=percentile, label=percentile)
        for percentile in ("p50", "p90", "p99")
    ]
    answers = [
        api.api.metric_count(period=PERIOD, statistic="Sum", label="requests"),
        api.api.metric_client_error(period=PERIOD, statistic="Sum", label="4xx"),
        api.too_many_requests.with_(label="429"),
        api.api.metric_server_error(period=PERIOD, statistic="Sum", label="5xx"),
    ]
    return [_graph("Requests", answers), _graph("Latency, ms", latency)]


def _per_function(name: str, functions: Functions, statistic: str = "Sum") -> cloudwatch.GraphWidget:
    metrics = [
        function.metric(name, label=label, statistic=statistic, period=PERIOD)
        for label, function in functions.all.items()
    ]
    return _graph(f"{name} of functions", metrics)


def _concurrency() -> cloudwatch.GraphWidget:
    names = ("ClaimedAccountConcurrency", "ConcurrentExecutions")
    metrics = [
        cloudwatch.Metric(namespace="AWS/Lambda", metric_name=name, statistic="Maximum", period=PERIOD)
        for name in names
    ]
    return _graph("Concurrency of the account", metrics)


def _ages(queues: Mapping[str, sqs.IQueue]) -> cloudwatch.GraphWidget:
    metrics = [
        queue.metric_approximate_age_of_oldest_message(label=name, period=PERIOD) for name, queue in queues.items()
    ]
    return _graph("Oldest message of queues, seconds", metrics)


def _failures(queues: Mapping[str, sqs.IQueue]) -> cloudwatch.GraphWidget:
    metrics = [
        queue.metric_approximate_number_of_messages_visible(label=name, period=PERIOD) for name, queue in queues.items()
    ]
    return _graph("Messages in dead-letter and poison queues", metrics)


def _stream_ages(functions: Mapping[str, lambda_.IFunction]) -> cloudwatch.GraphWidget:
    metrics = [
        function.metric("IteratorAge", label=name, statistic="Maximum", period=PERIOD)
        for name, function in functions.items()
    ]
    return _graph("Age of stream records, ms", metrics)


def _units(data: Data) -> list[cloudwatch.IWidget]:
    tables = [(table.node.id, table) for table in data.tables]
    read = [table.metric_consumed_read_capacity_units(label=name, period=PERIOD) for name, table in tables]
    written = [table.metric_consumed_write_capacity_units(label=name, period=PERIOD) for name, table in tables]
    # A table's metric does not include its indexes.
    indexed = [
        cloudwatch.Metric(
            namespace="AWS/DynamoDB",
            metric_name="ConsumedWriteCapacityUnits",
            dimensions_map={"TableName": table.table_name, "GlobalSecondaryIndexName": index},
            label=f"{name} {index}",
            statistic="Sum",
            period=PERIOD,
        )
        for name, table in tables
        for index in data.indexes[table.node.id]
    ]
    return [
        _graph("Read units of tables", read),
        _graph("Write units of tables", written),
        _graph("Write units of indexes", indexed),
    ]


def _logs(functions: Functions, api: Api) -> cloudwatch.GraphWidget:
    own = {name: function.log_group for name, function in functions.all.items() if name not in functions.serving}
    groups = {"requests": functions.request_logs, **own, "access log": api.access_logs}
    metrics = [
        cloudwatch.Metric(
            namespace="AWS/Logs",
            metric_name="IncomingBytes",
            dimensions_map={"LogGroupName": group.log_group_name},
            label=name,
            statistic="Sum",
            period=PERIOD,
        )
        for name, group in groups.items()
    ]
    return _graph("Bytes of logs", metrics)


def _reputation(configuration_set: str) -> cloudwatch.GraphWidget:
    def metric(name: str, statistic: str) -> cloudwatch.Metric:
        dimensions = {CONFIGURATION_SET: configuration_set}
        return cloudwatch.Metric(
            namespace="AWS/SES", metric_name=name, dimensions_map=dimensions, statistic=statistic, period=PERIOD
        )

    counts = [metric(name, "Sum") for name in ("Bounce", "Complaint", "Reject")]
    rates = [metric(f"Reputation.{name}Rate", "Maximum") for name in ("Bounce", "Complaint")]
    return _graph("Bounces and complaints; rates on the right", counts, rates)
