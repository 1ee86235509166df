"""Tokens in cookies: sign-in, refresh and sign-out of a page of the API's own origin."""

from collections.abc import Callable
from typing import Any

import pytest

from auth import handler as session_routes
from oms.identity.models import User
from tests.support.accounts import Clock, log_in
from tests.support.aws_calls import answer_lost, recorded
from tests.support.gateway import assert_problem, places
from tests.support.invocation import invoke
from tests.support.routes import IN_COOKIE, SAME_ORIGIN, Browser, me, parsed, refresh

REFRESH, DEVICE = "__Secure-oms-refresh", "__Secure-oms-device"
PROTECTED = {"Path": "/api/v1/auth", "HttpOnly": "", "Secure": "", "SameSite": "Strict"}


@pytest.fixture
def ada(account: Callable[..., User]) -> User:
    return account("ada@example.com")


@pytest.fixture
def browser(ada: User) -> Browser:
    """A browser in which Ada has signed in."""
    signed_in = Browser()
    assert signed_in.log_in().status == 200
    return signed_in


def test_a_sign_in_sets_both_cookies_and_shows_no_token_that_scripts_could_keep(ada: User) -> None:
    answer = Browser().log_in()

    assert answer.status == 200
    assert (answer.json["refresh_token"], answer.json["device_token"]) == (None, None)
    assert answer.headers["Cache-Control"] == "no-store"
    assert me(answer.json["access_token"]).status == 200
    (name, token, attributes), (device_name, device_token, device_attributes) = parsed(answer)
    assert (name, device_name) == (REFRESH, DEVICE)
    assert attributes == PROTECTED | {"Max-Age": "604800"}
    assert device_attributes == PROTECTED | {"Max-Age": str(180 * 24 * 3600)}
    assert token.startswith(f"{ada.id}.")
    assert token.split(".")[2] not in answer.text
    assert device_token.split(".")[1] not in answer.text


@pytest.mark.parametrize("asked", [{}, {"refresh_token_in": "body"}, {"refresh_token_in": None}])
def test_unless_a_cookie_is_requested_tokens_are_in_the_body_as_before(ada: User, asked: dict[str, Any]) -> None:
    tokens = log_in(**asked)
    renewed = invoke(
        session_routes, "POST", "/api/v1/auth/refresh", {"refresh_token": tokens.json["refresh_token"], **asked}
    )

    assert (tokens.cookies, renewed.cookies) == ([], [])
    assert None not in (tokens.json["refresh_token"], tokens.json["device_token"], renewed.json["refresh_token"])


def test_another_place_is_a_422(ada: User) -> None:
    assert places(log_in(refresh_token_in="header")) == {"#/refresh_token_in"}


def test_the_known_device_signs_in_by_its_cookie_although_strangers_locked_the_account(browser: Browser) -> None:
    for number in range(5):
        log_in(password="wrong", address=f"203.0.113.{number}")
    assert Browser().log_in(address="203.0.113.9").status == 401

    answer = browser.log_in()

    assert answer.status == 200
    assert [name for name, _, _ in parsed(answer)] == [REFRESH, DEVICE]


def test_a_device_token_in_the_body_comes_before_the_cookie(browser: Browser) -> None:
    known, browser.jar[DEVICE] = browser.jar[DEVICE], "nonsense"

    browser.log_in(device_token=known)

    assert browser.jar[DEVICE] == known


def test_a_sign_in_that_requests_no_cookie_does_not_show_the_device_of_the_cookie(browser: Browser) -> None:
    answer = log_in(cookies=browser.cookies, headers=SAME_ORIGIN)

    assert answer.json["device_token"] != browser.jar[DEVICE]


@pytest.mark.parametrize("body", [IN_COOKIE, {}, ""])
def test_a_refresh_takes_the_token_of_the_cookie_and_keeps_the_new_one_there(
    browser: Browser, frozen: Clock, body: Any
) -> None:
    first = browser.jar[REFRESH]
    frozen.advance(seconds=60)

    with recorded() as calls:
        answer = browser.refresh(body)

    assert answer.status == 200
    assert answer.json["refresh_token"] is None
    ((name, token, attributes),) = parsed(answer)
    assert (name, attributes) == (REFRESH, PROTECTED | {"Max-Age": str(604800 - 60)})
    assert token != first
    assert token.split(".")[2] not in answer.text
    assert calls == ["dynamodb.BatchGetItem", "dynamodb.UpdateItem"]
    assert me(answer.json["access_token"]).status == 200


def test_a_token_of_the_cookie_is_never_shown_in_a_body(browser: Browser) -> None:
    answer = browser.refresh({"refresh_token_in": "body"})

    assert places(answer) == {"#/refresh_token"}
    assert browser.refresh().status == 200


