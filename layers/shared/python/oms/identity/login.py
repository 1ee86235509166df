"""Signing in with a password.

The slots of the address and of the account (or the known device) are taken before the password is compared, in one
transaction on condition of what was read. So however many attempts run at once, no more than the limit are compared.
An unknown, locked or disabled account takes the same steps, the same one bcrypt, and gets the same answer.
"""

from dataclasses import dataclass, field
from typing import Any, cast

from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms import audit, clock
from oms.dynamodb import TryAgainError, batch_get, failed, get_item, retrying, transaction
from oms.errors import InvalidCredentialsError
from oms.identity import emails, keyring, passwords
from oms.identity.limits import Report, Standing, Window
from oms.identity.models import (
    Claim,
    Counter,
    Device,
    IdentityItem,
    Slot,
    User,
    claim_key,
    counter_key,
    device_key,
    slot_key,
    user_key,
)
from oms.identity.opaque_tokens import DeviceToken, hashed, new_secret
from oms.identity.passwords import PasswordHash
from oms.identity.schemas import LoginRequest
from oms.identity.sessions import Tokens, start_session
from oms.settings import settings

DEVICE_SECONDS = 180 * 24 * 3600


@dataclass(frozen=True)
class Login:
    tokens: Tokens
    device_token: str


@dataclass(frozen=True)
class _Attempt:
    """One try to sign in. Its id lets a repeated write find out that it was made before."""

    email_folded: str
    email_digest: str
    device_token: DeviceToken | None
    address: str
    id: str = field(default_factory=clock.random_id)


@dataclass(frozen=True)
class _Count:
    """What an attempt was counted on. `compares` unless that was locked; `locks` if this attempt locked it."""

    user_id: str | None
    on: Counter | Device
    compares: bool
    locks: bool = False


def log_in(request: LoginRequest, *, address: str, user_agent: str, report: Report) -> Login:
    """Raises InvalidCredentialsError, TooManyRequestsError (by address), UnavailableError."""
    keyring.signing_key()  # without one nobody can sign in, and nothing shall be counted
    email_folded = emails.fold(request.email)
    attempt = _Attempt(
        email_folded=email_folded,
        email_digest=passwords.email_digest(email_folded),
        device_token=DeviceToken.parse(request.device_token or ""),
        address=address,
    )
    count = retrying(lambda: _count(attempt, report))
    user = cast(User | None, get_item(IdentityItem, user_key(count.user_id or "unknown")))
    is_right = passwords.matches(request.password, _comparable(user, count))
    if user is None or not is_right:
        _record_failure(attempt, count, user)
        raise InvalidCredentialsError
    return _sign_in(user, attempt, count, user_agent)


def _comparable(user: User | None, count: _Count) -> PasswordHash | None:
    if user is None or user.status != "active" or not count.compares:
        return None
    return PasswordHash(user.password_hash, user.pepper_version)


def _count(attempt: _Attempt, report: Report) -> _Count:
    """Takes the slots of address and account. Raises TryAgainError when another attempt came between."""
    now = int(clock.now().timestamp())
    window = Window("login", settings().login_limit, now)
    slot, user_id, on = _read(attempt, window)
    if attempt.id in (slot.attempt, on.attempt):  # it was written, and its answer was lost
        report(window.allowance(slot.n))
        compares = on.attempt == attempt.id
        return _Count(user_id, on, compares, locks=compares and Standing.of(on, now).locks)
    if slot.n >= window.limit:
        report(window.allowance(window.limit))
        raise window.refusal()
    standing = Standing.of(on, now)
    compares = not standing.is_locked(now)
    counted = standing.after_failure(now)
    try:
        with transaction() as writes:
            writes.update(slot, *window.taking(attempt.id))
            if compares:
                writes.update(on, *_counting(attempt, on, counted, user_id, now))
            else:  # as many operations, so that a lock cannot be told by the time they take
                writes.condition_check(type(on), on.pk, on.sk, condition=type(on).attempt == on.attempt)
    except TransactWriteError as error:
        if any(failed(reason) for reason in error.cancellation_reasons):
            raise TryAgainError from error
        raise
    report(window.allowance(slot.n + 1))
    return _Count(user_id, on, compares, locks=compares and counted.locks)


