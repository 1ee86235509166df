"""Administration of users: list them, change role and status. At least one active admin always remains."""

from pynamodb.expressions.update import Action

from oms.audit import audit_log
from oms.audit.models import AuditEntry
from oms.core import clock, email_addresses
from oms.core.dynamodb import ConcurrentUpdateError, batch_get, get_item, retrying
from oms.core.errors import LastAdminError, NotFoundError, OwnAccountError
from oms.core.pages import HIGHEST, LOWEST, IndexEntry, KeyRange, Page, merged_page
from oms.core.transactions import Transaction, TransactionError, transaction
from oms.core.versions import ExpectedVersion
from oms.identity import passwords
from oms.identity.access import CurrentUser
from oms.identity.models import ADMINS_KEY, USERS, AccountChange, Admins, IdentityItem, User, user_key
from oms.identity.password_rules import shortest_for
from oms.identity.schemas import ListUsersQuery

# The length of the longest address: a longer prefix matches none.
_MAX_EMAIL_BYTES = 254
# Index entries for each Query. If few users match, all that a Query returns, which ends at 1 MB.
_READ_FOR_MANY, _READ_FOR_FEW = 250, 10_000


def list_users(query: ListUsersQuery, *, after: str | None) -> Page[User]:
    """A page of users by e-mail address: one Query and one BatchGet."""
    prefix = email_addresses.fold_prefix(query.q or "")
    low = prefix.encode()[:_MAX_EMAIL_BYTES].decode(errors="ignore")

    def has_words(role: str, status: str) -> bool:
        return (not query.role or role in query.role) and (not query.status or status in query.status)

    def keep(entry: IndexEntry) -> bool:
        return has_words(entry["role"], entry["status"])

    def is_meant(user: User) -> bool:
        return user.email_folded.startswith(prefix) and has_words(user.role, user.status)

    part = KeyRange(query.limit, low=low or LOWEST, high=low + HIGHEST, after=after)
    if query.role or query.status:
        page = merged_page(USERS, ["user"], part, keep=keep, reads=_READ_FOR_FEW if _are_few(query) else _READ_FOR_MANY)
    else:
        page = merged_page(USERS, ["user"], part)
    found = batch_get(User, [(entry["pk"], entry["sk"]) for entry in page.items])
    users = [(place, found.get((entry["pk"], entry["sk"]))) for place, entry in page.placed]
    # The index lags behind the users, so role and status are checked again.
    return Page([(place, user) for place, user in users if user and is_meant(user)], page.position)


def _are_few(query: ListUsersQuery) -> bool:
    """Whether the query's role or status matches few users."""
    return (query.role is not None and "customer" not in query.role) or query.status == ("disabled",)


def get_user(user_id: str) -> User:
    """Raises NotFoundError."""
    user = get_item(IdentityItem, user_key(user_id))
    if not isinstance(user, User):
        raise NotFoundError("User not found.")
    return user


_RANK = {"customer": 1, "manager": 2, "admin": 3}


def change_role(user_id: str, role: str, *, by: CurrentUser, address: str, expected_version: ExpectedVersion) -> User:
    """As `_change`. Sessions continue, with the new role from their next request.

    If the new role needs a longer password than the user is known to have, the password is removed: all sessions end,
    and the user sets a new one by a reset mail.
    """
    return _change(user_id, "role", role, by=by, address=address, expected_version=expected_version)


def change_status(
    user_id: str, status: str, *, by: CurrentUser, address: str, expected_version: ExpectedVersion
) -> User:
    """As `_change`. Disabling permanently ends all sessions and mailed tokens."""
    return _change(user_id, "status", status, by=by, address=address, expected_version=expected_version)


def _change(
    user_id: str, name: str, value: str, *, by: CurrentUser, address: str, expected_version: ExpectedVersion
) -> User:
    """The user as changed, or as it is where there is nothing to change. Raises NotFoundError, StaleVersionError,
    OwnAccountError, LastAdminError, UnavailableError.
    """
    seen = get_user(user_id)
    expected_version.check(seen.version)
    if seen.id == by.id:
        raise _own_account()

    def write() -> User:
        nonlocal seen
        expected_version.check(seen.version)
        if getattr(seen, name) == value:
            return seen
        changed = _changed(seen, name, value, by)
        entry = audit_log.entry(
            f"user.{name}_changed",
            actor_id=by.id,
            actor_role=by.role,
            address=address,
            target=f"user#{user_id}",
            details={
                "old": getattr(seen, name),
                "new": value,
                **({"password": "removed"} if _loses_password(seen, changed) else {}),
            },
        )
        stored = _store(seen, changed, entry)
        if stored.version == changed.version and getattr(stored, name) == value:
            return stored  # if not by this attempt, by an earlier one whose answer was lost
        seen = stored
        raise ConcurrentUpdateError

    return retrying(write)


def _store(seen: User, changed: User, entry: AuditEntry) -> User:
    """Returns `changed`, or the stored user if it is no longer as `seen`. Raises LastAdminError."""
    try:
        with transaction() as writes:
            writes.save(entry)
            _update(writes, seen, changed)
            count_admins(writes, changed.is_active_admin - seen.is_active_admin)
    except TransactionError as error:
        if error.failed(seen):
            return User.from_raw_data(error.stored(seen))
        if error.failed(Admins(*ADMINS_KEY)):
            raise _last_admin() from error
        raise
    return changed


def _changed(user: User, name: str, value: str, by: CurrentUser) -> User:
    changed = User.from_raw_data(user.serialize())
    setattr(changed, name, value)
    changed.version = user.version + 1
    at = clock.timestamp(clock.now())
    changed.changed = AccountChange(actor_id=by.id, actor_role=by.role, at=at, version=changed.version)
    if value == "disabled":
        changed.auth_epoch = user.auth_epoch + 1
    if _RANK[changed.role] > _RANK[user.role] and user.password_min_length < shortest_for(changed.role):
        changed.password_hash = changed.pepper_version = None
        changed.password_min_length = 0
        changed.auth_epoch = user.auth_epoch + 1
    return changed


def _loses_password(seen: User, changed: User) -> bool:
    return seen.password_hash is not None and changed.password_hash is None


def _update(writes: Transaction, seen: User, changed: User) -> None:
    actions: list[Action] = [
        User.role.set(changed.role),
        User.status.set(changed.status),
        User.auth_epoch.set(changed.auth_epoch),
        User.version.set(changed.version),
        User.changed.set(changed.changed),
        *(passwords.removing() if _loses_password(seen, changed) else []),
    ]
    writes.update(User(*user_key(seen.id)), actions, User.version == seen.version, return_values="ALL_OLD")


def count_admins(writes: Transaction, by: int) -> None:
    """Moves the count of active admins, on condition that one is left."""
    if by:
        condition = Admins.n >= 2 if by < 0 else None
        writes.update(Admins(*ADMINS_KEY), [Admins.kind.set(Admins), Admins.n.add(by)], condition)


def _own_account() -> OwnAccountError | LastAdminError:
    """The caller is an active admin. If there is only one, the caller is the last."""
    admins = get_item(Admins, ADMINS_KEY)
    if admins is None or admins.n < 2:
        return _last_admin()
    return OwnAccountError("Admins cannot change their own account. Ask another admin.")


def _last_admin() -> LastAdminError:
    return LastAdminError("The last active admin cannot be demoted or disabled.")
