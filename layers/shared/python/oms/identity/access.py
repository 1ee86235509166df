"""Authentication: an access token is valid only for a live session; the role is read from the user, not the token."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from oms.core import clock
from oms.core.dynamodb import batch_get
from oms.core.errors import UnauthenticatedError
from oms.identity import tokens
from oms.identity.models import IdentityItem, Session, User, session_key, user_key

type UserRole = Literal["customer", "manager", "admin"]


@dataclass(frozen=True)
class CurrentUser:
    """The signed-in user of a request, and the session of the access token."""

    id: str
    role: UserRole
    session_id: str
    user: User

    @property
    def is_manager(self) -> bool:
        """Whether the user is a manager or an admin, who see the back office's views."""
        return self.role != "customer"


def authenticate(token: str) -> CurrentUser:
    """Returns the user of an access token, with one consistent read. Raises UnauthenticatedError, UnavailableError."""
    now = clock.now()
    claims = tokens.verify(token, now=now)
    user, session = read_session(claims.user_id, claims.session_id)
    if user is None or session is None or not is_live(session, user, now):
        raise UnauthenticatedError.by_token()
    return CurrentUser(id=user.id, role=cast(UserRole, user.role), session_id=session.id, user=user)


def read_session(user_id: str, session_id: str) -> tuple[User | None, Session | None]:
    """Reads a user and one of their sessions with one consistent BatchGet."""
    keys = user_key(user_id), session_key(user_id, session_id)
    found = batch_get(IdentityItem, keys)
    user, session = (found.get(key) for key in keys)
    return cast(User | None, user), cast(Session | None, session)


def is_live(session: Session, user: User, now: datetime) -> bool:
    """Returns whether the session is neither ended nor expired, and its user is active."""
    return (
        session.revoked_at is None
        and session.epoch == user.auth_epoch
        and now.timestamp() < session.expires_at
        and user.status == "active"
    )
