"""Requests that nearly every attack ends with, and those of a browser that keeps its tokens in cookies."""

from collections.abc import Iterator
from typing import Any

from auth import handler as session_routes
from tests.support.accounts import log_in
from tests.support.invocation import Answer, invoke

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin", "Origin": "https://shop.example"}
IN_COOKIE = {"refresh_token_in": "cookie"}


def me(token: str) -> Answer:
    return invoke(session_routes, "GET", "/api/v1/auth/me", token=token)


def refresh(token: str, **more: Any) -> Answer:
    return invoke(session_routes, "POST", "/api/v1/auth/refresh", {"refresh_token": token}, **more)


class Browser:
    """A browser of a page of the API's own origin, as far as cookies are concerned.

    It keeps `name=value` of each cookie that a response sets, and sends them with each request.
    """

    def __init__(self) -> None:
        self.jar: dict[str, str] = {}

    def log_in(self, email: str = "ada@example.com", **more: Any) -> Answer:
        return self._kept(log_in(email, cookies=self.cookies, headers=SAME_ORIGIN, **IN_COOKIE, **more))

    def refresh(self, body: Any = IN_COOKIE, **more: Any) -> Answer:
        return self._kept(self.send("refresh", body, **more))

    def log_out(self, body: Any = None, **more: Any) -> Answer:
        return self._kept(self.send("logout", {} if body is None else body, **more))

    def send(self, route: str, body: Any, **more: Any) -> Answer:
        """Sends a request without keeping its cookies, as if the response were lost."""
        options = {"cookies": self.cookies, "headers": SAME_ORIGIN} | more
        return invoke(session_routes, "POST", f"/api/v1/auth/{route}", body, **options)

    def copy(self) -> "Browser":
        """Returns a browser with the same cookies: the state of this one at the moment."""
        other = Browser()
        other.jar = dict(self.jar)
        return other

    @property
    def cookies(self) -> list[str]:
        return [f"{name}={value}" for name, value in self.jar.items()]

    def _kept(self, answer: Answer) -> Answer:
        for name, value, attributes in parsed(answer):
            self.jar.pop(name, None)
            if attributes["Max-Age"] != "0":
                self.jar[name] = value
        return answer


def parsed(answer: Answer) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yields name, value and attributes of each cookie that the answer sets; a flag has the value ""."""
    for line in answer.cookies:
        pair, *rest = line.split("; ")
        name, _, value = pair.partition("=")
        yield name, value, {key: text for key, _, text in (it.partition("=") for it in rest)}
