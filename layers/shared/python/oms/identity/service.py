"""Creation of accounts, by their owners or by the system, and changes of their names."""

from dataclasses import dataclass, field

from oms.audit import audit_log
from oms.audit.models import AuditEntry
from oms.core import clock, email_addresses
from oms.core.actors import Actor, System
from oms.core.dynamodb import ConditionFailedError, update_item
from oms.core.errors import EmailTakenError
from oms.core.rate_limits import RateWindow, ReportAllowance
from oms.core.retries import ConcurrentUpdateError, retrying
from oms.core.settings import settings
from oms.core.transactions import TransactionError, transaction
from oms.core.versions import ExpectedVersion
from oms.identity import devices, password_rules, passwords
from oms.identity.access import UserRole
from oms.identity.address_limits import TAGGED_ACCOUNTS_PER_DAY, count_call, mailbox_counter, mailbox_limit_error
from oms.identity.administration import count_admins
from oms.identity.models import AccountChange, Claim, Device, RateCounter, User, claim_key, email_key, user_key
from oms.identity.opaque_tokens import hashed
from oms.identity.password_rules import Owner
from oms.identity.schemas import RegisterRequest, UpdateMeRequest


@dataclass(frozen=True)
class Registration:
    """The result of a registration: the new user, and the token of the client as a known device."""

    user: User
    device_token: str = field(repr=False)


def register(request: RegisterRequest, *, address: str, report: ReportAllowance) -> Registration:
    """Creates a customer, and makes the client their first known device.

    So failed logins of strangers do not lock out an owner who has not signed in yet. The client address is counted
    before the work that takes time. Raises TooManyRequestsError (by client address, and by mailbox),
    InvalidRequestError if a rule forbids the password, EmailTakenError, UnavailableError.
    """
    window = RateWindow("register", settings().register_limit, int(clock.now().timestamp()))
    count_call(window, address, report)
    owner = Owner("customer", request.email, request.first_name, request.last_name)
    password_rules.check_password(owner, request.password, pointer="#/password")
    user = _new_user(
        email=request.email,
        password=request.password,
        first_name=request.first_name,
        last_name=request.last_name,
        role="customer",
        by=None,
    )
    entry = audit_log.entry(
        "user.registered", actor_id=user.id, actor_role=user.role, address=address, target=f"user#{user.id}"
    )
    device_token = devices.new_token(user)
    device = devices.device_of(user, hashed(device_token.secret), epoch=user.devices_epoch)
    _store(user, entry, device, mailbox_counter(user.email_folded, window.now))
    return Registration(user, str(device_token))


def rename(user: User, request: UpdateMeRequest, *, expected_version: ExpectedVersion) -> User:
    """Changes the names. Returns the changed user, or the stored user if it has these names already.

    Raises StaleVersionError, UnavailableError.
    """
    names = request.model_dump(exclude_unset=True)
    seen = user

    def has_names(user: User) -> bool:
        return all(getattr(user, name) == value for name, value in names.items())

    def write() -> User:
        nonlocal seen
        expected_version.check(seen.version)
        if has_names(seen):
            return seen
        actions = [getattr(User, name).set(value) for name, value in names.items() if value is not None]
        actions += [getattr(User, name).remove() for name, value in names.items() if value is None]
        actions.append(User.version.set(seen.version + 1))
        try:
            return update_item(User(*user_key(seen.id)), actions, User.version == seen.version)
        except ConditionFailedError as error:
            stored = User.from_raw_data(error.item or {})
            if stored.version == seen.version + 1 and has_names(stored):
                return stored  # changed by an earlier attempt whose response was lost
            seen = stored
            raise ConcurrentUpdateError from error

    return retrying(write)


def create_user(
    *,
    email: str,
    password: str,
    first_name: str,
    last_name: str | None = None,
    role: UserRole = "customer",
    email_verified: bool = False,
) -> User:
    """Creates a user of any role, without a request. Raises EmailTakenError, and ValueError for invalid arguments."""
    password_rules.check_for_owner(Owner(role, email, first_name, last_name), password)
    user = _new_user(
        email=email_addresses.canonical(email),
        password=password_rules.check_new(password),
        first_name=first_name,
        last_name=last_name,
        role=role,
        email_verified=email_verified,
        by=System(),
    )
    entry = audit_log.entry(
        "user.created",
        actor_id=None,
        actor_role="system",
        address=None,
        target=f"user#{user.id}",
        details={"role": role},
    )
    _store(user, entry)
    return user


def _new_user(
    *,
    email: str,
    password: str,
    first_name: str,
    last_name: str | None,
    role: UserRole,
    by: Actor | None,
    email_verified: bool = False,
) -> User:
    """Returns a user to store. `by` is None if the user creates the account."""
    user_id, at = clock.random_id(), clock.timestamp(clock.now())
    pk, sk = user_key(user_id)
    password_hash = passwords.make_hash(password)
    return User(
        pk=pk,
        sk=sk,
        id=user_id,
        email=email,
        email_folded=email_addresses.fold(email),
        email_key=email_key(email_addresses.fold(email), user_id),
        email_verified=email_verified,
        first_name=first_name,
        last_name=last_name,
        role=role,
        password_hash=password_hash.text,
        pepper_version=password_hash.pepper_version,
        password_min_length=password_hash.min_length,
        created_at=at,
        changed=AccountChange(actor_id=by.id if by else user_id, actor_role=by.role if by else role, at=at, version=1),
    )


def _store(
    user: User,
    entry: AuditEntry,
    device: Device | None = None,
    mailbox: RateCounter | None = None,
) -> None:
    """Stores user, claim, audit entry and device, and counts the mailbox and an admin, in one transaction.

    A stored claim that names this user was written by an earlier attempt whose response was lost.

    Raises EmailTakenError, TooManyRequestsError (by mailbox).
    """
    pk, sk = claim_key(user.email_folded)
    claim = Claim(pk=pk, sk=sk, user_id=user.id)

    def write() -> None:
        try:
            with transaction() as writes:
                writes.save(claim, Claim.is_free(clock.now().timestamp()), return_values="ALL_OLD")
                writes.save(user, User.pk.does_not_exist())
                writes.save(entry)
                if device:
                    writes.save(device)
                if mailbox:
                    writes.update(mailbox, *mailbox.increment_once(TAGGED_ACCOUNTS_PER_DAY, user.id))
                count_admins(writes, int(user.is_active_admin))
        except TransactionError as error:
            if error.failed(claim):
                stored = error.stored(claim)
                if not stored or Claim.from_raw_data(stored).user_id != user.id:
                    raise EmailTakenError(
                        "An account with this e-mail address exists already. Sign in, or reset the password."
                    ) from error
            elif mailbox and error.failed(mailbox):
                raise mailbox_limit_error(int(clock.now().timestamp())) from error
            else:
                raise

    retrying(write)
