"""Setup of every test: the environment is set before any of the system's code is imported."""

import gc
import os
from pathlib import Path

import pytest
from hypothesis import settings

# No deadline: an example must not fail because the machine is busy. The same examples in each run: a run fails because
# of a change and not by chance. `make test-random` searches with new ones.
settings.register_profile("full", deadline=None, derandomize=True)
settings.register_profile("quick", deadline=None, derandomize=True, max_examples=10)
settings.register_profile("random", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "full"))

os.environ.update(
    {
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
        # Powertools' tracer takes long to import outside Lambda.
        "LAMBDA_TASK_ROOT": "/var/task",
        "POWERTOOLS_TRACE_DISABLED": "true",
        "POWERTOOLS_METRICS_NAMESPACE": "Oms",
        "POWERTOOLS_SERVICE_NAME": "tests",
        "OMS_IDENTITY_TABLE": "identity",
        "OMS_INVENTORY_TABLE": "inventory",
        "OMS_ORDERS_TABLE": "orders",
        "OMS_AUDIT_TABLE": "audit",
        "OMS_SIGNING_KEYS_SECRET": "oms/test/signing-keys",
        "OMS_JWKS_PARAMETER": "/oms/test/jwks",
        "OMS_PEPPER_SECRET": "oms/test/pepper",
        "OMS_ORIGIN_SECRET": "oms/test/origin",
        "OMS_AUDIT_KEYS_SECRET": "oms/test/audit-keys",
        "OMS_ADDRESS_KEYS_SECRET": "oms/test/address-keys",
        "OMS_AUDIT_BUCKET": "audit-heads",
        "OMS_STOCK_CHECK_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/stock-check",
        "OMS_WEBHOOK_KEYS_SECRET": "oms/test/webhook-keys",
        "OMS_EXPIRY_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/expiry",
        "OMS_DELIVERY_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/deliveries",
        "OMS_SLOW_DELIVERY_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/slow-deliveries",
        "OMS_REPLAY_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/replays",
        "OMS_EXPORT_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/exports",
        "AWS_LAMBDA_LOG_GROUP_NAME": "requests",
        "OMS_EXPORTS_BUCKET": "exports",
        "OMS_IMPORT_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/imports",
        "OMS_IMPORTS_BUCKET": "imports",
        "OMS_SCHEDULE_GROUP": "oms-test",
        "OMS_SCHEDULE_ROLE": "arn:aws:iam::123456789012:role/schedules",
        "OMS_SCHEDULE_TARGET": "arn:aws:sqs:eu-central-1:123456789012:runs",
        "OMS_SCHEDULE_DEAD_LETTERS": "arn:aws:sqs:eu-central-1:123456789012:runs-dead-letters",
        "OMS_VERSION": "0.1.0",
        "OMS_RESPONSE_CHECK_EVERY": "1",
        # Tests of the limit set it: otherwise each user's first request of a test would make one more call.
        "OMS_CUSTOMER_REQUESTS": "0",
        "OMS_ANONYMOUS_REQUESTS": "0",
        "OMS_MANAGER_REQUESTS": "0",
        "OMS_SHIPPING_MAX": "1000.00",
    }
)


def pytest_configure(config: pytest.Config) -> None:
    if "RECORD_PRIVILEGES" in os.environ:
        from tests.support.recorder import Recording  # after the environment is set

        config.pluginmanager.register(Recording(Path(os.environ["RECORD_PRIVILEGES"])))
    if "RECORD_ANSWERS" in os.environ:
        from tests.support.contract import RecordedAnswers

        config.pluginmanager.register(RecordedAnswers(Path(os.environ["RECORD_ANSWERS"])))


def pytest_collection_finish() -> None:
    """Excludes the objects that exist now from garbage collection, which otherwise takes a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-events", action="store_true", help="write the files about events: see local/events.py")
