"""One form of an e-mail address in every route: the claimed, the stored and the mailed address are equal."""

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import bcrypt
import pytest

from oms.commands import first_admin
from oms.commands.first_admin import AdmissionRefusedError
from oms.core.dynamodb import client
from oms.exports.report_recipients import by_address
from oms.identity.models import User
from tests.support.accounts import PASSWORD, log_in
from tests.support.aws_calls import recorded
from tests.support.gateway import call
from tests.support.invocation import Answer

pytestmark = pytest.mark.usefixtures("cloud")

# Each was folded to kim@shop.example, to another user's key, or to an address that mail cannot reach.
LOOK_ALIKES = ["\u212aim@shop.example", "ｋim@shop.example", "k\u0131m@shop.example", "k\u0130m@shop.example"]


def register(email: str) -> Answer:
    return call("POST", "/api/v1/auth/register", {"email": email, "password": PASSWORD, "first_name": "K"})


def claims() -> set[str]:
    items = client().scan(TableName="identity")["Items"]
    return {it["pk"]["S"].removeprefix("email#") for it in items if it["kind"]["S"] == "claim"}


@pytest.mark.parametrize("email", LOOK_ALIKES)
def test_a26_no_user_takes_an_address_with_one_that_looks_like_it(email: str) -> None:
    refused = register(email)

    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "#/email")
    assert "ASCII" in refused.json["errors"][0]["detail"]
    assert claims() == set()
    assert register("kim@shop.example").status == 201


def test_a26_one_mailbox_is_one_account_and_two_domains_are_two() -> None:
    first = register(" Post@bücher.example ")
    assert first.json["email"] == "Post@xn--bcher-kva.example"
    assert register("post@xn--bcher-kva.example").json["code"] == "email-taken"
    assert [register(f"post@{it}.example").status for it in ("straße", "strasse")] == [201, 201]
    assert claims() == {f"post@{it}.example" for it in ("xn--bcher-kva", "xn--strae-oqa", "strasse")}


@pytest.mark.parametrize("email", ["post@bücher.example", "POST@XN--BCHER-KVA.example", "\tpost@bücher.example \n"])
def test_any_spelling_of_the_mailbox_signs_in(account: Callable[..., User], email: str) -> None:
    account("post@bücher.example")

    assert log_in(email).status == 200


@pytest.mark.parametrize("email", [*LOOK_ALIKES, "ada", "\ud7ff@x.y", "kim@☃.example"])
def test_an_address_that_cannot_exist_signs_in_as_wrongly_as_any_other(
    account: Callable[..., User], email: str
) -> None:
    account("kim@shop.example")
    log_in("nobody@shop.example", address="203.0.113.77")  # the process is warm now
    seen: list[Any] = []

    for number, name in enumerate((email, "unknown@shop.example")):
        with recorded() as calls, patch.object(bcrypt, "checkpw", wraps=bcrypt.checkpw) as compared:
            answer = log_in(name, address=f"203.0.113.{number}")
        seen.append((answer.status, answer.json["code"], answer.json["detail"], list(calls), compared.call_count))

    assert seen[0] == seen[1]
    assert (seen[0][0], seen[0][4]) == (401, 1)


@pytest.mark.parametrize("email", LOOK_ALIKES)
def test_forgot_answers_an_impossible_address_alike_and_causes_no_mail(
    account: Callable[..., User], email: str
) -> None:
    account("kim@shop.example")

    asked = [call("POST", "/api/v1/auth/password/forgot", {"email": it}).status for it in (email, " kim@shop.example ")]

    assert asked == [202, 202]
    requests = [it for it in client().scan(TableName="identity")["Items"] if it["kind"]["S"] == "mail-request"]
    assert sorted(it.get("email_folded", {}).get("S", "none") for it in requests) == ["kim@shop.example", "none"]


@pytest.mark.parametrize("email", LOOK_ALIKES)
def test_the_first_admin_has_an_address_that_mail_reaches(email: str) -> None:
    with pytest.raises(ValueError, match="ASCII"):
        first_admin.grant_admin(email, operator_arn="arn:aws:iam::1:user/olga")
    first_admin.grant_admin(" Olga@bücher.example", operator_arn="arn:aws:iam::1:user/olga")
    assert claims() == {"olga@xn--bcher-kva.example"}


def test_a26_a_look_alike_of_before_gets_nothing_by_an_address(
    account: Callable[..., User],
) -> None:
    account("\u212aim@shop.example", email_folded="kim@shop.example", role="manager")

    assert by_address(["kim@shop.example"]) == {}
    with pytest.raises(AdmissionRefusedError, match="make addresses"):
        first_admin.grant_admin("kim@shop.example", operator_arn="arn:aws:iam::1:user/olga")
