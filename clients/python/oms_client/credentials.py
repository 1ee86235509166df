"""The credentials of a client: a service key, or the session of a person."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from oms_client.errors import ApiError, NotSignedInError
from oms_client.exchange import Call, Exchange, Exclusive, Flow
from oms_client.models import LoginResponse, TokensResponse


@dataclass(frozen=True)
class ServiceKey:
    """The key of a system, `oms_…`."""

    text: str = field(repr=False)

    def token(self, exchange: Exchange) -> Flow[str]:  # noqa: ARG002
        yield from ()
        return self.text

    def renewed(self, exchange: Exchange, refused: str) -> Flow[str | None]:  # noqa: ARG002
        yield from ()
        return None


@dataclass(frozen=True)
class Tokens:
    """The tokens of a session."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    device: str | None = field(default=None, repr=False)


class TokenStore(Protocol):
    """Stores tokens, also after the end of the process. Processes that share a store must not refresh at the same time:
    a refresh token works once.
    """

    def locked(self) -> AbstractContextManager[object]: ...

    def load(self) -> Tokens | None: ...

    def save(self, tokens: Tokens | None) -> None: ...


class MemoryStore:
    """Tokens of this process alone."""

    def __init__(self, tokens: Tokens | None = None) -> None:
        self._tokens = tokens

    def locked(self) -> AbstractContextManager[object]:
        return nullcontext()

    def load(self) -> Tokens | None:
        return self._tokens

    def save(self, tokens: Tokens | None) -> None:
        self._tokens = tokens


class Session:
    """A person's session. It is refreshed when the access token has expired, by one request at a time.

    With `email` and `password` it signs in when it has no tokens, or they are refused.
    """

    def __init__(self, email: str | None = None, password: str | None = None, store: TokenStore | None = None) -> None:
        self._email = email
        self._password = password
        self._store = store or MemoryStore()
        self._tokens = self._store.load()

    @property
    def tokens(self) -> Tokens | None:
        return self._tokens

    def token(self, exchange: Exchange) -> Flow[str]:
        if self._tokens:
            yield from ()
            return self._tokens.access
        found = yield Exclusive(self._renew(exchange, None))
        if not found:
            raise NotSignedInError("Not signed in.")
        return str(found)

    def renewed(self, exchange: Exchange, refused: str) -> Flow[str | None]:
        found = yield Exclusive(self._renew(exchange, refused))
        return None if found is None else str(found)

    def _renew(self, exchange: Exchange, refused: str | None) -> Flow[str | None]:
        with self._store.locked():
            tokens = self._store.load()
            if tokens and tokens.access != refused:
                # Another thread or process has renewed them.
                self._tokens = tokens
                return tokens.access
            device = tokens.device if tokens else None
            fresh = (yield from self._refreshed(exchange, tokens)) if tokens else None
            if fresh is None and self._email is not None and self._password is not None:
                fresh = yield from self._signed_in(exchange, self._email, self._password, device)
            self._tokens = fresh
            self._store.save(fresh)
            return fresh.access if fresh else None

    def _refreshed(self, exchange: Exchange, tokens: Tokens) -> Flow[Tokens | None]:
        """Returns the next pair; None if the session has ended. If a response is lost, the repetition gets the same."""
        body = {"refresh_token": tokens.refresh}
        call = Call[TokensResponse]("POST", "/api/v1/auth/refresh", TokensResponse, body=body, safe=True, public=True)
        try:
            pair = yield from exchange.call(call)
        except ApiError as error:
            if error.status in (401, 422):
                return None
            raise
        return Tokens(pair.access_token, pair.refresh_token or "", tokens.device)

    def _signed_in(self, exchange: Exchange, email: str, password: str, device: str | None) -> Flow[Tokens]:
        body = {"email": email, "password": password, **({"device_token": device} if device else {})}
        call = Call[LoginResponse]("POST", "/api/v1/auth/login", LoginResponse, body=body, public=True)
        found = yield from exchange.call(call)
        return Tokens(found.access_token, found.refresh_token or "", found.device_token)
