"""Attempts to sign in, counted before the password is compared.

One transaction counts an attempt for the address and for the account (or the known device), if the counters have not
changed since they were read. So concurrent attempts cannot exceed the limit. An attempt on an unknown, locked or
disabled account takes the same steps, computes one bcrypt too, and gets the same response.
"""

from dataclasses import dataclass, field
from typing import Any, cast

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms.audit import audit_log
from oms.core import clock, email_addresses, pseudonyms
from oms.core.dynamodb import batch_get
from oms.core.rate_limits import RateWindow, ReportAllowance
from oms.core.retries import ConcurrentUpdateError, retrying
from oms.core.settings import settings
from oms.core.transactions import TransactionError, transaction
from oms.identity import passwords
from oms.identity.lockout import LockState
from oms.identity.models import (
    AccountCounter,
    Claim,
    Device,
    IdentityItem,
    RateCounter,
    User,
    claim_key,
    counter_key,
    device_key,
    rate_counter_key,
    user_key,
)
from oms.identity.opaque_tokens import DeviceToken, hashed
from oms.identity.passwords import PasswordHash


@dataclass(frozen=True)
class LoginAttempt:
    """One attempt to sign in with a password. By its id, a repeated write detects that it was applied before."""

    email_folded: str
    email_digest: str
    address: str
    device_token: DeviceToken | None = None
    id: str = field(default_factory=clock.random_id)


@dataclass(frozen=True)
class CountedAttempt:
    """An attempt that was counted `on` an account or a device.

    `compares` is false if that was locked before. `locks` is true if this attempt locks it.
    """

    user_id: str | None
    on: AccountCounter | Device
    compares: bool
    locks: bool = False


def count(attempt: LoginAttempt, report: ReportAllowance) -> CountedAttempt:
    """Counts the attempt for its address and account. Raises TooManyRequestsError (by address), UnavailableError."""
    return retrying(lambda: _count(attempt, report))


def is_right(password: str, user: User | None, counted: CountedAttempt) -> bool:
    """Returns whether this is the user's password. Computes one bcrypt always, even without a hash to compare with."""
    if user is None or user.status != "active" or user.password_hash is None or not counted.compares:
        return passwords.matches(password, None)
    return passwords.matches(password, PasswordHash(user.password_hash, user.pepper_version))


def _count(attempt: LoginAttempt, report: ReportAllowance) -> CountedAttempt:
    """Counts the attempt once. Raises ConcurrentUpdateError if another attempt was counted meanwhile."""
    now = int(clock.now().timestamp())
    window = RateWindow("login", settings().login_limit, now)
    calls, user_id, on = _read(attempt, window)
    if attempt.id in (calls.attempt, on.attempt):  # an earlier write of this attempt succeeded; its response was lost
        report(window.allowance(calls.n))
        compares = on.attempt == attempt.id
        return CountedAttempt(user_id, on, compares, locks=compares and LockState.of(on, now).locks)
    if calls.n >= window.limit:
        report(window.allowance(window.limit))
        raise window.refusal()
    lock_state = LockState.of(on, now)
    compares = not lock_state.is_locked(now)
    counted = lock_state.after_failure(now)
    try:
        with transaction() as writes:
            writes.update(calls, *calls.increment_once(window.limit, attempt.id))
            if compares:
                writes.update(on, *_count_actions(attempt, on, counted, user_id, now))
            else:  # the same number of operations, so that timing does not reveal a lock
                writes.check(on, type(on).attempt == on.attempt)
    except TransactionError as error:
        if error.any_failed:
            raise ConcurrentUpdateError from error
        raise
    report(window.allowance(calls.n + 1))
    return CountedAttempt(user_id, on, compares, locks=compares and counted.locks)


