"""The whole way of a webhook in process: made over the API, sent by the sender, verified by an independent package."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from oms import clock
from tests.functional.gateway import call
from tests.functional.harness import Person
from tests.functional.webhook_world import Post, World, answering
from tests.functional.webhooks import Names, an_event

WEBHOOKS = "/api/v1/webhooks"
HOST = "hooks.example"

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.fixture
def admin(world: World, names: Names, person: Callable[..., Person]) -> Person:
    world.now = clock.from_seconds(time.time())  # the verifier has a clock of its own
    return person("admin")


def make(admin: Person) -> Any:
    body = {"url": f"https://{HOST}/oms", "events": ["order.*"]}
    made = call("POST", WEBHOOKS, body, token=admin.token)
    assert made.status == 201, made.text
    return made.json


def ask(admin: Person, method: str, path: str, body: Any = None) -> Any:
    answer = call(method, f"{WEBHOOKS}/{path}", body, token=admin.token)
    assert answer.status < 300, answer.text
    return json.loads(answer.text or "null")


def verifies(secret: str, post: Post) -> bool:
    try:
        return bool(Webhook(secret).verify(post.body, dict(post.headers)))
    except WebhookVerificationError:
        return False


def test_a22_after_a_rotation_old_and_new_secret_verify_and_after_another_the_first_does_not(
    world: World, admin: Person
) -> None:
    made = make(admin)
    secrets = [made["secret"]]
    sent = []
    for _ in range(3):
        ask(admin, "POST", f"{made['id']}/test")
        world.run(world.now)
        sent.append([verifies(secret, world.posts[-1]) for secret in secrets])
        secrets.append(ask(admin, "POST", f"{made['id']}/rotate-secret")["secret"])

    assert sent == [[True], [True, True], [False, True, True]]


def test_what_was_missed_while_it_was_paused_comes_by_a_replay_with_ids_and_bodies_unchanged(
    world: World, admin: Person
) -> None:
    made, events = make(admin), [an_event() for _ in range(3)]
    ask(admin, "PATCH", made["id"], {"status": "paused"})
    world.publish(*events)
    world.run(world.now)
    assert world.posts == []

    ask(admin, "PATCH", made["id"], {"status": "active"})
    ask(admin, "POST", f"{made['id']}/replay", {"from": "2026-01-01", "to": "2099-01-01", "only_failed": True})
    world.run()

    assert sorted(json.loads(post.body)["id"] for post in world.posts) == sorted(it["id"] for it in events)
    assert all(json.loads(post.body) in events and verifies(made["secret"], post) for post in world.posts)
    shown = ask(admin, "GET", f"{made['id']}/deliveries")["items"]
    assert [(it["status"], it["next_attempt_at"]) for it in shown] == [("delivered", None)] * 3


def test_who_answers_410_is_disabled_and_can_be_enabled_again(world: World, admin: Person) -> None:
    made = make(admin)
    world.behaviours[HOST] = answering(410)
    world.publish(an_event())
    world.run(world.now)

    disabled = ask(admin, "GET", made["id"])
    assert (disabled["status"], disabled["disabled_reason"], disabled["version"]) == ("disabled", "gone", 2)
    world.behaviours[HOST] = answering(204)
    (failed,) = ask(admin, "GET", f"{made['id']}/deliveries")["items"]
    assert (failed["status"], [it["status_code"] for it in failed["attempts"]]) == ("failed", [410])

    assert ask(admin, "PATCH", made["id"], {"status": "active"})["disabled_reason"] is None
    ask(admin, "POST", f"{made['id']}/deliveries/{failed['id']}/replay")
    world.run(world.now)

    (delivered,) = ask(admin, "GET", f"{made['id']}/deliveries")["items"]
    assert (delivered["status"], [it["status_code"] for it in delivered["attempts"]]) == ("delivered", [410, 204])


def test_what_is_deleted_gets_nothing_more(world: World, admin: Person) -> None:
    made = make(admin)
    world.publish(an_event())
    ask(admin, "DELETE", made["id"])
    world.run()

    assert world.posts == []
