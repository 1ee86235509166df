"""Seals the audit log from its table's stream, and each hour what the stream does not bring."""

from datetime import timedelta
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from oms.audit import sealing
from oms.audit.tampering import Entry, Tampering, understand
from oms.core.settings import require
from oms.events import streams
from oms.events.consumers import observed

require("audit_bucket", "audit_keys_secret", "poison_queue_url")

logger = Logger()
metrics = Metrics()


@observed
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> None:
    """`{"Records": […]}` from the stream; `{"hours": n}` each hour: what was left out of the last n, and a witness."""
    if "Records" in event:
        sealed = _seal(event["Records"])
    else:
        sealed = sealing.seal_left_out(since=timedelta(hours=event["hours"]), ring=ring)
        head = sealing.witness(ring=ring)
        metrics.add_metric("AuditWitnesses", MetricUnit.Count, 1)
        logger.info("put into the bucket", chain=head.day, position=head.position)
    metrics.add_metric("AuditEntriesSealed", MetricUnit.Count, sealed)
    logger.info("sealed", entries=sealed)


def _seal(records: list[dict[str, Any]]) -> int:
    entries = []
    for _, told in streams.understood(records, understand):
        if isinstance(told, Tampering):
            report_tampering(f"an item of the audit log was {told.how}", told.place)
        elif isinstance(told, Entry):
            entries.append(told.item)
    return sealing.seal(entries, ring=ring)


def ring(place: str) -> None:
    report_tampering("an item of the audit log is not as the system writes it", place)


def report_tampering(what: str, place: str) -> None:
    logger.error(what, place=place)
    metrics.add_metric("AuditTampered", MetricUnit.Count, 1)
