"""The environment of a simulated function: that of a deployment, without X-Ray and logs."""

import os
from collections.abc import Mapping

_TABLES = ("identity", "inventory", "orders", "audit", "events", "webhooks", "reports", "search")
_SECRETS = ("signing_keys", "pepper", "origin", "audit_keys", "address_keys", "webhook_keys")
_QUEUES = ("expiry", "poison", "stock_check", "delivery", "slow_delivery", "replay", "export")


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment of a worker, with these settings. Hashes are fixed, so that each run is the same."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONHASHSEED": "0",
        # Powertools warns if an invocation has no metrics.
        "PYTHONWARNINGS": "ignore",
        "PYTHONPATH": os.pathsep.join(("layers/shared/python", "functions")),
        "AWS_ACCESS_KEY_ID": "capacity",
        "AWS_SECRET_ACCESS_KEY": "capacity",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "LAMBDA_TASK_ROOT": "/var/task",
        **{f"OMS_{it.upper()}_TABLE": it for it in _TABLES},
        **{f"OMS_{it.upper()}_SECRET": f"oms/{it}" for it in _SECRETS},
        **{
            f"OMS_{it.upper()}_QUEUE_URL": f"https://sqs.eu-central-1.amazonaws.com/123456789012/{it}" for it in _QUEUES
        },
        **{f"OMS_{it}_BUCKET": it.lower() for it in ("AUDIT", "EXPORTS")},
        "OMS_EVENT_BUS": "oms",
        "OMS_MAIL_FROM": "shop@shop.example",
        "OMS_PUBLIC_URL": "https://shop.example",
        "OMS_STAGE": "prod",
        "OMS_VERSION": "1.0.0",
        "OMS_SHIPPING_MAX": "1000.00",
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
        "POWERTOOLS_METRICS_NAMESPACE": "Oms",
        "POWERTOOLS_SERVICE_NAME": "capacity",
        "POWERTOOLS_TRACE_DISABLED": "true",
        **settings,
    }
