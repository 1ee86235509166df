"""The services and their endpoints, compared with botocore's data."""

from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import EndpointProviderError, InvalidRegionError, NoRegionError
from botocore.model import ServiceModel
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker

from oms.core.aws_json import retries, services
from oms.core.aws_json.client import Client
from oms.core.aws_json.services import SERVICES, Address, endpoint_url


@cache
def session() -> botocore.session.Session:
    return botocore.session.Session()


@cache
def model(service: str) -> ServiceModel:
    return session().get_service_model(service)


@cache
def rules(service: str) -> EndpointProvider:
    loader = session().get_component("data_loader")
    return EndpointProvider(loader.load_service_model(service, "endpoint-rule-set-1"), loader.load_data("partitions"))


def regions(*, each: int = 100) -> list[str]:
    """Returns the regions, `each` of each partition at most."""
    partitions = session().get_component("data_loader").load_data("partitions")["partitions"]
    return [region for partition in partitions for region in list(partition["regions"])[:each]]


# ---- services -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_as_botocore_describes_it(name: str) -> None:
    service, metadata = SERVICES[name], model(name).metadata

    assert metadata["protocol"] == "json"
    assert (service.target, service.version) == (metadata["targetPrefix"], metadata["jsonVersion"])
    assert metadata.get("signingName", metadata["endpointPrefix"]) == metadata["endpointPrefix"] == name
    assert service.variable == metadata["serviceId"].upper().replace(" ", "_")
    assert ("x-amzn-query-mode" in service.headers) == ("awsQueryCompatible" in metadata)


@pytest.mark.parametrize("name", SERVICES)
def test_a_call_that_may_be_repeated_has_the_token_that_botocore_sets(name: str) -> None:
    operations = [model(name).operation_model(operation) for operation in model(name).operation_names]
    tokens = {it.name: it.idempotent_members[0] for it in operations if it.idempotent_members}

    assert SERVICES[name].tokens == tokens
    assert all(len(it.idempotent_members) <= 1 for it in operations)


@pytest.mark.parametrize("name", SERVICES)
def test_an_operation_is_a_method_of_the_name_that_botocore_gives_it(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    made: list[str] = []
    monkeypatch.setattr(Client, "_make_api_call", lambda _client, operation, _parameters: made.append(operation))
    client = Client(name, read_seconds=1, max_attempts=1)
    # Systems Manager has a few names with several capitals, of resources that the system does not have.
    operations = [it for it in model(name).operation_names if "OpsItem" not in it or name != "ssm"]

    for operation in operations:
        getattr(client, xform_name(operation))()

    assert made == operations


def test_the_codes_that_are_retried_are_botocores() -> None:
    modeled = {
        shape.name
        for name in SERVICES
        for shape in model(name).error_shapes
        if shape.metadata.get("retryable") is not None
    }
    throttled, transient = ThrottledRetryableChecker, TransientRetryableChecker

    assert modeled | {*throttled._THROTTLED_ERROR_CODES, *transient._TRANSIENT_ERROR_CODES} == retries.CODES
    assert set(transient._TRANSIENT_STATUS_CODES) == retries.STATUSES


# ---- endpoints ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize(("fips", "dual_stack"), list(product([False, True], repeat=2)))
def test_an_endpoint_is_that_of_botocores_rules_in_each_region(
    monkeypatch: pytest.MonkeyPatch, name: str, fips: bool, dual_stack: bool
) -> None:
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", str(fips))
    monkeypatch.setenv("AWS_USE_DUALSTACK_ENDPOINT", str(dual_stack).lower())
    monkeypatch.setattr(services, "_rules", rules)

    for region in regions(each=2 if fips or dual_stack else 100):
        try:
            expected = rules(name).resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual_stack)
        except EndpointProviderError as error:
            with pytest.raises(type(error)):
                endpoint_url(SERVICES[name], region)
            continue
        assert endpoint_url(SERVICES[name], region) == expected.url
        scopes = expected.properties.get("authSchemes", [])
        assert {it.get("signingName", name) for it in scopes} <= {name}, "the signature names another service"
        assert {it.get("signingRegion", region) for it in scopes} <= {region}, "the signature names another region"


def test_common_regions_need_none_of_botocores_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "_rules", None)
    sovereign = ("us-iso", "eu-isoe", "eusc", "aws-")
    common = [region for region in regions() if not region.startswith(sovereign)]

    assert {endpoint_url(SERVICES["sqs"], region) for region in common} == {
        f"https://sqs.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}" for region in common
    }
    assert len(common) > 30


