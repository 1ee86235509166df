"""Administration of users: list them, change role and status. At least one active admin always remains."""

from pynamodb.expressions.update import Action

from oms.audit import audit_log
from oms.audit.models import AuditEntry
from oms.core import clock, email_addresses
from oms.core.dynamodb import batch_get, get_item
from oms.core.errors import LastAdminError, NotFoundError, OwnAccountError
from oms.core.pages import HIGHEST, LOWEST, IndexEntry, KeyRange, Page, merged_page
from oms.core.retries import ConcurrentUpdateError, retrying
from oms.core.transactions import Transaction, TransactionError, transaction
from oms.core.versions import ExpectedVersion
from oms.identity import passwords
from oms.identity.access import CurrentUser
from oms.identity.models import ADMINS_KEY, USERS, AccountChange, Admins, IdentityItem, User, user_key
from oms.identity.password_rules import min_length_for
from oms.identity.schemas import ListUsersQuery

# No address is longer, so a longer prefix matches none.
_MAX_EMAIL_BYTES = 254
# Index entries for each Query. If few users match, a Query reads as much as it can return, which is 1 MB.
_ENTRIES_FOR_MANY, _ENTRIES_FOR_FEW = 250, 10_000


def list_users(query: ListUsersQuery, *, after: str | None) -> Page[User]:
    """Returns a page of users, sorted by e-mail address. Makes one Query and one BatchGet."""
    prefix = email_addresses.fold_prefix(query.q or "")
    low = prefix.encode()[:_MAX_EMAIL_BYTES].decode(errors="ignore")

    def has_role_and_status(role: str, status: str) -> bool:
        return (not query.role or role in query.role) and (not query.status or status in query.status)

    def keep(entry: IndexEntry) -> bool:
        return has_role_and_status(entry["role"], entry["status"])

    def matches(user: User) -> bool:
        return user.email_folded.startswith(prefix) and has_role_and_status(user.role, user.status)

    part = KeyRange(query.limit, low=low or LOWEST, high=low + HIGHEST, after=after)
    if query.role or query.status:
        reads = _ENTRIES_FOR_FEW if _matches_few(query) else _ENTRIES_FOR_MANY
        page = merged_page(USERS, ["user"], part, keep=keep, reads=reads)
    else:
        page = merged_page(USERS, ["user"], part)
    found = batch_get(User, [(entry["pk"], entry["sk"]) for entry in page.items])
    users = [(place, found.get((entry["pk"], entry["sk"]))) for place, entry in page.placed]
    # The index lags behind the users, so role and status are checked again.
    return Page([(place, user) for place, user in users if user and matches(user)], page.position)


def _matches_few(query: ListUsersQuery) -> bool:
    """Returns whether few users have the role or the status of the query."""
    return (query.role is not None and "customer" not in query.role) or query.status == ("disabled",)


def get_user(user_id: str) -> User:
    """Returns the user. Raises NotFoundError."""
    user = get_item(IdentityItem, user_key(user_id))
    if not isinstance(user, User):
        raise NotFoundError("User not found.")
    return user


_RANK = {"customer": 1, "manager": 2, "admin": 3}


def change_role(user_id: str, role: str, *, by: CurrentUser, address: str, expected_version: ExpectedVersion) -> User:
    """Changes the role, as `_change` does. Sessions continue, with the new role from their next request.

    The new role may need a longer password than the user is known to have. Then the password is removed and all
    sessions end; the user sets a new password by a reset mail.
    """
    return _change(user_id, "role", role, by=by, address=address, expected_version=expected_version)


def change_status(
    user_id: str, status: str, *, by: CurrentUser, address: str, expected_version: ExpectedVersion
) -> User:
    """Changes the status, as `_change` does. Disabling permanently ends all sessions and mailed tokens."""
    return _change(user_id, "status", status, by=by, address=address, expected_version=expected_version)


def change_open_orders_limit(user_id: str, limit: int | None, *, by: CurrentUser, address: str) -> User:
    """Sets the user's own limit of open orders, or removes it. Returns the user. Raises NotFoundError.

    Sent twice, it is set once; the audit log has the value that each request set.
    """
    user = get_user(user_id)
    set_limit = User.open_orders_limit.remove() if limit is None else User.open_orders_limit.set(limit)
    entry = audit_log.entry(
        "user.limits_changed",
        actor_id=by.id,
        actor_role=by.role,
        address=address,
        target=f"user#{user_id}",
        details={"open_orders": "default" if limit is None else limit},
    )

    def write() -> None:
        with transaction() as writes:
            writes.save(entry)
            writes.update(User(*user_key(user_id)), [set_limit], User.pk.exists())

    retrying(write)
    user.open_orders_limit = limit
    return user


def _change(
    user_id: str, name: str, value: str, *, by: CurrentUser, address: str, expected_version: ExpectedVersion
) -> User:
    """Returns the changed user, or the stored user if it has the value already.

    Raises NotFoundError, StaleVersionError, OwnAccountError, LastAdminError, UnavailableError.
    """
    seen = get_user(user_id)
    expected_version.check(seen.version)
    if seen.id == by.id:
        raise _own_account_error()

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
            return stored  # changed by this attempt, or by an earlier one whose response was lost
        seen = stored
        raise ConcurrentUpdateError

    return retrying(write)


def _store(seen: User, changed: User, entry: AuditEntry) -> User:
    """Returns `changed`, or the stored user if it differs from `seen` by now. Raises LastAdminError."""
    try:
        with transaction() as writes:
            writes.save(entry)
            _update(writes, seen, changed)
            count_admins(writes, changed.is_active_admin - seen.is_active_admin)
    except TransactionError as error:
        if error.failed(seen):
            return User.from_raw_data(error.stored(seen))
        if error.failed(Admins(*ADMINS_KEY)):
            raise _last_admin_error() from error
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
    if _RANK[changed.role] > _RANK[user.role] and user.password_min_length < min_length_for(changed.role):
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
        *(passwords.remove_actions() if _loses_password(seen, changed) else []),
    ]
    writes.update(User(*user_key(seen.id)), actions, User.version == seen.version, return_values="ALL_OLD")


def count_admins(writes: Transaction, difference: int) -> None:
    """Adds `difference` (1, 0 or -1) to the count of active admins, on condition that at least one remains."""
    if difference:
        condition = Admins.n >= 2 if difference < 0 else None
        writes.update(Admins(*ADMINS_KEY), [Admins.kind.set(Admins), Admins.n.add(difference)], condition)


def _own_account_error() -> OwnAccountError | LastAdminError:
    """Returns the error for an admin who changes their own account. An only admin is also the last one."""
    admins = get_item(Admins, ADMINS_KEY)
    if admins is None or admins.n < 2:
        return _last_admin_error()
    return OwnAccountError("Admins cannot change their own account. Ask another admin.")


def _last_admin_error() -> LastAdminError:
    return LastAdminError("The last active admin cannot be demoted or disabled. Make another user an admin first.")
