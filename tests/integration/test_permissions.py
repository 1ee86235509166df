"""IAM is enforced: a function can do what its role in the template grants, and nothing else."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from local.system import LocalSystem
from tests.support.local_cloud.shop import WAIT_SECONDS

pytestmark = pytest.mark.alone
ORDERS = "/api/v1/orders"


@contextmanager
def without(system: LocalSystem, function: str, *actions: str) -> Iterator[None]:
    """In this context, the function's role lacks the statements that grant one of the actions."""
    iam = system.client("iam")
    role = system.functions()[function]["Role"].rpartition("/")[2]
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    policy = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    kept = [it for it in policy["Statement"] if not set(actions) & set(_listed(it["Action"]))]
    assert len(kept) < len(policy["Statement"])
    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy | {"Statement": kept}))
    try:
        yield
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_a_grant_taken_out_of_a_role_makes_its_requests_fail(
    system: LocalSystem, signed_in: Callable[[str], httpx.Client]
) -> None:
    alice = signed_in("alice")
    assert alice.get(ORDERS).status_code == 200

    # The emulator's own answer for a failed function, which the OpenAPI document does not have.
    with without(system, "Orders", "dynamodb:Query"), httpx.Client(trust_env=False, timeout=WAIT_SECONDS) as unchecked:
        failed = unchecked.get(str(alice.base_url.join(ORDERS)), headers=alice.headers)
        assert failed.status_code == 502, "on AWS 500"
        assert any("AccessDenied" in line for line in system.logs("Orders"))

    assert alice.get(ORDERS).status_code == 200
