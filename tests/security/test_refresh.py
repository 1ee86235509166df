"""Row A7: stolen refresh tokens. Twenty refreshes at once stand with the integration tests."""

from typing import Any

from auth import handler as session_routes
from oms.identity.models import User
from tests.support.accounts import Clock, audit_entries
from tests.support.invocation import invoke
from tests.support.routes import me, refresh


def test_a07_a_replay_after_the_grace_ends_the_family_and_is_audited(
    ada: User, tokens: dict[str, Any], frozen: Clock
) -> None:
    renewed = refresh(tokens["refresh_token"]).json
    frozen.advance(seconds=10)

    assert refresh(tokens["refresh_token"]).status == 401

    assert refresh(renewed["refresh_token"]).status == 401
    assert me(renewed["access_token"]).status == 401
    replay = audit_entries()[-1]
    assert (replay.action, replay.outcome, replay.actor_id) == ("refresh-token.replayed", "failure", ada.id)
    assert replay.address == "198.51.100.1"


def test_a07_a_grandparent_within_the_grace_ends_the_family(tokens: dict[str, Any], frozen: Clock) -> None:
    child = refresh(tokens["refresh_token"]).json["refresh_token"]
    grandchild = refresh(child).json["refresh_token"]
    frozen.advance(seconds=1)

    assert refresh(tokens["refresh_token"]).status == 401

    assert refresh(grandchild).status == 401
    assert audit_entries()[-1].action == "refresh-token.replayed"


def test_a07_a_replay_at_logout_ends_the_family_too(tokens: dict[str, Any], frozen: Clock) -> None:
    renewed = refresh(tokens["refresh_token"]).json
    frozen.advance(seconds=10)

    body = {"refresh_token": tokens["refresh_token"]}
    assert invoke(session_routes, "POST", "/api/v1/auth/logout", body).status == 401
    assert me(renewed["access_token"]).status == 401


def test_a07_a_dead_family_is_not_audited_again(tokens: dict[str, Any], frozen: Clock) -> None:
    refresh(tokens["refresh_token"])
    frozen.advance(seconds=10)

    for _ in range(3):
        refresh(tokens["refresh_token"])

    assert [entry.action for entry in audit_entries()].count("refresh-token.replayed") == 1
