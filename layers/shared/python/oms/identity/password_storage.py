"""Storing of a new password, on condition that the user is unchanged since the password was checked."""

from collections.abc import Callable

from pynamodb.expressions.update import Action

from oms.core.retries import ConcurrentUpdateError, retrying
from oms.core.transactions import Transaction, TransactionError, transaction
from oms.core.versions import ANY_VERSION, ExpectedVersion
from oms.identity import password_rules, passwords
from oms.identity.models import AccountCounter, User, counter_key, user_key
from oms.identity.password_rules import Owner
from oms.identity.passwords import PasswordHash

type AddWrites = Callable[[Transaction, User], None]
"""Adds the writes of the same transaction: the audit entry, and further changes that belong to the new password."""


def store_password(
    user: User,
    password: str,
    *,
    pointer: str,
    add_writes: AddWrites,
    refusal: Callable[[], Exception],
    expected_version: ExpectedVersion = ANY_VERSION,
    sets: tuple[Action, ...] = (),
) -> int:
    """Stores the password, ends all sessions, and forgets known devices and failed logins. Returns the new version.

    The write is conditional on the version, which rises with each change that the rules depend on: role, names and
    address. If the version is higher by now, the password is checked again for the stored user, and written on
    condition of that version. `sets` are further changes of the user.

    Raises InvalidRequestError, with `pointer`, if a rule forbids this user the password; StaleVersionError;
    `refusal()` if the account was disabled or its password was set meanwhile, or if a condition of `add_writes` fails;
    UnavailableError.
    """
    _require(user, password, pointer)
    new, seen = passwords.make_hash(password), user

    def write() -> int:
        nonlocal seen
        expected_version.check(seen.version)
        stored = _store(seen, new, add_writes, sets, refusal)
        if stored is None:
            return seen.version + 1
        if stored.password_hash == new.text:
            return stored.version  # stored by an earlier attempt whose response was lost: no two hashes are the same
        if stored.auth_epoch != seen.auth_epoch or stored.status != "active":
            raise refusal()
        _require(stored, password, pointer)
        seen = stored
        raise ConcurrentUpdateError

    return retrying(write)


def _require(user: User, password: str, pointer: str) -> None:
    password_rules.check_password(Owner.of(user), password, pointer=pointer)


def _store(
    user: User,
    new: PasswordHash,
    add_writes: AddWrites,
    sets: tuple[Action, ...],
    refusal: Callable[[], Exception],
) -> User | None:
    """Returns None after the write, or the stored user if its version is not that of `user`.

    Raises `refusal()` if another condition fails.
    """
    item = User(*user_key(user.id))
    try:
        with transaction() as writes:
            # The failures belong to the old password.
            writes.delete(AccountCounter(*counter_key(passwords.email_digest(user.email_folded))))
            add_writes(writes, user)
            writes.update(
                item,
                [
                    *passwords.set_actions(new),
                    User.auth_epoch.set(user.auth_epoch + 1),
                    User.devices_epoch.set(user.devices_epoch + 1),
                    User.version.set(user.version + 1),
                    *sets,
                ],
                User.version == user.version,
                return_values="ALL_OLD",
            )
    except TransactionError as error:
        if stored := error.stored(item):
            return User.from_raw_data(stored)
        if error.any_failed:
            raise refusal() from error
        raise
    return None
