"""Sessions. Each is a family of refresh tokens, one of them current, and ends after 7 days or when it is revoked."""

from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Literal

from pynamodb.expressions.update import Action

from oms.audit import audit_log
from oms.audit.models import AuditEntry
from oms.core import clock
from oms.core.dynamodb import ConditionFailedError, update_item
from oms.core.errors import NotFoundError, UnauthenticatedError
from oms.core.pages import HIGHEST, KeyRange, Page, table_page
from oms.core.rate_limits import RateWindow, ReportAllowance
from oms.core.retries import retrying
from oms.core.transactions import TransactionError, transaction
from oms.identity import tokens
from oms.identity.access import CurrentUser, is_live, read_session
from oms.identity.address_limits import REFRESHES_PER_WINDOW
from oms.identity.models import Device, Session, User, session_key
from oms.identity.opaque_tokens import RefreshToken, hashed, new_secret, open_successor, seal_successor

FAMILY_SECONDS = 7 * 24 * 3600
GRACE_SECONDS = 10
_INVALID = "The refresh token is invalid or has expired. Sign in again."


@dataclass(frozen=True)
class Tokens:
    """A user's pair of tokens, and the number of seconds for which each is valid."""

    user_id: str
    access_token: str
    refresh_token: str
    expires_in: int
    refresh_expires_in: int


def start_session(user: User, device: Device, *, address: str, user_agent: str) -> tuple[Session, Tokens]:
    """Returns a new session, for the caller's transaction, and its first pair of tokens."""
    now = clock.now()
    session_id, secret = clock.timed_id(now), new_secret()
    pk, sk = session_key(user.id, session_id)
    session = Session(
        pk=pk,
        sk=sk,
        id=session_id,
        user_id=user.id,
        epoch=user.auth_epoch,
        current=hashed(secret),
        created_at=clock.timestamp(now),
        refreshed_at=clock.timestamp(now),
        address=address,
        user_agent=user_agent,
        device=device.secret_hash,
        expires_at=int(now.timestamp()) + FAMILY_SECONDS,
    )
    return session, _pair(session, user, secret, now)


def refresh(refresh_token: str, *, received_at: datetime, address: str, report: ReportAllowance) -> Tokens:
    """Exchanges a refresh token for the next pair.

    `received_at` is the time at which the request reached the system. So all requests that a client sends at once are
    within the grace period, even if a function processes some of them late. Raises UnauthenticatedError,
    TooManyRequestsError (by session).
    """
    presented = _parse(refresh_token)
    now = clock.now()
    user, session = _read_live(presented, now)
    successor = new_secret()
    pair = _pair(session, user, successor, now)  # raises if there is no signing key, before the first write
    window = RateWindow("refresh", REFRESHES_PER_WINDOW, int(now.timestamp()))
    used = session.window_count if session.window == window.number else 0
    if hashed(presented.secret) == session.current:
        if used >= window.limit:
            report(window.allowance(used))
            raise window.refusal()
        used += 1
        stored = _rotate(session, presented, successor, now, (window.number, used))
        if stored is None:
            report(window.allowance(used))
            return pair
        session = stored
    report(window.allowance(used))
    return _pair(session, user, _repeated_secret(session, presented, received_at, address), now)


def list_sessions(caller: CurrentUser, *, limit: int, after: str | None) -> Page[Session]:
    """Returns a page of the user's live sessions, newest first: their ids sort by time."""
    pk, first = session_key(caller.id, "")
    now = clock.now()
    page = table_page(Session, pk, KeyRange(limit, descending=True, low=first, high=first + HIGHEST, after=after))
    return Page([placed for placed in page.placed if is_live(placed[1], caller.user, now)], page.position)


def end_session(caller: CurrentUser, session_id: str, *, address: str) -> None:
    """Ends a live session of the user. Raises NotFoundError if it has ended, belongs to another user or is unknown."""
    session = Session(*session_key(caller.id, session_id))
    entry = _end_entry(caller.id, session_id, "session.ended", address)
    is_live_now = (
        Session.revoked_at.does_not_exist()
        & (Session.epoch == caller.user.auth_epoch)
        & (Session.expires_at > int(clock.now().timestamp()))
    )

    def write() -> None:
        try:
            with transaction() as writes:
                writes.save(entry)
                revoke: list[Action] = [Session.revoked_at.set(entry.at)]
                writes.update(session, revoke, is_live_now, return_values="ALL_OLD")
        except TransactionError as error:
            if not error.failed(session):
                raise
            # The same time means that an earlier attempt revoked it, and its response was lost.
            stored = error.stored(session)
            if not stored or Session.from_raw_data(stored).revoked_at != entry.at:
                raise NotFoundError("Session not found.") from error

    retrying(write)


