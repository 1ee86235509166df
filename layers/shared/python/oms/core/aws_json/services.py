"""The services that the client knows, and their addresses in each region."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from botocore.exceptions import InvalidRegionError

from oms.core import aws
from oms.core.settings import aws_variable

if TYPE_CHECKING:
    from botocore.endpoint_provider import EndpointProvider


@dataclass(frozen=True)
class Service:
    """A service that speaks AWS JSON. `name` is botocore's, and is also used in hosts and signatures.

    `variable` is its part of `AWS_ENDPOINT_URL_…`. `target` precedes the operation in X-Amz-Target. `tokens` are the
    parameters that make a repeated operation take effect once, by operation; the client sets those that are missing.
    """

    name: str
    variable: str
    target: str
    version: str
    tokens: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def content_type(self) -> str:
        return f"application/x-amz-json-{self.version}"


_SECRET_TOKENS = ("CreateSecret", "PutSecretValue", "RotateSecret", "UpdateSecret")
SERVICES = {
    service.name: service
    for service in (
        Service(
            "dynamodb",
            "DYNAMODB",
            "DynamoDB_20120810",
            "1.0",
            tokens={
                "ExecuteTransaction": "ClientRequestToken",
                "ExportTableToPointInTime": "ClientToken",
                "ImportTable": "ClientToken",
                "TransactWriteItems": "ClientRequestToken",
            },
        ),
        Service("events", "EVENTBRIDGE", "AWSEvents", "1.1"),
        Service("logs", "CLOUDWATCH_LOGS", "Logs_20140328", "1.1", tokens={"PutQueryDefinition": "clientToken"}),
        Service(
            "secretsmanager",
            "SECRETS_MANAGER",
            "secretsmanager",
            "1.1",
            tokens=dict.fromkeys(_SECRET_TOKENS, "ClientRequestToken"),
        ),
        # With this header, the codes of errors are those that SQS had before it spoke JSON, as in botocore.
        Service("sqs", "SQS", "AmazonSQS", "1.0", headers={"x-amzn-query-mode": "true"}),
        Service(
            "ssm",
            "SSM",
            "AmazonSSM",
            "1.1",
            tokens={
                "CreateMaintenanceWindow": "ClientToken",
                "CreatePatchBaseline": "ClientToken",
                "DeleteInventory": "ClientToken",
                "RegisterTargetWithMaintenanceWindow": "ClientToken",
                "RegisterTaskWithMaintenanceWindow": "ClientToken",
            },
        ),
    )
}

# Regions whose hosts are `service.region.suffix`. A test compares them with botocore's rules for all regions.
_SUFFIXES = (
    (re.compile(r"(?:af|ap|ca|eu|il|me|mx|sa|us|us-gov)-[a-z]+-\d+"), "amazonaws.com"),
    (re.compile(r"cn-[a-z]+-\d+"), "amazonaws.com.cn"),
)
_REGION = re.compile(r"(?![0-9]+$)(?!-)[a-zA-Z0-9-]{1,63}(?<!-)")


def endpoint_url(service: Service, region: str, account_id: str | None = None) -> str:
    """Returns the URL of a service, as botocore does: configured, in the common form of hosts, or by botocore's rules.

    `account_id` is that of the credentials. Raises InvalidRegionError and botocore's other errors.
    """
    if not _REGION.fullmatch(region):
        raise InvalidRegionError(region_name=region)
    if configured := _configured_url(service):
        return configured
    mode = str(aws.option("account_id_endpoint_mode") or "preferred").lower()
    has_account = service.name == "dynamodb" and (mode == "required" or (mode == "preferred" and bool(account_id)))
    fips, dual_stack = aws.is_on("use_fips_endpoint"), aws.is_on("use_dualstack_endpoint")
    suffix = next((suffix for regions, suffix in _SUFFIXES if regions.fullmatch(region)), None)
    if suffix and not (fips or dual_stack or has_account):
        return f"https://{service.name}.{region}.{suffix}"
    account = {"AccountId": account_id} if account_id else {}
    found = _rules(service.name).resolve_endpoint(
        Region=region, UseFIPS=fips, UseDualStack=dual_stack, AccountIdEndpointMode=mode, **account
    )
    return str(found.url)


def _configured_url(service: Service) -> str | None:
    if aws.is_on("ignore_configured_endpoint_urls"):
        return None
    return (
        aws_variable(f"AWS_ENDPOINT_URL_{service.variable}")
        or aws_variable("AWS_ENDPOINT_URL")
        or aws.profile_services().get(service.variable.lower(), {}).get("endpoint_url")
        or aws.profile().get("endpoint_url")
    )


@cache
def _rules(name: str) -> "EndpointProvider":
    """Returns botocore's rules for the endpoints of a service. Few deployments need them: their data is large."""
    from botocore.endpoint_provider import EndpointProvider

    loader = aws.botocore_session().get_component("data_loader")
    rules = loader.load_service_model(name, "endpoint-rule-set-1")
    return EndpointProvider(rules, loader.load_data("partitions"))


class Address:
    """The parts of an endpoint's URL. `authority` is the value of the Host header. Raises ValueError."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        is_plain = url.isascii() and not parts.query and parts.username is None
        if parts.scheme not in ("http", "https") or not parts.hostname or not is_plain:
            raise ValueError(f"Invalid endpoint: {url}")
        self.url = url
        self.is_encrypted = parts.scheme == "https"
        self.host = parts.hostname
        usual = 443 if self.is_encrypted else 80
        self.port = parts.port or usual
        name = f"[{self.host}]" if ":" in self.host else self.host
        self.authority = name if self.port == usual else f"{name}:{self.port}"
        self.path = parts.path or "/"