def test_a_token_of_the_body_can_move_into_the_cookie(ada: User) -> None:
    browser = Browser()

    answer = browser.refresh({"refresh_token": log_in().json["refresh_token"], **IN_COOKIE})

    assert (answer.status, answer.json["refresh_token"]) == (200, None)
    assert browser.refresh().status == 200


def test_a_token_of_the_body_comes_before_the_cookie(browser: Browser, account: Callable[..., User]) -> None:
    bob = account("bob@example.com")
    token = log_in(bob.email).json["refresh_token"]

    answer = refresh(token, cookies=browser.cookies, headers=SAME_ORIGIN)

    assert answer.json["refresh_token"].startswith(f"{bob.id}.")
    assert answer.cookies == []


def test_without_a_cookie_the_session_is_missing_and_unless_one_is_requested_the_field_is(cloud: None) -> None:
    assert_problem(Browser().refresh(), 401, "unauthenticated")
    assert places(Browser().refresh({})) == {"#/refresh_token"}


def test_two_tabs_that_refresh_at_once_get_one_pair(browser: Browser, frozen: Clock) -> None:
    other_tab = browser.copy()
    browser.refresh()
    frozen.advance(seconds=9)

    answer = other_tab.refresh()

    assert answer.status == 200
    assert other_tab.jar == browser.jar
    assert browser.refresh().status == 200


def test_a_lost_response_is_repeated_by_the_cookie_that_the_browser_still_has(browser: Browser, frozen: Clock) -> None:
    sent = browser.jar[REFRESH]
    with answer_lost("UpdateItem"):  # of the write, and then of the response
        lost = browser.send("refresh", IN_COOKIE)
    frozen.advance(seconds=5)

    assert lost.status == 200
    assert browser.jar[REFRESH] == sent
    assert browser.refresh().status == 200
    assert [token for _, token, _ in parsed(lost)] == [browser.jar[REFRESH]]
    assert browser.refresh().status == 200


def test_a_request_that_was_under_way_when_another_tab_signed_in_does_not_clear_the_new_cookie(
    browser: Browser, frozen: Clock
) -> None:
    slow_tab = browser.copy()
    me_now = browser.refresh().json["access_token"]
    frozen.advance(seconds=11)

    replayed, ended = slow_tab.refresh(), slow_tab.log_out()

    assert (replayed.status, ended.status) == (401, 401)
    assert (replayed.cookies, ended.cookies) == ([], [])
    assert me(me_now).status == 401, "the family ended, as by a token in the body"
    assert browser.log_in().status == 200
    assert browser.refresh().status == 200


def test_a_sign_out_ends_the_session_of_the_cookie_and_clears_it(browser: Browser) -> None:
    token, kept = browser.refresh().json["access_token"], browser.copy()

    with recorded() as calls:
        answer = browser.log_out(token="ended long ago")

    assert answer.status == 204
    assert [(name, attributes) for name, _, attributes in parsed(answer)] == [(REFRESH, PROTECTED | {"Max-Age": "0"})]
    assert browser.jar.keys() == {DEVICE}
    assert len(calls) == 2
    assert me(token).status == 401
    assert kept.refresh().status == 401


def test_a_sign_out_by_another_token_leaves_the_cookie(browser: Browser) -> None:
    answer = browser.log_out({"refresh_token": log_in().json["refresh_token"]})

    assert (answer.status, answer.cookies) == (204, [])
    assert browser.refresh().status == 200


def test_a_header_of_cookies_is_read_as_well(browser: Browser) -> None:
    """The local emulator does not move the cookies out of the headers."""
    header = "theme=dark;" + "; ".join(browser.cookies)

    answer = browser.send("refresh", IN_COOKIE, cookies=(), headers={**SAME_ORIGIN, "Cookie": header})

    assert answer.status == 200


@pytest.mark.parametrize("second", [f"{REFRESH}=x", f"{REFRESH}="])
def test_two_cookies_of_the_name_are_none(browser: Browser, second: str) -> None:
    assert_problem(browser.send("refresh", IN_COOKIE, cookies=[*browser.cookies, second]), 401, "unauthenticated")
    assert browser.refresh().status == 200


@pytest.mark.parametrize(
    "cookies", [["=", "", ";;", "a"], [f"{REFRESH.lower()}=x"], [f"{REFRESH}x=y"], ["\x00=\udcff"]]
)
def test_other_and_malformed_cookies_are_none(cloud: None, cookies: list[str]) -> None:
    answer = Browser().send("refresh", IN_COOKIE, cookies=cookies)

    assert_problem(answer, 401, "unauthenticated")