def log_out(caller: CurrentUser, *, address: str) -> None:
    """Ends the session of the access token."""
    _revoke(caller.id, caller.session_id, "logout", address)


def log_out_by_token(refresh_token: str, *, received_at: datetime, address: str) -> str:
    """Ends the session of a valid refresh token, and returns the user's id. Raises UnauthenticatedError."""
    presented = _parse(refresh_token)
    now = clock.now()
    _, session = _read_live(presented, now)
    if hashed(presented.secret) != session.current:
        _repeated_secret(session, presented, received_at, address)
    _revoke(presented.user_id, presented.session_id, "logout", address)
    return presented.user_id


def _parse(refresh_token: str) -> RefreshToken:
    presented = RefreshToken.parse(refresh_token)
    if presented is None:
        raise UnauthenticatedError(_INVALID)
    return presented


def _read_live(presented: RefreshToken, now: datetime) -> tuple[User, Session]:
    user, session = read_session(presented.user_id, presented.session_id)
    if user is None or session is None or not is_live(session, user, now):
        raise UnauthenticatedError(_INVALID)
    return user, session


def _rotate(
    session: Session, presented: RefreshToken, successor: str, now: datetime, used: tuple[int, int]
) -> Session | None:
    """Makes `successor` the current token, and returns None. If another request did so first, returns its session.

    A repeated write whose response was lost gets the session too, with its own successor. `used` is the window and its
    number of refreshes, this one included; the condition on `current` covers it.
    """
    actions: list[Action] = [
        Session.current.set(hashed(successor)),
        Session.previous.set(session.current),
        Session.successor.set(seal_successor(successor, presented=presented.secret)),
        Session.rotated_at.set(round(now.timestamp(), 3)),
        Session.refreshed_at.set(clock.timestamp(now)),
        Session.window.set(used[0]),
        Session.window_count.set(used[1]),
    ]
    unchanged = (Session.current == session.current) & Session.revoked_at.does_not_exist()
    try:
        retrying(lambda: update_item(session, actions, unchanged))
    except ConditionFailedError as error:
        if error.item is None:
            raise UnauthenticatedError(_INVALID) from error
        return Session.from_raw_data(error.item)
    return None


def _repeated_secret(session: Session, presented: RefreshToken, received_at: datetime, address: str) -> str:
    """Returns the secret for which this token was exchanged, at most seconds before the request was received.

    Any other old token is a replay and ends the family: one of the two holders has stolen it (RFC 9700, section
    4.14.2). Then it raises UnauthenticatedError.
    """
    if session.revoked_at is None:
        grace_ends = (session.rotated_at or 0) + GRACE_SECONDS
        if session.previous == hashed(presented.secret) and received_at.timestamp() < grace_ends:
            successor = open_successor(session.successor or b"", presented=presented.secret)
            if successor is not None:
                return successor
        _revoke(presented.user_id, presented.session_id, "refresh-token.replayed", address)
    raise UnauthenticatedError(_INVALID)


def _revoke(user_id: str, session_id: str, action: str, address: str) -> None:
    pk, sk = session_key(user_id, session_id)
    entry = _end_entry(user_id, session_id, action, address, outcome="success" if action == "logout" else "failure")

    def write() -> None:
        with transaction() as writes:
            writes.save(entry)
            writes.update(
                Session(pk=pk, sk=sk),
                [Session.revoked_at.set(Session.revoked_at | entry.at)],
                Session.pk.exists(),
            )

    retrying(write)


def _end_entry(
    user_id: str, session_id: str, action: str, address: str, outcome: Literal["success", "failure"] = "success"
) -> AuditEntry:
    return audit_log.entry(action, actor_id=user_id, address=address, target=f"session#{session_id}", outcome=outcome)


def _pair(session: Session, user: User, secret: str, now: datetime) -> Tokens:
    return Tokens(
        user_id=user.id,
        access_token=tokens.issue(user_id=user.id, session_id=session.id, role=user.role, now=now),
        refresh_token=str(RefreshToken(user.id, session.id, secret)),
        expires_in=tokens.ACCESS_TOKEN_SECONDS,
        refresh_expires_in=ceil(session.expires_at - now.timestamp()),
    )