def _read(attempt: LoginAttempt, window: RateWindow) -> tuple[RateCounter, str | None, AccountCounter | Device]:
    """Returns the address's counter, the id of the account's user, and the counter of the account or known device.

    A counter that is not stored yet is returned empty.
    """
    # An impossible address takes the same reads, under a valid key that no user can claim.
    claimed = attempt.email_folded if email_addresses.is_plausible(attempt.email_folded) else attempt.email_digest
    claim_at, counter_at = claim_key(claimed), counter_key(attempt.email_digest)
    calls_at = rate_counter_key(window.policy, attempt.address, window.number)
    token = attempt.device_token
    # The device's user is read too: their `devices_epoch` decides whether the device is still known.
    device_at = (device_key(token.user_id, hashed(token.secret)), user_key(token.user_id)) if token else ()
    found: dict[Any, IdentityItem] = batch_get(IdentityItem, [claim_at, counter_at, calls_at, *device_at])
    claim = cast(Claim | None, found.get(claim_at))
    user_id = claim.user_id if claim and claim.reserved_until is None else None
    calls = RateCounter.of(window, attempt.address)
    if stored := cast(RateCounter | None, found.get(calls_at)):
        calls.n, calls.attempt = stored.n, stored.attempt
    device, owner = (found.get(key) for key in device_at or (None, None))
    if isinstance(device, Device) and isinstance(owner, User) and _is_known(device, owner, user_id, window.now):
        return calls, user_id, _without_lifted_failures(device, owner)
    counter = cast(AccountCounter | None, found.get(counter_at)) or AccountCounter(pk=counter_at[0], sk=counter_at[1])
    return calls, user_id, counter


def _is_known(device: Device, owner: User, user_id: str | None, now: int) -> bool:
    return owner.id == user_id and device.epoch == owner.devices_epoch and now < device.expires_at


def _without_lifted_failures(device: Device, owner: User) -> Device:
    """Returns the device without its failures of the time before an admin lifted the user's locks."""
    if device.locks_epoch != owner.locks_epoch:
        device.locks_epoch, device.forgotten_at = owner.locks_epoch, 0
    return device


def _count_actions(
    attempt: LoginAttempt, on: AccountCounter | Device, counted: LockState, user_id: str | None, now: int
) -> tuple[list[Action], Condition]:
    """Returns the update that counts the attempt as a failure until it succeeds.

    The update is conditional: it fails if another attempt was counted meanwhile.
    """
    kind = type(on)
    actions: list[Action] = [
        kind.failures.set(counted.failures),
        kind.level.set(counted.level),
        kind.locked_until.set(counted.locked_until),
        kind.forgotten_at.set(counted.forgotten_at(now)),
        kind.attempt.set(attempt.id),
    ]
    if isinstance(on, AccountCounter):
        actions += [AccountCounter.kind.set(AccountCounter), AccountCounter.expires_at.set(counted.forgotten_at(now))]
        if user_id:
            actions.append(AccountCounter.user_id.set(user_id))
    else:
        actions.append(Device.locks_epoch.set(on.locks_epoch))
    seen: Condition = kind.attempt == on.attempt if on.attempt else kind.attempt.does_not_exist()
    return actions, seen & kind.pk.exists() if isinstance(on, Device) else seen


def record_failure(attempt: LoginAttempt, counted: CountedAttempt, user: User | None) -> None:
    """Records a failure, and the lock if this attempt locked the account.

    If the function is stopped before, the lock has no audit entry, event or mail. No other process may write them,
    since the password may have been right.
    """
    if user is None:
        reason = "unknown"
    elif not counted.compares:
        reason = "locked"
    else:
        reason = "wrong-password" if user.status == "active" else "disabled"
    about = {"counted_on": "device" if isinstance(counted.on, Device) else "account"}
    if email := pseudonyms.pseudonym("e-mail", attempt.email_folded, clock.timestamp(clock.now())):
        about["email"] = email
    target = f"user#{user.id}" if user else None
    failure = audit_log.entry(
        "login",
        actor_id=None,
        address=attempt.address,
        target=target,
        outcome="failure",
        details={**about, "reason": reason},
    )
    lock = audit_log.entry("account.locked", actor_id=None, address=attempt.address, target=target, details=about)
    at, sets_locked_at = clock.timestamp(clock.now()), counted.locks and isinstance(counted.on, AccountCounter)
    account = AccountCounter(counted.on.pk, counted.on.sk)

    def write() -> None:
        nonlocal sets_locked_at
        try:
            with transaction() as writes:
                writes.save(failure)
                if counted.locks:
                    writes.save(lock)
                if sets_locked_at:
                    writes.update(account, [AccountCounter.locked_at.set(at)], AccountCounter.attempt == attempt.id)
        except TransactionError as error:
            if not error.failed(account):
                raise
            sets_locked_at = False  # the lock was lifted meanwhile
            raise ConcurrentUpdateError from error

    retrying(write)
