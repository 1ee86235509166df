"""Locks on an account, lifted: by whoever reads its mail, or by an admin."""

from oms import audit, clock
from oms.dynamodb import delete_item, get_item, retrying, transaction
from oms.errors import NotFoundError
from oms.identity import passwords
from oms.identity.access import CurrentUser
from oms.identity.limits import Standing
from oms.identity.models import Counter, Device, IdentityItem, User, counter_key, device_key, user_key
from oms.pages import HIGHEST, Range, table_page

_DEVICES = 100


def remove_locked_devices(user_id: str) -> None:
    """A device that was locked is known no more, and its next login counts for the account. One call, if none is."""
    now = int(clock.now().timestamp())
    pk, first = device_key(user_id, "")
    position: str | None = None
    while True:
        page = table_page(Device, pk, Range(_DEVICES, low=first, high=first + HIGHEST, after=position))
        for device in page.items:
            if Standing.of(device, now).is_locked(now):
                delete_item(device)
        position = page.position
        if position is None:
            return


def unlock(user_id: str, *, by: CurrentUser, address: str) -> None:
    """Ends every lock on an account, and forgets its failures. Raises NotFoundError."""
    user = get_item(IdentityItem, user_key(user_id))
    if not isinstance(user, User):
        raise NotFoundError("There is no such user.")
    remove_locked_devices(user.id)
    counter = Counter(*counter_key(passwords.email_digest(user.email_folded)))
    entry = audit.entry(
        "account.unlocked", actor_id=by.id, actor_role=by.role, address=address, target=f"user#{user.id}"
    )

    def write() -> None:
        with transaction() as writes:
            writes.delete(counter)
            writes.save(entry)

    retrying(write)
