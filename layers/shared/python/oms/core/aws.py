"""The AWS session of the process: all its clients use one account, one region and one profile."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oms.core.aws_json.tracing import trace_botocore
from oms.core.settings import aws_region, aws_variable

if TYPE_CHECKING:
    import boto3
    import botocore.session

# The variables of AWS's configuration files, and where the files are without them.
_FILES = {"AWS_CONFIG_FILE": "~/.aws/config", "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials"}


@cache
def session() -> "boto3.Session":
    """Returns the session for the clients of operators' commands. Its region is None if none is configured.

    boto3 is imported here, because no function needs it.
    """
    import boto3

    return boto3.Session(botocore_session=botocore_session(), region_name=region())


@cache
def botocore_session() -> "botocore.session.Session":
    """Returns the session that finds credentials and reads configuration files."""
    import botocore.session

    return botocore.session.Session()


def botocore_client(service: str, **options: Any) -> Any:
    """Returns botocore's client of a service that `oms.core.aws_json` does not know. `options` are those of its Config.

    botocore's client is imported here, so that it takes no time before its first use.
    """
    from botocore.config import Config

    trace_botocore()
    return botocore_session().create_client(service, region_name=region(), config=Config(**options))


@cache
def s3_client() -> Any:
    """Returns the client of S3 for files of any size and for signed links."""
    return botocore_client(
        "s3",
        signature_version="s3v4",
        # The host must contain the region, since the global host cannot resolve a new bucket in its first hours.
        s3={"addressing_style": "virtual"},
        connect_timeout=2,
        read_timeout=30,
        retries={"mode": "standard", "total_max_attempts": 4},
        # The part numbers of an export have gaps, which S3 accepts only for parts without a checksum. The signature
        # covers the content, so corruption in transit is detected without one. A signed upload has none either, since
        # only its sender knows the content.
        request_checksum_calculation="when_required",
    )


def region() -> str | None:
    """Returns AWS_REGION, AWS_DEFAULT_REGION or the profile's region, in this order, as the CDK CLI does.

    botocore does not read AWS_REGION.
    """
    return aws_region() or profile().get("region")


def option(name: str) -> Any:
    """Returns an option of the AWS SDKs, such as `ca_bundle`: from its variable (AWS_CA_BUNDLE), else the profile's."""
    value = aws_variable(f"AWS_{name.upper()}")
    return profile().get(name) if value is None else value


def is_on(name: str) -> bool:
    """Returns whether an option of the AWS SDKs is `true`."""
    return str(option(name)).lower() == "true"


def profile() -> Mapping[str, Any]:
    """Returns the options of the selected profile in AWS's configuration files; none in Lambda, which has no files."""
    return botocore_session().get_scoped_config() if _has_profiles() else {}


def profile_services() -> Mapping[str, Mapping[str, str]]:
    """Returns the options of single services that the profile names with `services`, by service."""
    name = profile().get("services")
    services: Mapping[str, Mapping[str, Mapping[str, str]]] = botocore_session().full_config.get("services", {})
    return services.get(name, {}) if name else {}


def _has_profiles() -> bool:
    if aws_variable("AWS_PROFILE") or aws_variable("AWS_DEFAULT_PROFILE"):
        return True
    return any(Path(aws_variable(name) or path).expanduser().exists() for name, path in _FILES.items())
