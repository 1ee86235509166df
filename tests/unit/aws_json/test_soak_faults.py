"""The soak's proxy: each of its faults reaches the client as that of AWS, and has the right effect."""

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from pytest_socket import socket_allow_hosts

from oms.core.aws_json.client import Client
from tests.support.aws_server import ok, serving
from tests.support.soak.aws_faults import AwsFaults, proxied


@pytest.fixture(autouse=True)
def _no_network() -> None:
    """Allows the proxy's address too."""
    socket_allow_hosts(["127.0.0.1", "::1"])


class OneKind(AwsFaults):
    """The same fault for each call."""

    def __init__(self, kind: str | None) -> None:
        super().__init__(seed=1)
        self._kind = kind

    def draw(self, _: object) -> str | None:
        return self._kind

    def delay_seconds(self) -> float:
        return 0.01


def outcome(url: str) -> str:
    """Returns the code of the error of a transaction, or the name of another error; empty if it succeeds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", url)
        client = Client("dynamodb", read_seconds=5, max_attempts=1)
    try:
        client.transact_write_items(TransactItems=[{}, {}])
    except ClientError as error:
        return error.response["Error"]["Code"]
    except ConnectionClosedError as error:
        return type(error).__name__
    return ""


@pytest.mark.parametrize(
    ("kind", "seen", "arrived"),
    [
        (None, "", 1),
        ("late", "", 1),
        ("slow", "", 1),
        ("throttled", "ProvisionedThroughputExceededException", 0),
        ("conflict", "TransactionCanceledException", 0),
        ("500", "InternalServerError", 0),
        ("503", "ServiceUnavailable", 0),
        ("lost request", "ConnectionClosedError", 0),
        ("lost answer", "ConnectionClosedError", 1),
    ],
)
def test_each_fault_of_the_soak_is_one_of_aws(kind: str | None, seen: str, arrived: int) -> None:
    with serving([ok(closes=True)]) as server, proxied(server.port, OneKind(kind)) as url:
        assert outcome(url) == seen

    assert len(server.requests) == arrived
