"""Schemathesis, with all its checks, as each role: no 5xx, and no undocumented answer.

In process, behind a port, where it makes more requests a second than on the local cloud, which `make fuzz` uses.
"""

import pytest

from local import demo, seed
from oms.identity import passwords
from tests.support.fuzzing.run import ACCOUNTS, fuzz
from tests.support.fuzzing.server import served
from tests.support.gateway import call

# For each operation, besides those of its schema's bounds, which are most of the 5,000 cases.
EXAMPLES = 6
CASES = {"customer": 900, "manager": 1_800, "admin": 2_300}
# Only on the local cloud may managers and admins have a shorter one.
PASSWORD = "demo-pass-of-fifteen"


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("role", ACCOUNTS)
def test_no_answer_is_outside_the_document(
    cloud: None, no_sleep: None, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    monkeypatch.setattr(passwords, "COST", 4)  # bcrypt's cost is not tested here
    monkeypatch.setattr(demo, "PASSWORD", PASSWORD)
    seed.seed()
    tokens = call("POST", "/api/v1/auth/login", {"email": ACCOUNTS[role], "password": PASSWORD}).json

    with served() as base_url:
        outcome = fuzz(base_url, role=role, token=tokens["access_token"], examples=EXAMPLES)

    assert outcome.passed, outcome.output
    assert outcome.cases >= CASES[role], outcome.output
