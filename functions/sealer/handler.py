"""Seals audit entries from the audit table's stream, and each hour the items that the stream did not deliver."""

from datetime import timedelta
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from oms.audit import sealing
from oms.audit.tampering import NewEntry, Tampering, classify_change
from oms.core.settings import require
from oms.events import streams
from oms.events.consumers import observed

require("audit_bucket", "audit_keys_secret", "poison_queue_url")

logger = Logger()
metrics = Metrics()


@observed
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> None:
    """Seals the entries of `{"Records": […]}`, from the stream.

    `{"hours": n}`, each hour, seals the unsealed items of the last n hours and anchors the chain's head.
    """
    if "Records" in event:
        sealed = _seal(event["Records"])
    else:
        sealed = sealing.seal_unsealed(since=timedelta(hours=event["hours"]), alarm=report_foreign_item)
        head = sealing.anchor_head(alarm=report_foreign_item)
        metrics.add_metric("AuditWitnesses", MetricUnit.Count, 1)
        logger.info("put the chain's head into the bucket", chain=head.day, position=head.position)
    metrics.add_metric("AuditEntriesSealed", MetricUnit.Count, sealed)
    logger.info("sealed entries", entries=sealed)


def _seal(records: list[dict[str, Any]]) -> int:
    entries = []
    for _, change in streams.decode_records(records, classify_change):
        if isinstance(change, Tampering):
            report_tampering(f"an item of the audit log was {change.how}", change.place)
        elif isinstance(change, NewEntry):
            entries.append(change.item)
    return sealing.seal(entries, alarm=report_foreign_item)


def report_foreign_item(place: str) -> None:
    report_tampering("an item of the audit log was not written by the system", place)


def report_tampering(problem: str, place: str) -> None:
    logger.error(problem, place=place)
    metrics.add_metric("AuditTampered", MetricUnit.Count, 1)
