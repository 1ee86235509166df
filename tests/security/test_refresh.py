"""Row A7: stolen refresh tokens. The integration tests cover twenty refreshes at once."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from auth import handler as session_routes
from oms.core import clock
from oms.core.settings import settings
from oms.identity.models import User
from tests.support.accounts import Clock, audit_entries
from tests.support.audit_addresses import hidden
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
    assert replay.address == hidden("198.51.100.1", replay.at)


def test_a07_twenty_at_once_on_functions_that_start_slowly_get_one_successor(
    tokens: dict[str, Any], frozen: Clock
) -> None:
    """All reach the gateway within a second; a function starts each a second after the previous one."""
    arrived = frozen.now
    successors = set()
    for number in range(20):
        answer = refresh(tokens["refresh_token"], received_at=arrived + timedelta(milliseconds=50 * number))
        assert answer.status == 200, number
        successors.add(answer.json["refresh_token"])
        frozen.advance(seconds=1)

    (successor,) = successors
    assert refresh(successor).status == 200
    assert "refresh-token.replayed" not in [entry.action for entry in audit_entries()]


@pytest.mark.parametrize("seconds_before", [0, 31, 3600, -60])
def test_a07_a_time_of_arrival_that_no_request_can_have_makes_the_grace_no_longer(
    tokens: dict[str, Any], frozen: Clock, seconds_before: float
) -> None:
    refresh(tokens["refresh_token"])
    frozen.advance(seconds=10)

    late = refresh(tokens["refresh_token"], received_at=frozen.now - timedelta(seconds=seconds_before))

    assert late.status == 401
    assert audit_entries()[-1].action == "refresh-token.replayed"


def test_a07_the_time_of_arrival_moves_with_the_deployments_clock(
    tokens: dict[str, Any], frozen: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests of the local cloud move it; the gateway's clock stays."""
    monkeypatch.setattr(clock, "settings", lambda: replace(settings(), clock_offset=timedelta(days=1)))
    refresh(tokens["refresh_token"])
    frozen.advance(seconds=15)

    assert refresh(tokens["refresh_token"], received_at=frozen.now - timedelta(days=1, seconds=14)).status == 200


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