@pytest.mark.parametrize(
    ("mode", "account", "url"),
    [
        (None, "123456789012", "https://123456789012.ddb.eu-central-1.amazonaws.com"),
        ("preferred", "123456789012", "https://123456789012.ddb.eu-central-1.amazonaws.com"),
        ("Required", "123456789012", "https://123456789012.ddb.eu-central-1.amazonaws.com"),
        ("disabled", "123456789012", "https://dynamodb.eu-central-1.amazonaws.com"),
        ("preferred", None, "https://dynamodb.eu-central-1.amazonaws.com"),
    ],
)
def test_dynamodb_has_an_endpoint_for_an_account(
    monkeypatch: pytest.MonkeyPatch, mode: str | None, account: str | None, url: str
) -> None:
    if mode:
        monkeypatch.setenv("AWS_ACCOUNT_ID_ENDPOINT_MODE", mode)
    arguments = {"AccountId": account} if account else {}

    assert endpoint_url(SERVICES["dynamodb"], "eu-central-1", account) == url
    assert endpoint_url(SERVICES["sqs"], "eu-central-1", account) == "https://sqs.eu-central-1.amazonaws.com"
    expected = rules("dynamodb").resolve_endpoint(
        Region="eu-central-1",
        UseFIPS=False,
        UseDualStack=False,
        AccountIdEndpointMode=(mode or "preferred").lower(),
        **arguments,
    )
    assert expected.url == url


PROFILE = """
[default]
region = sa-east-1
[profile shop]
region = ap-south-1
endpoint_url = http://profile
services = own
[profile plain]
use_fips_endpoint = true
ignore_configured_endpoint_urls = true
endpoint_url = http://profile
[services own]
secrets_manager =
  endpoint_url = http://profile-secrets
"""


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"AWS_ENDPOINT_URL": "http://localhost:4566"},
        {"AWS_ENDPOINT_URL": "http://localhost:4566/", "AWS_ENDPOINT_URL_SQS": "https://queues.example:8443/x"},
        {"AWS_ENDPOINT_URL": "http://localhost", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
        {"AWS_ENDPOINT_URL_DYNAMODB": "http://localhost", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"},
        {"AWS_ENDPOINT_URL_EVENTBRIDGE": "http://bus", "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://secrets"},
        {"AWS_PROFILE": "shop"},
        {"AWS_PROFILE": "shop", "AWS_ENDPOINT_URL_SSM": "http://parameters"},
        {"AWS_PROFILE": "plain"},
        {"AWS_PROFILE": "plain", "AWS_USE_FIPS_ENDPOINT": "false"},
        {"AWS_USE_FIPS_ENDPOINT": "true", "AWS_ENDPOINT_URL": "http://localhost"},
    ],
)
def test_a_configured_endpoint_is_that_of_botocores_client(
    monkeypatch: pytest.MonkeyPatch, plain: Path, environment: dict[str, str]
) -> None:
    plain.write_text(PROFILE)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    configured = botocore.session.Session()
    # The data is megabytes of JSON.
    configured.register_component("data_loader", session().get_component("data_loader"))
    make: Any = configured.create_client  # its stubs know a service only as a literal

    for name in SERVICES:
        assert endpoint_url(SERVICES[name], "us-east-1") == make(name, "us-east-1").meta.endpoint_url


@pytest.mark.parametrize(
    ("environment", "region"),
    [
        ({"AWS_REGION": "ap-southeast-2", "AWS_DEFAULT_REGION": "eu-north-1"}, "ap-southeast-2"),
        ({"AWS_DEFAULT_REGION": "eu-north-1", "AWS_PROFILE": "shop"}, "eu-north-1"),
        ({"AWS_PROFILE": "shop"}, "ap-south-1"),
        ({}, "sa-east-1"),
    ],
)
def test_a_clients_region_is_that_of_the_environment_or_the_profile(
    monkeypatch: pytest.MonkeyPatch, plain: Path, environment: dict[str, str], region: str
) -> None:
    plain.write_text(PROFILE)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)

    assert Client("ssm", read_seconds=1, max_attempts=1).meta.region_name == region


def test_a_client_needs_a_region_with_a_possible_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(NoRegionError):
        Client("ssm", read_seconds=1, max_attempts=1)
    for region in ("eu_central_1", "evil.example/", "eu-central-1.evil.example", "-", "7"):
        monkeypatch.setenv("AWS_REGION", region)
        with pytest.raises(InvalidRegionError):
            Client("ssm", read_seconds=1, max_attempts=1)


@pytest.mark.parametrize(
    "url", ["localhost:4566", "ftp://localhost", "http://", "http://a:b@localhost", "http://x?y", "http://x/ü"]
)
def test_an_endpoint_that_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="Invalid endpoint"):
        Address(url)
