"""The saved addresses of a user.

All are in one item, so the maximum number and the default flags need one condition only: the item is unchanged since
it was read.
"""

from collections.abc import Callable, Sequence
from typing import Any

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms.core import clock
from oms.core.dynamodb import ConditionFailedError, batch_get, update_item
from oms.core.errors import NotFoundError, TooManyAddressesError
from oms.core.idempotency import IdempotentResult, check_same_request, keyed_id, request_hash
from oms.core.retries import ConcurrentUpdateError, retrying
from oms.core.versions import ExpectedVersion
from oms.identity.models import IdentityItem, SavedAddresses, saved_addresses_key
from oms.identity.saved_address_schemas import AddAddressRequest, UpdateAddressRequest

MAX_SAVED_ADDRESSES = 20
_DEFAULTS = ("default_shipping", "default_billing")

type SavedAddress = dict[str, Any]
"""The fields of SavedAddressResponse, and the hash of the request that saved it."""


def list_addresses(user_id: str) -> list[SavedAddress]:
    return _read(user_id).content


def get_address(user_id: str, address_id: str) -> SavedAddress:
    """Returns the address. Raises NotFoundError."""
    return _find(list_addresses(user_id), address_id)


def add_address(user_id: str, request: AddAddressRequest, *, key: str | None) -> IdempotentResult[SavedAddress]:
    """Saves the address, once for each key while it is saved. Raises TooManyAddressesError, UnavailableError."""
    address_id = keyed_id(user_id, "POST /api/v1/auth/me/addresses", key)
    presented, at = request_hash(request), clock.timestamp(clock.now())
    added = request.model_dump() | {
        "id": address_id,
        "version": 1,
        "created_at": at,
        "updated_at": at,
        "request_hash": presented.stored,
    }
    found: SavedAddress | None = None

    def add(addresses: list[SavedAddress], *, is_repeated: bool) -> list[SavedAddress]:
        nonlocal found
        stored = next((it for it in addresses if it["id"] == address_id), None)
        if stored is not None:
            check_same_request(stored["request_hash"], presented)
            found = None if is_repeated else stored
            return addresses
        if len(addresses) >= MAX_SAVED_ADDRESSES:
            raise TooManyAddressesError(
                f"There are {MAX_SAVED_ADDRESSES} saved addresses, which is the maximum. Delete one that is not needed."
            )
        return [*_without_defaults(addresses, added, at), added]

    _change(user_id, add)
    return IdempotentResult(found or added, replayed=found is not None)


def update_address(
    user_id: str, address_id: str, request: UpdateAddressRequest, *, expected_version: ExpectedVersion
) -> SavedAddress:
    """Changes the fields of the request. Returns the changed address.

    Raises NotFoundError, StaleVersionError, UnavailableError.
    """
    fields, at = request.model_dump(exclude_unset=True), clock.timestamp(clock.now())
    changed: SavedAddress = {}

    def update(addresses: list[SavedAddress], *, is_repeated: bool) -> list[SavedAddress]:
        nonlocal changed
        stored = _find(addresses, address_id)
        if is_repeated and stored == changed:
            return addresses
        expected_version.check(stored["version"])
        changed = stored | fields
        if changed == stored:
            return addresses
        changed |= {"version": stored["version"] + 1, "updated_at": at}
        return [changed if it["id"] == address_id else it for it in _without_defaults(addresses, changed, at)]

    _change(user_id, update)
    return changed


def delete_address(user_id: str, address_id: str, *, expected_version: ExpectedVersion) -> None:
    """Deletes the address. Raises NotFoundError, StaleVersionError, UnavailableError."""

    def delete(addresses: list[SavedAddress], *, is_repeated: bool) -> list[SavedAddress]:
        kept = [it for it in addresses if it["id"] != address_id]
        if not (is_repeated and kept == addresses):
            expected_version.check(_find(addresses, address_id)["version"])
        return kept

    _change(user_id, delete)


def _find(addresses: Sequence[SavedAddress], address_id: str) -> SavedAddress:
    for address in addresses:
        if address["id"] == address_id:
            return address
    raise NotFoundError("Address not found.")


def _without_defaults(addresses: Sequence[SavedAddress], new: SavedAddress, at: str) -> list[SavedAddress]:
    """Returns the addresses, without the default flags that the new or changed address takes over."""

    def without(address: SavedAddress) -> SavedAddress:
        lost = [name for name in _DEFAULTS if new[name] and address[name] and address["id"] != new["id"]]
        changes = {"version": address["version"] + 1, "updated_at": at} if lost else {}
        return address | dict.fromkeys(lost, False) | changes

    return [without(address) for address in addresses]


def _change(user_id: str, change: Callable[..., list[SavedAddress]]) -> None:
    """Stores the list that `change` returns for the stored one, on condition that the item is unchanged.

    `change` gets `is_repeated=True` after a write whose response was lost, which may have been carried out.
    """
    is_repeated = False

    def write() -> None:
        nonlocal is_repeated
        stored = _read(user_id)
        content = change(stored.content, is_repeated=is_repeated)
        if content == stored.content:
            return
        unchanged: Condition = (
            SavedAddresses.version == stored.version if stored.version else SavedAddresses.pk.does_not_exist()
        )
        actions: list[Action] = [
            SavedAddresses.kind.set(SavedAddresses),
            SavedAddresses.addresses.set(content),
            SavedAddresses.version.set(stored.version + 1),
        ]
        is_repeated = True
        try:
            update_item(SavedAddresses(*saved_addresses_key(user_id)), actions, unchanged)
        except ConditionFailedError as error:
            raise ConcurrentUpdateError from error

    retrying(write)


def _read(user_id: str) -> SavedAddresses:
    key = saved_addresses_key(user_id)
    found = batch_get(IdentityItem, [key]).get(key)
    return found if isinstance(found, SavedAddresses) else SavedAddresses(*key)
