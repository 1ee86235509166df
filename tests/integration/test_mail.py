"""Mails on the deployed system: from the request that causes one, over bus and queue, to SES."""

import os
import subprocess
import sys
from collections.abc import Callable
from uuid import uuid4

import httpx
import pytest

from local.cloud import free_port
from local.deployment import ROOT
from local.system import LocalSystem
from tests.support.local_cloud.accounts import NEW_PASSWORD, PASSWORD, log_in
from tests.support.local_cloud.mailbox import (
    OVERHEARD,
    all_tokens,
    everything_but_mails,
    mailed_token,
    mails_to,
    places_of,
)
from tests.support.local_cloud.shop import create_product, order_of, wait_until

ORDERS = "/api/v1/orders"

type ClientFactory = Callable[..., httpx.Client]
type SignedIn = Callable[[str], httpx.Client]


@pytest.fixture
def customer(client: ClientFactory) -> tuple[httpx.Client, str, str]:
    """Creates a customer; returns a signed-in client, address and id."""
    email = f"{uuid4().hex}@example.com"
    http = client()
    body = {"email": email, "password": PASSWORD, "first_name": "Grace"}
    user_id = http.post("/api/v1/auth/register", json=body).json()["id"]
    http.headers["Authorization"] = f"Bearer {log_in(http, email).json()['access_token']}"
    return http, email, user_id


def verify(system: LocalSystem, http: httpx.Client, email: str) -> None:
    """Verifies the address: before that no text of a customer is mailed, not even the name."""
    token = mailed_token(system, email, "verify-email")
    assert not any("Grace" in it["BodyText"] + it["BodyHtml"] for it in mails_to(system, email))
    assert http.post("/api/v1/auth/email/verify", json={"token": token}).status_code == 204


def test_an_orders_mails_come_once_each_with_its_lines(
    system: LocalSystem, signed_in: SignedIn, customer: tuple[httpx.Client, str, str]
) -> None:
    http, email, _ = customer
    manager = signed_in("manager")
    product = create_product(manager, stock=10, price="12.50")
    verify(system, http, email)

    placed = http.post(ORDERS, json=order_of((product, 3)) | {"shipping_cost": "4.90"}).json()
    path = f"{ORDERS}/{placed['id']}"
    assert manager.post(f"{path}/confirm").status_code == 200
    shipment = {"carrier": "DHL", "tracking_number": "0034-7", "tracking_url": "https://track.example/0034-7"}
    assert manager.post(f"{path}/ship", json=shipment).status_code == 200

    number = placed["number"]
    wanted = {f"We have your order {number}", f"Your order {number} is confirmed", f"Your order {number} is on its way"}
    wait_until(lambda: {it["Subject"] for it in mails_to(system, email)}, lambda it: it >= wanted)
    mails = [it for it in mails_to(system, email) if number in it["Subject"]]
    assert sorted(it["Subject"] for it in mails) == sorted(wanted)
    for mail in mails:
        for said in ("Grace", "12.50 EUR", "37.50 EUR", "4.90 EUR", "42.40 EUR", placed["items"][0]["name"]):
            assert said in mail["BodyText"]
            assert said in mail["BodyHtml"]
    assert any("https://track.example/0034-7" in it["BodyHtml"] for it in mails)


@pytest.mark.full
@pytest.mark.last
def test_a29_the_tokens_of_all_mails_are_in_the_mails_and_nowhere_else(
    system: LocalSystem, client: ClientFactory, customer: tuple[httpx.Client, str, str]
) -> None:
    """They are in no table, queue, dead letter, log or event, neither before they were used nor after."""
    http, (_, email, user_id) = client(), customer
    assert http.post("/api/v1/auth/password/forgot", json={"email": email}).status_code == 202
    tokens = [mailed_token(system, email, page) for page in ("verify-email", "reset-password")]

    for _ in range(2):
        written = everything_but_mails(system)
        for token in all_tokens(system):
            for secret in (token, token.partition(".")[2]):
                assert not [place for place, text in written.items() if secret in text]
        assert http.post("/api/v1/auth/email/verify", json={"token": tokens[0]}).status_code in (204, 422)
        body = {"token": tokens[1], "new_password": NEW_PASSWORD}
        assert http.post("/api/v1/auth/password/reset", json=body).status_code in (204, 422)
    assert log_in(http, email, NEW_PASSWORD).status_code == 200

    # The search works: it has both tokens, and finds other data of their user in each kind of place.
    assert set(tokens) <= all_tokens(system)
    places = places_of(system, user_id)
    assert {"table", "log", "queue"} == {place.partition(" ")[0] for place in places}
    assert f"queue {OVERHEARD}" in places


def make_mail(port: int, to: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local.mail"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "layers/shared/python", "PORT": str(port), "TO": to},
        capture_output=True,
        text=True,
        check=False,
    )


def test_make_mail_prints_the_mails_of_a_customer(system: LocalSystem, customer: tuple[httpx.Client, str, str]) -> None:
    _, email, _ = customer
    token = mailed_token(system, email, "verify-email")

    shown = make_mail(system.front_door.port, email.upper())

    assert shown.returncode == 0, shown.stderr
    assert [line.split()[-1] for line in shown.stdout.splitlines() if "  to " in line] == [email]
    assert "Confirm your e-mail address" in shown.stdout
    assert f"/verify-email#token={token}\n" in shown.stdout


def test_make_mail_says_when_nothing_is_running() -> None:
    shown = make_mail(free_port())

    assert shown.returncode == 1
    assert "No system is running on port" in shown.stderr
