"""Accounts, with cheap hashes and a fixed clock, for all tests of signing in."""

from tests.support.accounts import _cheap_hashes, account, frozen, full_cost

__all__ = ["_cheap_hashes", "account", "frozen", "full_cost"]
