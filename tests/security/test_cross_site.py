"""Row A32: pages of other origins, and cookies where none belongs."""

import io
from typing import Any

import pytest

from auth import handler as session_routes
from auth import passwords as password_routes
from oms.identity.models import User
from tests.support.accounts import PASSWORD, audit_entries
from tests.support.aws_calls import recorded
from tests.support.gateway import assert_problem, call
from tests.support.invocation import invoke
from tests.support.roles import OPERATIONS
from tests.support.routes import IN_COOKIE, SAME_ORIGIN, Browser, parsed

# The headers that browsers send for other pages. Browsers from before 2023 send no Sec-Fetch-Site.
ELSEWHERE: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "same-site", "Origin": "https://blog.shop.example"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "same-origin,cross-site"},
    {"Sec-Fetch-Site": "Same-Origin"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
]
# The media types that a page can send to another origin without a preflight. A Blob without a type is sent with none.
SIMPLE = ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]


@pytest.fixture
def browser(ada: User) -> Browser:
    signed_in = Browser()
    signed_in.log_in()
    return signed_in


@pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
@pytest.mark.parametrize(("route", "body"), [("refresh", IN_COOKIE), ("refresh", {}), ("logout", {}), ("logout", "")])
def test_a32_a_page_from_elsewhere_uses_no_cookie(
    browser: Browser, headers: dict[str, str], route: str, body: Any
) -> None:
    with recorded() as calls:
        answer = browser.send(route, body, headers=headers)

    assert_problem(answer, 403, "cross-site-request")
    assert (answer.cookies, calls) == ([], [])
    assert browser.refresh().status == 200


@pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
def test_a32_a_page_from_elsewhere_signs_no_user_in(browser: Browser, headers: dict[str, str]) -> None:
    """With the attacker's password or refresh token, the victim would continue in the attacker's account."""
    body = {"email": "ada@example.com", "password": PASSWORD, **IN_COOKIE}
    token = {"refresh_token": browser.jar["__Secure-oms-refresh"], **IN_COOKIE}

    with recorded() as calls:
        answers = [
            invoke(password_routes, "POST", "/api/v1/auth/login", body, headers=headers),
            invoke(session_routes, "POST", "/api/v1/auth/refresh", token, headers=headers),
        ]

    for answer in answers:
        assert_problem(answer, 403, "cross-site-request")
        assert answer.cookies == []
    assert calls == [], "not even the attempt is counted"


@pytest.mark.parametrize("media_type", SIMPLE)
@pytest.mark.parametrize("route", ["refresh", "logout"])
def test_a32_what_a_page_can_send_without_a_preflight_is_refused_without_the_headers_too(
    browser: Browser, route: str, media_type: str
) -> None:
    for body in ("", '{"refresh_token_in": "cookie"}' if route == "refresh" else "{}"):
        headers = {"Content-Type": media_type} if media_type else {}
        answer = browser.send(route, body, headers=headers, **({} if media_type else {"media_type": None}))

        assert_problem(answer, 415, "unsupported-media-type")
        assert answer.cookies == []
    assert browser.refresh().status == 200


def test_a32_a_client_that_is_no_browser_may_keep_cookies(browser: Browser) -> None:
    assert browser.refresh(headers={}).status == 200
    assert browser.log_out(headers={}).status == 204


@pytest.mark.parametrize("body", [{}, {"refresh_token": None}, {"refresh_token_in": "body"}, IN_COOKIE, ""])
def test_a32_a_script_gets_no_token_out_of_the_cookie(browser: Browser, body: Any) -> None:
    """A script that was injected into a page of the own origin can call the routes, and read what they answer."""
    answer = browser.send("refresh", body)

    kept = {token.split(".")[2] for _, token, _ in parsed(answer)} | {browser.jar["__Secure-oms-refresh"].split(".")[2]}
    assert answer.status in (200, 422)
    assert [secret for secret in kept if secret in answer.text] == []
    assert answer.json.get("refresh_token") is None


@pytest.mark.parametrize("name", [name for name, (_, _, it) in OPERATIONS.items() if it["x-role"] != "public"])
def test_a32_no_other_route_takes_a_cookie(browser: Browser, name: str) -> None:
    token = browser.refresh().json["access_token"]
    names = ("__Secure-oms-refresh", "__Secure-oms-access", "access_token", "Authorization", "authorization")
    cookies = [*browser.cookies, *(f"{it}={text}" for it in names[1:] for text in (token, f"Bearer {token}"))]
    path, method, _ = OPERATIONS[name]

    answer = call(method.upper(), path.replace("{", "").replace("}", ""), cookies=cookies, headers=SAME_ORIGIN)

    assert_problem(answer, 401, "unauthenticated")


def test_a32_an_access_token_in_the_cookie_is_no_refresh_token(browser: Browser) -> None:
    token = browser.refresh().json["access_token"]

    for route in ("refresh", "logout"):
        answer = browser.send(route, {}, cookies=[f"__Secure-oms-refresh={token}"])
        assert_problem(answer, 401, "unauthenticated")
    assert [entry.action for entry in audit_entries()] == ["login"]


def test_a20_no_cookie_is_logged(browser: Browser, log: io.StringIO) -> None:
    secrets = {value.rpartition(".")[2] for value in browser.jar.values()}
    answers = [
        browser.log_in(),
        browser.refresh(),
        browser.send("refresh", IN_COOKIE, headers={"Sec-Fetch-Site": "cross-site"}),
        browser.send("refresh", IN_COOKIE, cookies=[f"__Secure-oms-refresh={'s' * 43}"]),
        browser.log_out(),
    ]
    secrets |= {token.rpartition(".")[2] for answer in answers for _, token, _ in parsed(answer)} | {"s" * 43}

    assert [answer.status for answer in answers] == [200, 200, 403, 401, 204]
    assert log.getvalue().count('"message":"request"') == len(answers)
    assert [secret for secret in secrets if secret and secret in log.getvalue()] == []
