"""Locks on an account, lifted by an admin."""

from oms.audit import audit_log
from oms.core.dynamodb import get_item, retrying, transaction
from oms.core.errors import NotFoundError
from oms.identity import passwords
from oms.identity.access import CurrentUser
from oms.identity.models import Counter, IdentityItem, User, counter_key, user_key


def unlock(user_id: str, *, by: CurrentUser, address: str) -> None:
    """Ends every lock on an account and its devices, and forgets their failures. Raises NotFoundError."""
    user = get_item(IdentityItem, user_key(user_id))
    if not isinstance(user, User):
        raise NotFoundError("There is no such user.")
    counter = Counter(*counter_key(passwords.email_digest(user.email_folded)))
    entry = audit_log.entry(
        "account.unlocked", actor_id=by.id, actor_role=by.role, address=address, target=f"user#{user.id}"
    )

    def write() -> None:
        with transaction() as writes:
            writes.delete(counter)
            writes.save(entry)
            # However many devices there are: what they counted before is forgotten, and they stay known.
            writes.update(User(*user_key(user.id)), [User.locks_epoch.add(1)], User.pk.exists())

    retrying(write)
