"""Schemathesis, with all its checks, as each role: no 5xx, and no answer outside the document.

In process, behind a port: there it makes more requests a second than on the local cloud, which `make fuzz` is for.
"""

import pytest

from local import demo, seed
from oms.identity import passwords
from tests.support.fuzzing.run import ACCOUNTS, fuzz
from tests.support.fuzzing.server import served
from tests.support.gateway import call

# For each operation, beside those of the bounds of its schema, which are most of them: 5,000 cases in all.
EXAMPLES = 6
CASES = {"customer": 900, "manager": 1_800, "admin": 2_300}
# The functions let managers and admins have a shorter one on the local cloud alone.
PASSWORD = "demo-pass-of-fifteen"


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("role", ACCOUNTS)
def test_no_answer_is_outside_the_document(
    cloud: None, no_sleep: None, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    monkeypatch.setattr(passwords, "COST", 4)  # what bcrypt costs is not tested here
    monkeypatch.setattr(demo, "PASSWORD", PASSWORD)
    seed.seed()
    tokens = call("POST", "/api/v1/auth/login", {"email": ACCOUNTS[role], "password": PASSWORD}).json

    with served() as base_url:
        outcome = fuzz(base_url, role=role, token=tokens["access_token"], examples=EXAMPLES)

    assert outcome.passed, outcome.output
    assert outcome.cases >= CASES[role], outcome.output
