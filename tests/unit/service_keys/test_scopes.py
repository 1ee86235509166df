"""The scopes of roles."""

import pytest

from oms.service_keys.scopes import SCOPES, scopes_of


def test_admins_have_all_scopes_and_customers_none() -> None:
    assert scopes_of("admin") == set(SCOPES)
    assert scopes_of("customer") == set()


@pytest.mark.parametrize("role", ["service", "system", ""])
def test_a_key_can_make_no_other_key(role: str) -> None:
    assert scopes_of(role) == set()
