"""Sessions: each is a family of refresh tokens, one of them current, that ends after 7 days or when it is revoked."""

from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Literal

from pynamodb.expressions.update import Action

from oms.audit import audit_log
from oms.audit.models import AuditEntry
from oms.core import clock
from oms.core.dynamodb import ConditionFailedError, retrying, update_item
from oms.core.errors import NotFoundError, UnauthenticatedError
from oms.core.pages import HIGHEST, KeyRange, Page, table_page
from oms.core.rate_limits import RateWindow, ReportAllowance
from oms.core.transactions import TransactionError, transaction
from oms.identity import tokens
from oms.identity.access import CurrentUser, is_live, read_session
from oms.identity.address_limits import REFRESHES_PER_WINDOW
from oms.identity.models import Device, Session, User, session_key
from oms.identity.opaque_tokens import RefreshToken, hashed, new_secret, open_successor, seal_successor

FAMILY_SECONDS = 7 * 24 * 3600
GRACE_SECONDS = 10
_NOT_VALID = "The refresh token is not valid."


@dataclass(frozen=True)
class Tokens:
    """A user's pair, and for how many seconds each is good."""

    user_id: str
    access_token: str
    refresh_token: str
    expires_in: int
    refresh_expires_in: int


def start_session(user: User, device: Device, *, address: str, user_agent: str) -> tuple[Session, Tokens]:
    """A new session of a known device, to be put into the caller's transaction, and its first pair of tokens."""
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
    """The next pair. `received_at` is when the request reached the system: a client that sends several at once has them
    all within the grace, however late a function gets to some of them.

    Raises UnauthenticatedError, TooManyRequestsError (by session).
    """
    presented = _parsed(refresh_token)
    now = clock.now()
    user, session = _live(presented, now)
    successor = new_secret()
    pair = _pair(session, user, successor, now)  # before anything is written: without a signing key nothing is
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
    return _pair(session, user, _repeated(session, presented, received_at, address), now)


def list_sessions(who: CurrentUser, *, limit: int, after: str | None) -> Page[Session]:
    """A page of the user's live sessions, newest first: their ids sort by time."""
    pk, first = session_key(who.id, "")
    now = clock.now()
    page = table_page(Session, pk, KeyRange(limit, descending=True, low=first, high=first + HIGHEST, after=after))
    return Page([placed for placed in page.placed if is_live(placed[1], who.user, now)], page.position)


def end_session(who: CurrentUser, session_id: str, *, address: str) -> None:
    """Ends a live session of the user. Raises NotFoundError for another's, an ended one or none."""
    session = Session(*session_key(who.id, session_id))
    entry = _ended(who.id, session_id, "session.ended", address)
    is_there = (
        Session.revoked_at.does_not_exist()
        & (Session.epoch == who.user.auth_epoch)
        & (Session.expires_at > int(clock.now().timestamp()))
    )

    def write() -> None:
        try:
            with transaction() as writes:
                writes.save(entry)
                revoke: list[Action] = [Session.revoked_at.set(entry.at)]
                writes.update(session, revoke, is_there, return_values="ALL_OLD")
        except TransactionError as error:
            if not error.failed(session):
                raise
            # With the same time, an earlier attempt revoked it and its answer was lost.
            stored = error.stored(session)
            if not stored or Session.from_raw_data(stored).revoked_at != entry.at:
                raise NotFoundError("Session not found.") from error

    retrying(write)


def log_out(who: CurrentUser, *, address: str) -> None:
    """Ends the session of the access token."""
    _revoke(who.id, who.session_id, "logout", address)


def log_out_by_token(refresh_token: str, *, received_at: datetime, address: str) -> str:
    """Ends the session of a refresh token that is good now; the user's id. Raises UnauthenticatedError."""
    presented = _parsed(refresh_token)
    now = clock.now()
    _, session = _live(presented, now)
    if hashed(presented.secret) != session.current:
        _repeated(session, presented, received_at, address)
    _revoke(presented.user_id, presented.session_id, "logout", address)
    return presented.user_id


def _parsed(refresh_token: str) -> RefreshToken:
    presented = RefreshToken.parse(refresh_token)
    if presented is None:
        raise UnauthenticatedError(_NOT_VALID)
    return presented


def _live(presented: RefreshToken, now: datetime) -> tuple[User, Session]:
    user, session = read_session(presented.user_id, presented.session_id)
    if user is None or session is None or not is_live(session, user, now):
        raise UnauthenticatedError(_NOT_VALID)
    return user, session


def _rotate(
    session: Session, presented: RefreshToken, successor: str, now: datetime, used: tuple[int, int]
) -> Session | None:
    """Makes `successor` the current token. If another request was first, the session as it left it.

    An answer that was lost is such a case too: the repeated write finds its own successor. `used` is the window and
    how many refreshes it has seen with this one; that `current` has not changed covers it.
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
            raise UnauthenticatedError(_NOT_VALID) from error
        return Session.from_raw_data(error.item)
    return None


def _repeated(session: Session, presented: RefreshToken, received_at: datetime, address: str) -> str:
    """The secret that this token was exchanged for, at most seconds before the request was received. Any other old
    token is a replay and ends the family: one of the two holders has stolen it (RFC 9700,
    section 4.14.2).
    """
    if session.revoked_at is None:
        ends = (session.rotated_at or 0) + GRACE_SECONDS
        if session.previous == hashed(presented.secret) and received_at.timestamp() < ends:
            successor = open_successor(session.successor or b"", presented=presented.secret)
            if successor is not None:
                return successor
        _revoke(presented.user_id, presented.session_id, "refresh-token.replayed", address)
    raise UnauthenticatedError(_NOT_VALID)


def _revoke(user_id: str, session_id: str, action: str, address: str) -> None:
    pk, sk = session_key(user_id, session_id)
    entry = _ended(user_id, session_id, action, address, outcome="success" if action == "logout" else "failure")

    def write() -> None:
        with transaction() as writes:
            writes.save(entry)
            writes.update(
                Session(pk=pk, sk=sk),
                [Session.revoked_at.set(Session.revoked_at | entry.at)],
                Session.pk.exists(),
            )

    retrying(write)


def _ended(
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
