"""Recipients of reports: active managers and admins. Their addresses are stored only in the identity table."""

from collections.abc import Collection, Sequence
from typing import cast

from oms.core import email_addresses
from oms.core.dynamodb import batch_get
from oms.identity.models import Claim, IdentityItem, User, claim_key, user_key


def may_get_reports(user: User | None) -> bool:
    return user is not None and user.status == "active" and user.role != "customer"


def by_address(addresses: Sequence[str]) -> dict[str, User]:
    """Returns the users with these addresses who may get reports, by address. It makes two reads.

    A claim counts only if the account has that address. Accounts that are older than canonical addresses
    (`oms.core.email_addresses`) may have the claim of another address.
    """
    keys = {address: claim_key(email_addresses.fold(address)) for address in addresses}
    claims = batch_get(IdentityItem, keys.values())
    owners = {address: cast(Claim, claims[key]).user_id for address, key in keys.items() if key in claims}
    users = _users(set(owners.values()))
    found = {address: users.get(user_id) for address, user_id in owners.items()}
    return {
        address: user
        for address, user in found.items()
        if user is not None
        and may_get_reports(user)
        and email_addresses.fold(user.email) == email_addresses.fold(address)
    }


def addresses_of(user_ids: Collection[str]) -> dict[str, str]:
    """Returns the address of each user by id, also of disabled users, by one read per 100 users."""
    return {user_id: user.email for user_id, user in _users(user_ids).items()}


def _users(user_ids: Collection[str]) -> dict[str, User]:
    found = batch_get(IdentityItem, [user_key(user_id) for user_id in user_ids]) if user_ids else {}
    return {user.id: user for user in found.values() if isinstance(user, User)}