def _read(attempt: _Attempt, window: Window) -> tuple[Slot, str | None, Counter | Device]:
    """The address's slot, the account's user, and what counts the attempt, as they are stored or would begin."""
    # What cannot be an address is looked for all the same, under a name that nobody can claim and a key can hold.
    claimed = attempt.email_folded if emails.is_plausible(attempt.email_folded) else attempt.email_digest
    claim_at, counter_at = claim_key(claimed), counter_key(attempt.email_digest)
    slot_at = slot_key(window.policy, attempt.address, window.number)
    token = attempt.device_token
    device_at = device_key(token.user_id, hashed(token.secret)) if token else None
    found: dict[Any, IdentityItem] = batch_get(
        IdentityItem, [claim_at, counter_at, slot_at, *([device_at] if device_at else [])]
    )
    claim = cast(Claim | None, found.get(claim_at))
    user_id = claim.user_id if claim else None
    slot = cast(Slot | None, found.get(slot_at)) or window.slot(attempt.address)
    device = cast(Device | None, found.get(device_at))
    if device and device.user_id == user_id and window.now < device.expires_at:
        return slot, user_id, device
    counter = cast(Counter | None, found.get(counter_at)) or Counter(pk=counter_at[0], sk=counter_at[1])
    return slot, user_id, counter


def _counting(
    attempt: _Attempt, on: Counter | Device, counted: Standing, user_id: str | None, now: int
) -> tuple[list[Action], Condition]:
    """Counts the attempt as a failure, until it has succeeded, provided that no other came between."""
    kind = type(on)
    actions: list[Action] = [
        kind.failures.set(counted.failures),
        kind.level.set(counted.level),
        kind.locked_until.set(counted.locked_until),
        kind.forgotten_at.set(counted.forgotten_at(now)),
        kind.attempt.set(attempt.id),
    ]
    if isinstance(on, Counter):
        actions += [Counter.kind.set(Counter), Counter.expires_at.set(counted.forgotten_at(now))]
        if user_id:
            actions.append(Counter.user_id.set(user_id))
    seen: Condition = kind.attempt == on.attempt if on.attempt else kind.attempt.does_not_exist()
    return actions, seen & kind.pk.exists() if isinstance(on, Device) else seen


def _record_failure(attempt: _Attempt, count: _Count, user: User | None) -> None:
    if user is None:
        reason = "unknown"
    elif not count.compares:
        reason = "locked"
    else:
        reason = "wrong-password" if user.status == "active" else "disabled"
    about = {"email": attempt.email_digest, "counted_on": "device" if isinstance(count.on, Device) else "account"}
    target = f"user#{user.id}" if user else None
    failure = audit.entry(
        "login",
        actor_id=None,
        address=attempt.address,
        target=target,
        outcome="failure",
        details={**about, "reason": reason},
    )
    lock = audit.entry("account.locked", actor_id=None, address=attempt.address, target=target, details=about)

    def write() -> None:
        with transaction() as writes:
            writes.save(failure)
            if count.locks:
                writes.save(lock)

    retrying(write)


def _sign_in(user: User, attempt: _Attempt, count: _Count, user_agent: str) -> Login:
    session, tokens = start_session(user, address=attempt.address, user_agent=user_agent)
    token = attempt.device_token if isinstance(count.on, Device) else None
    device_token = token or DeviceToken(user.id, new_secret())
    pk, sk = device_key(user.id, hashed(device_token.secret))
    expires_at = int(clock.now().timestamp()) + DEVICE_SECONDS
    device = Device(pk=pk, sk=sk, user_id=user.id, expires_at=expires_at)
    entry = audit.entry(
        "login",
        actor_id=user.id,
        actor_role=user.role,
        address=attempt.address,
        target=f"session#{session.id}",
        details={"device": "new" if token is None else "known"},
    )

    def write() -> None:
        with transaction() as writes:
            writes.save(session)
            writes.save(device)  # anew: its count of failures starts again
            writes.save(entry)
            if isinstance(count.on, Counter):
                writes.delete(count.on)

    retrying(write)
    return Login(tokens, str(device_token))
